"""Settings that have parts of their own: how a long conversation is cut, a prompt kept by the service, its traces."""

from collections.abc import Mapping
from typing import Any

import attrs

from engine.config.checks import is_number
from engine.errors import ConfigError


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _left_out(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}


def _check(field: str, value: object, allowed: str, *, ok: bool) -> None:
    if not ok:
        raise ConfigError(field, value, allowed)


@attrs.frozen(kw_only=True)
class RetentionRatio:
    """How much of a conversation stays when it has grown too long for the model.

    Attributes:
        ratio: The fraction of the allowed tokens that is kept, 0 to 1. Below 1, more is dropped at once and seldomer,
            which spares the prompt cache.
        post_instructions_tokens: The most tokens after the instructions; the model's own limit when None.
    """

    ratio: float = 1.0
    post_instructions_tokens: int | None = None

    def __attrs_post_init__(self) -> None:
        _check("truncation.ratio", self.ratio, "0 to 1", ok=is_number(self.ratio, 0, 1))
        most = self.post_instructions_tokens
        whole = most is None or is_number(most, 0, float("inf"), whole=True)
        _check("truncation.post_instructions_tokens", most, "a whole number of tokens, 0 or more, or None", ok=whole)

    def to_wire(self) -> Mapping[str, Any]:
        """Give it as the service reads it."""
        told: dict[str, Any] = {"type": "retention_ratio", "retention_ratio": self.ratio}
        if self.post_instructions_tokens is not None:
            told["token_limits"] = {"post_instructions": self.post_instructions_tokens}
        return told


@attrs.frozen(kw_only=True)
class Prompt:
    """A prompt template that is kept by the service, and what goes into it.

    Attributes:
        id: Which template.
        version: Which version of it; the newest when None.
        variables: Values by name: text, or the service's objects for images and files. Not shown.
    """

    id: str
    version: str | None = None
    variables: Mapping[str, Any] | None = attrs.field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        _check("prompt.id", self.id, "text that is not empty", ok=_text(self.id))
        _check("prompt.version", self.version, "text, or None", ok=self.version is None or _text(self.version))
        named = self.variables is None or (isinstance(self.variables, Mapping) and all(map(_text, self.variables)))
        _check("prompt.variables", type(self.variables).__name__, "a mapping with text for keys, or None", ok=named)

    def to_wire(self) -> Mapping[str, Any]:
        """Give it as the service reads it."""
        return _left_out({"id": self.id, "version": self.version, "variables": self.variables})


@attrs.frozen(kw_only=True)
class Tracing:
    """How the service names a session's trace in its dashboard.

    Attributes:
        workflow_name: The workflow that the trace belongs to.
        group_id: Joins traces.
        metadata: What traces can be searched by. Not shown.
    """

    workflow_name: str | None = None
    group_id: str | None = None
    metadata: Mapping[str, Any] | None = attrs.field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        for name in ("workflow_name", "group_id"):
            value = getattr(self, name)
            _check(f"tracing.{name}", value, "text, or None", ok=value is None or _text(value))
        mapping = self.metadata is None or isinstance(self.metadata, Mapping)
        _check("tracing.metadata", type(self.metadata).__name__, "a mapping, or None", ok=mapping)

    def to_wire(self) -> Mapping[str, Any]:
        """Give it as the service reads it."""
        return _left_out(attrs.asdict(self, recurse=False))

"""What one response is asked for: the session's settings that it may have of its own, its input, its metadata."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine import limits
from engine.config import readers
from engine.config.settings import SETTINGS, wire_value, with_nulls
from engine.errors import ConfigError
from engine.wire.session import Audio, AudioOutput, ResponseSettings

METADATA_ID_KEY: Final = "client_event_id"
"""Metadata that the engine adds: the service says it again in `response.created`, which tells whose response it is."""

_OWN_PAIRS: Final = limits.METADATA_MAX_PAIRS - 1

CONVERSATIONS: Final = ("auto", "none")


def _metadata(field: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) > _OWN_PAIRS:
        shown = len(value) if isinstance(value, Mapping) else type(value).__name__
        raise ConfigError(field, shown, f"a mapping of at most {_OWN_PAIRS} pairs")
    for key, text in value.items():
        _pair(field, key, text)
    return dict(value)


def _pair(field: str, key: Any, value: Any) -> None:
    longest, most = limits.METADATA_KEY_MAX_CHARS, limits.METADATA_VALUE_MAX_CHARS
    if not isinstance(key, str) or not 1 <= len(key) <= longest:
        raise ConfigError(field, key, f"keys of 1 to {longest} characters")
    if key == METADATA_ID_KEY:
        raise ConfigError(f"{field}.{key}", "(given)", "any other key; the engine uses this one")
    if not isinstance(value, str) or len(value) > most:
        raise ConfigError(f"{field}.{key}", "(not shown)", f"text of at most {most} characters")


def _input(field: str, value: Any) -> tuple[Any, ...]:
    return tuple(readers.item(f"{field}[{index}]", item) for index, item in enumerate(readers.listed(field, value)))


_INHERITED: Final = (
    "instructions",
    "output_modalities",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "max_output_tokens",
    "prompt",
    "voice",
)
"""Settings of the session that a response may have of its own. It has no speed of its own."""

ASKABLE: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    **{name: SETTINGS[name].read for name in _INHERITED},
    "metadata": _metadata,
    "input": _input,
}
"""What `responses.create` takes beside `conversation`, and how each is read."""


def asked_to_wire(asked: Mapping[str, Any], conversation: str, model: str) -> ResponseSettings:
    """Give what a response is asked for as `response.create` carries it.

    Args:
        asked: By the names of `ASKABLE`; None leaves a thing as the session has it.
        conversation: `auto`, or `none` for a response out of band.
        model: The session's.

    Raises:
        ConfigError: A name or a value is wrong, or not possible with this model.
    """
    if conversation not in CONVERSATIONS:
        raise ConfigError("conversation", conversation, ", ".join(map(repr, CONVERSATIONS)))
    unknown = [name for name in asked if name not in ASKABLE]
    if unknown:
        raise ConfigError(unknown[0], "(not known)", "the settings " + ", ".join(ASKABLE))
    read = {name: ASKABLE[name](name, value) for name, value in asked.items() if value is not None}
    readers.check_can_reason("reasoning_effort", read.get("reasoning_effort"), model)
    return _to_wire(read, conversation)


def _to_wire(read: Mapping[str, Any], conversation: str) -> ResponseSettings:
    told = {SETTINGS[name].key or name: wire_value(name, read[name]) for name in _INHERITED if name in read}
    told |= {name: read[name] for name in ("metadata", "input") if name in read}
    if "voice" in told:
        told["audio"] = Audio(output=AudioOutput(voice=told.pop("voice")))
    if conversation != "auto":
        told["conversation"] = conversation
    return with_nulls(ResponseSettings, told)

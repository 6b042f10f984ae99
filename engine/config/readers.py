"""How each setting of a session is read: what was given is checked, and kept in one form, whatever form it came in.

A reader takes the setting's name, as errors tell it, and the value; it raises `ConfigError`. Values that the wire has
a record for may be given as that record, or as the mapping that JSON has.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import attrs

from engine import limits
from engine.config.checks import is_number, word
from engine.config.values import Prompt, RetentionRatio, Tracing
from engine.contract import to_wire_tool
from engine.errors import ConfigError, RemoteViolation
from engine.wire.codec import from_object
from engine.wire.items import ITEM_CLASSES, Item, ItemBase, UnknownItem
from engine.wire.record import Record
from engine.wire.session import NoiseReduction, TextOrObject, TokenCount, Tool, Transcription, TurnDetection

R = TypeVar("R", bound=Record)
Check = tuple[Callable[[Any], bool], str]
"""Whether a value is right, and what is allowed, in words."""

EFFORTS: Final = ("minimal", "low", "medium", "high", "xhigh")
LOGPROBS: Final = "item.input_audio_transcription.logprobs"
INCLUDABLE: Final = (LOGPROBS,)

_NOT_REASONING: Final = re.compile(r"gpt-(4o|audio)(-.*)?|gpt-realtime(-1\.5|-mini)?(-\d{4}-\d\d-\d\d)?")
"""Models that are known to refuse a whole update for its `reasoning`. Any other name may be a deployment's."""


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(word, str) and word for word in value)


_IDLE_MS: Final = (limits.IDLE_TIMEOUT_MIN_MS, limits.IDLE_TIMEOUT_MAX_MS)
_TEXT: Final[Check] = (lambda value: isinstance(value, str) and value != "", "text that is not empty")
_ANY_TEXT: Final[Check] = (lambda value: isinstance(value, str), "text")
_TEXTS: Final[Check] = (_is_list_of_text, "a list of texts")
_DURATION: Final[Check] = (lambda value: is_number(value, 0, math.inf, whole=True), "a whole number of ms, 0 or more")
_SWITCH: Final[Check] = (lambda value: isinstance(value, bool), "True or False")

_TURN_DETECTION: Final[Mapping[str, Check]] = {
    "type": word("server_vad", "semantic_vad"),
    "threshold": (lambda value: is_number(value, 0, 1), "0 to 1"),
    "prefix_padding_ms": _DURATION,
    "silence_duration_ms": _DURATION,
    "idle_timeout_ms": (lambda value: is_number(value, *_IDLE_MS, whole=True), "{} to {} ms".format(*_IDLE_MS)),
    "eagerness": word("low", "medium", "high", "auto"),
    "create_response": _SWITCH,
    "interrupt_response": _SWITCH,
}
_ONLY_WITH: Final[Mapping[str, str]] = {
    "threshold": "server_vad",
    "prefix_padding_ms": "server_vad",
    "silence_duration_ms": "server_vad",
    "idle_timeout_ms": "server_vad",
    "eagerness": "semantic_vad",
}
_TRANSCRIPTION: Final[Mapping[str, Check]] = {
    "model": _TEXT,
    "language": _TEXT,
    "prompt": _ANY_TEXT,
    "delay": word(*EFFORTS),
    "keywords": _TEXTS,
    "languages": _TEXTS,
}
_NOISE_REDUCTION: Final[Mapping[str, Check]] = {
    "type": word("near_field", "far_field"),
    "strength": (lambda value: is_number(value, 0, math.inf), "a number, 0 or more"),
}


def _record(field: str, value: Any, cls: type[R], checks: Mapping[str, Check], *, needed: str | None) -> R:
    """Read a record of the wire or the mapping that says it; all it holds is checked, and `needed` must be there."""
    # The wire's records take any value, for the service's own answers may hold new ones. What we send is checked.
    if isinstance(value, Mapping):
        _known_keys(field, value, checks)
        given: Mapping[str, Any] = value
    elif isinstance(value, cls):
        given = {name: getattr(value, name) for name in checks}
    else:
        allowed = f"a {cls.__name__} of engine.wire.session, or None"
        raise ConfigError(field, type(value).__name__, allowed)
    for name, (is_right, allowed) in checks.items():
        left_out = given.get(name) is None and name != needed
        if not left_out and not is_right(given.get(name)):
            raise ConfigError(f"{field}.{name}", given.get(name), allowed)
    if isinstance(value, cls):
        return value
    typed: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in given.items()}
    return cls(**typed)


def _known_keys(field: str, value: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for key in value:
        if key not in known:
            raise ConfigError(f"{field}.{key}", "(not shown)", "the keys " + ", ".join(known))


def text(field: str, value: Any) -> str:
    """Read text, which may be empty."""
    return str(_checked(field, value, _ANY_TEXT))


def _checked(field: str, value: Any, check: Check) -> Any:
    is_right, allowed = check
    if not is_right(value):
        raise ConfigError(field, value, allowed)
    return value


def switch(field: str, value: Any) -> bool:
    """Read True or False."""
    return bool(_checked(field, value, _SWITCH))


def turn_detection(field: str, value: Any) -> TurnDetection:
    """Read how spoken turns are found."""
    read = _record(field, value, TurnDetection, _TURN_DETECTION, needed="type")
    for name, kind in _ONLY_WITH.items():
        if getattr(read, name) is not None and read.type != kind:
            raise ConfigError(f"{field}.{name}", getattr(read, name), f"only with {kind!r}")
    return read


def transcription(field: str, value: Any) -> Transcription:
    """Read how the user's speech is written down."""
    return _record(field, value, Transcription, _TRANSCRIPTION, needed=None)


def noise_reduction(field: str, value: Any) -> NoiseReduction:
    """Read how noise is taken out: a record, or `near_field` or `far_field` alone."""
    given = {"type": value} if isinstance(value, str) else value
    return _record(field, given, NoiseReduction, _NOISE_REDUCTION, needed=None)


def voice(field: str, value: Any) -> TextOrObject:
    """Read a voice's name, or `{"id": ...}` of a custom one."""
    custom = isinstance(value, Mapping) and set(value) == {"id"} and isinstance(value["id"], str) and value["id"]
    if not custom and not (isinstance(value, str) and value):
        raise ConfigError(field, value, "a voice's name, or {'id': ...}")
    read: TextOrObject = value
    return read


def speed(field: str, value: Any) -> float:
    """Read how fast the voice speaks."""
    bounds = limits.SPEED_MIN, limits.SPEED_MAX
    return float(_checked(field, value, (lambda given: is_number(given, *bounds), "{:g} to {:g}".format(*bounds))))


def output_modalities(field: str, value: Any) -> tuple[str, ...]:
    """Read `audio` or `text`, as a list of one or alone."""
    for modality in ("audio", "text"):
        if value == modality or (isinstance(value, Sequence) and list(value) == [modality]):
            return (modality,)
    raise ConfigError(field, value, "['audio'] or ['text']")


def max_output_tokens(field: str, value: Any) -> TokenCount:
    """Read how long an answer may be."""
    if value == "inf" or is_number(value, 1, limits.MAX_OUTPUT_TOKENS, whole=True):
        read: TokenCount = value
        return read
    raise ConfigError(field, value, f"1 to {limits.MAX_OUTPUT_TOKENS}, or 'inf'")


def tool_choice(field: str, value: Any) -> TextOrObject:
    """Read how tools are chosen."""
    if (isinstance(value, str) and value in {"auto", "none", "required"}) or _names_a_tool(value):
        read: TextOrObject = value
        return read
    allowed = "'auto', 'none', 'required', {'type': 'function', 'name': ...} or {'type': 'mcp', 'server_label': ...}"
    raise ConfigError(field, value, allowed)


def _names_a_tool(choice: Any) -> bool:
    if not isinstance(choice, Mapping):
        return False
    key = {"function": "name", "mcp": "server_label"}.get(str(choice.get("type")), "")
    name = choice.get(key)
    return isinstance(name, str) and name != ""


def reasoning_effort(field: str, value: Any) -> str:
    """Read how hard a reasoning model thinks."""
    return str(_checked(field, value, word(*EFFORTS)))


def check_can_reason(field: str, effort: str | None, model: str) -> None:
    """Refuse what would cost the whole update: a model that is known not to reason.

    Raises:
        ConfigError: It is.
    """
    if effort is not None and _NOT_REASONING.fullmatch(model):
        raise ConfigError(field, effort, f"None with {model!r}, which is no reasoning model as gpt-realtime-2 is")


def include(field: str, value: Any) -> tuple[str, ...]:
    """Read what the service is to tell beside the usual."""
    listed = isinstance(value, (list, tuple)) and all(item in INCLUDABLE for item in value)
    return tuple(_checked(field, value, (lambda _: listed, "a list of " + ", ".join(map(repr, INCLUDABLE)))))


def truncation(field: str, value: Any) -> str | RetentionRatio:
    """Read what happens to a conversation that has grown too long."""
    if isinstance(value, RetentionRatio) or (isinstance(value, str) and value in {"auto", "disabled"}):
        return value
    if not isinstance(value, Mapping) or value.get("type") != "retention_ratio":
        raise ConfigError(field, value, "'auto', 'disabled' or an engine.RetentionRatio")
    _known_keys(field, value, {"type": 0, "retention_ratio": 0, "token_limits": 0})
    token_limits = value.get("token_limits") or {}
    if not isinstance(token_limits, Mapping):
        raise ConfigError(f"{field}.token_limits", token_limits, "{'post_instructions': ...}")
    _known_keys(f"{field}.token_limits", token_limits, {"post_instructions": 0})
    most = token_limits.get("post_instructions")
    return RetentionRatio(ratio=value.get("retention_ratio"), post_instructions_tokens=most)  # type: ignore[arg-type]


def prompt(field: str, value: Any) -> Prompt:
    """Read which of the prompts that the service keeps is used."""
    return _of_class(field, value, Prompt)


def tracing(field: str, value: Any) -> str | Tracing:
    """Read how the session is traced."""
    return "auto" if isinstance(value, str) and value == "auto" else _of_class(field, value, Tracing)


V = TypeVar("V", Prompt, Tracing)


def _of_class(field: str, value: Any, cls: type[V]) -> V:
    if isinstance(value, cls):
        return value
    known = {entry.name: entry for entry in attrs.fields(cls)}
    if not isinstance(value, Mapping):
        raise ConfigError(field, type(value).__name__, f"an engine.{cls.__name__}, or a mapping of its fields")
    _known_keys(field, value, known)
    missing = [name for name, entry in known.items() if entry.default is attrs.NOTHING and name not in value]
    if missing:
        raise ConfigError(f"{field}.{missing[0]}", None, "text that is not empty")
    return cls(**value)


def listed(field: str, given: Any) -> Sequence[Any]:
    """Read a list; None is an empty one."""
    if given is not None and not isinstance(given, (list, tuple)):
        raise ConfigError(field, type(given).__name__, "a list")
    return given or ()


def tools(field: str, specs: Any) -> tuple[Tool, ...]:
    """Read what the model may call: functions and MCP servers."""
    read = tuple(to_wire_tool(spec, f"{field}[{index}]") for index, spec in enumerate(listed(field, specs)))
    first: dict[tuple[str | None, str | None], int] = {}
    for index, tool in enumerate(read):
        key, name = ("server_label", tool.server_label) if tool.type == "mcp" else ("name", tool.name)
        if first.setdefault((key, name), index) != index:
            allowed = f"one that {field}[{first[key, name]}] does not have"
            raise ConfigError(f"{field}[{index}].{key}", name, allowed)
        _check_mcp(f"{field}[{index}]", tool)
    return read


def _check_mcp(field: str, tool: Tool) -> None:
    """Refuse a definition of an MCP server that the service would. A label alone names one that was defined before."""
    if tool.type != "mcp":
        return
    if not tool.server_label:
        raise ConfigError(f"{field}.server_label", tool.server_label, "text that is not empty")
    ways = [name for name in ("server_url", "connector_id", "tunnel_id") if getattr(tool, name) is not None]
    if len(ways) > 1:
        raise ConfigError(f"{field}.{ways[1]}", "(given)", f"only one of {', '.join(ways)}")
    named = {name.lower() for name in tool.headers or ()}
    if tool.authorization is not None and "authorization" in named:
        raise ConfigError(f"{field}.headers", "(not shown)", "no Authorization beside `authorization`")


def item(field: str, value: Any) -> Item:
    """Read a conversation item: one of `engine.wire.items`, or the mapping that JSON has."""
    if isinstance(value, ItemBase):
        return value  # type: ignore[return-value]
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        raise ConfigError(field, type(value).__name__, "an item of engine.wire.items, or a mapping with its 'type'")
    try:
        return from_object(value, ITEM_CLASSES.get(value["type"], UnknownItem))  # type: ignore[return-value]
    except RemoteViolation as error:
        raise ConfigError(f"{field}.{error.field}", "(see the cause)", "what the service's items take") from error

"""Settings of what a session is: model, instructions, turn detection, tools, history."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from engine import limits
from engine.config.audio import AudioSettings
from engine.config.checks import flag, instance_of, is_number, or_none, text, word
from engine.config.client import ClientSettings
from engine.config.engine import EngineSettings
from engine.contract import to_wire_tool
from engine.errors import ConfigError
from engine.wire.session import (
    Audio,
    AudioInput,
    AudioOutput,
    Session,
    TextOrObject,
    TokenCount,
    Tool,
    Transcription,
    TurnDetection,
)

DEFAULT_MODEL: Final = "gpt-realtime"
DEFAULT_INSTRUCTIONS: Final = (
    "You are a friendly and helpful voice assistant. Speak English. Keep what you say clear and concise."
)
DEFAULT_TRANSCRIPTION: Final = Transcription(model="gpt-4o-transcribe")
DEFAULT_TURN_DETECTION: Final = TurnDetection(
    type="server_vad", threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500
)

_IDLE_MS: Final = (limits.IDLE_TIMEOUT_MIN_MS, limits.IDLE_TIMEOUT_MAX_MS)
_DURATION: Final = (lambda value: is_number(value, 0, math.inf, whole=True), "a whole number of ms, 0 or more")
_SWITCH: Final = (lambda value: isinstance(value, bool), "True or False")

_TURN_DETECTION: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "type": word("server_vad", "semantic_vad"),
    "threshold": (lambda value: is_number(value, 0, 1), "0 to 1"),
    "prefix_padding_ms": _DURATION,
    "silence_duration_ms": _DURATION,
    "idle_timeout_ms": (lambda value: is_number(value, *_IDLE_MS, whole=True), "{} to {} ms".format(*_IDLE_MS)),
    "eagerness": word("low", "medium", "high", "auto"),
    "create_response": _SWITCH,
    "interrupt_response": _SWITCH,
}
"""What the service takes of each: a check, and that in words."""


def _turn_detection(_: Any, __: "attrs.Attribute[Any]", value: TurnDetection | None) -> None:
    # The wire's records take any value, for the service's own answers may hold new ones. What we send is checked.
    if value is None:
        return
    for name, (is_right, allowed) in _TURN_DETECTION.items():
        given = getattr(value, name)
        left_out = given is None and name != "type"
        if not left_out and not is_right(given):
            raise ConfigError(f"turn_detection.{name}", given, allowed)


def _modalities(value: Sequence[str]) -> tuple[str, ...]:
    for modality in ("audio", "text"):
        if value == modality or (isinstance(value, Sequence) and list(value) == [modality]):
            return (modality,)
    raise ConfigError("inference.output_modalities", value, "['audio'] or ['text']")


def _tokens(_: Any, __: "attrs.Attribute[Any]", value: Any) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is None or value == "inf" or (whole and 1 <= value <= limits.MAX_OUTPUT_TOKENS):
        return
    raise ConfigError("inference.max_output_tokens", value, f"1 to {limits.MAX_OUTPUT_TOKENS}, or 'inf'")


def _tool_choice(_: Any, __: "attrs.Attribute[Any]", value: Any) -> None:
    known = value is None or (isinstance(value, str) and value in {"auto", "none", "required"})
    if known or (isinstance(value, Mapping) and _names_a_tool(value)):
        return
    allowed = "'auto', 'none', 'required', {'type': 'function', 'name': ...} or {'type': 'mcp', 'server_label': ...}"
    raise ConfigError("inference.tool_choice", value, allowed)


def _names_a_tool(choice: Mapping[str, Any]) -> bool:
    key = {"function": "name", "mcp": "server_label"}.get(str(choice.get("type")), "")
    name = choice.get(key)
    return isinstance(name, str) and name != ""


def _listed(field: str, given: Sequence[Any] | None) -> Sequence[Any]:
    if given is not None and not isinstance(given, (list, tuple)):
        raise ConfigError(field, type(given).__name__, "a list")
    return given or ()


def _messages(messages: Sequence[Mapping[str, Any]] | None) -> tuple[Mapping[str, Any], ...]:
    return tuple(_listed("history", messages))


def _tools(specs: Sequence[Any] | None) -> tuple[Tool, ...]:
    tools = tuple(to_wire_tool(spec, f"tools[{index}]") for index, spec in enumerate(_listed("tools", specs)))
    first: dict[str | None, int] = {}
    for index, tool in enumerate(tools):
        if tool.type == "function" and first.setdefault(tool.name, index) != index:
            raise ConfigError(f"tools[{index}].name", tool.name, f"a name that tools[{first[tool.name]}] does not have")
    return tools


@attrs.frozen(kw_only=True)
class SessionConfig:
    """What the session is: model, instructions, audio, tools.

    Attributes:
        model: Model identifier.
        instructions: The system prompt. Not shown.
        audio: Formats, rates, voice.
        output_modalities: `("audio",)` or `("text",)`; the service takes no mixture.
        transcription: How the user's speech is written down; None for not at all.
        turn_detection: How spoken turns are found; None for push to talk.
        tools: Functions the model may call, in the contract's shape or the service's.
        tool_choice: `auto`, `none`, `required`, or `{"type": "function", "name": ...}`.
        max_output_tokens: Bound of one answer.
        history: Messages to begin with, in the contract's format.
        image_input: Let images be sent.
        client: Whom the session talks to.
        engine: How the engine runs it.
    """

    model: str = attrs.field(default=DEFAULT_MODEL, validator=text("", empty=False))
    instructions: str = attrs.field(default=DEFAULT_INSTRUCTIONS, validator=text(""), repr=False)
    audio: AudioSettings = attrs.field(
        factory=AudioSettings, validator=instance_of("", AudioSettings, "an engine.AudioSettings")
    )
    output_modalities: tuple[str, ...] = attrs.field(default=("audio",), converter=_modalities)
    transcription: Transcription | None = attrs.field(
        default=DEFAULT_TRANSCRIPTION, validator=or_none("", Transcription)
    )
    turn_detection: TurnDetection | None = attrs.field(
        default=DEFAULT_TURN_DETECTION,
        validator=[or_none("", TurnDetection), _turn_detection],
    )
    tools: tuple[Tool, ...] = attrs.field(default=(), converter=_tools)
    tool_choice: TextOrObject | None = attrs.field(default=None, validator=_tool_choice)
    max_output_tokens: TokenCount | None = attrs.field(default=None, validator=_tokens)
    history: tuple[Mapping[str, Any], ...] = attrs.field(default=(), converter=_messages, repr=False)
    image_input: bool = attrs.field(default=False, validator=flag(""))
    client: ClientSettings = attrs.field(
        factory=ClientSettings, validator=instance_of("", ClientSettings, "an engine.ClientSettings")
    )
    engine: EngineSettings = attrs.field(
        factory=EngineSettings, validator=instance_of("", EngineSettings, "an engine.EngineSettings")
    )

    def to_wire(self) -> Session:
        """Give the settings as `session.update` carries them."""
        off = {
            name: None
            for name, value in (("transcription", self.transcription), ("turn_detection", self.turn_detection))
            if value is None
        }
        return Session(
            type="realtime",
            instructions=self.instructions,
            output_modalities=self.output_modalities,
            audio=Audio(
                input=AudioInput(
                    format=self.audio.wire_format,
                    transcription=self.transcription,
                    turn_detection=self.turn_detection,
                    extra=off,
                ),
                output=AudioOutput(format=self.audio.wire_format, voice=self.audio.voice),
            ),
            tools=self.tools or None,
            tool_choice=self.tool_choice,
            max_output_tokens=self.max_output_tokens,
        )

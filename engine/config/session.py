"""Settings of what a session is: model, instructions, turn detection, tools, history."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from engine.config import readers
from engine.config.audio import AudioSettings
from engine.config.checks import flag, instance_of, text
from engine.config.client import ClientSettings
from engine.config.engine import EngineSettings
from engine.config.settings import SETTINGS, to_session
from engine.config.values import Prompt, RetentionRatio, Tracing
from engine.errors import ConfigError
from engine.wire.session import (
    NoiseReduction,
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

_SAID_AS_NULL: Final = frozenset({"transcription", "turn_detection"})
"""What a new session has unless it is told otherwise; the rest that can be null begins as null."""


def _read(field: str, value: Any) -> Any:
    return None if value is None else SETTINGS[field.rpartition(".")[2]].read(field, value)


def _modalities(value: str | Sequence[str]) -> tuple[str, ...]:
    return readers.output_modalities("inference.output_modalities", value)


def _transcription(value: Transcription | Mapping[str, Any] | None) -> Transcription | None:
    read: Transcription | None = _read("transcription", value)
    return read


def _noise_reduction(value: NoiseReduction | Mapping[str, Any] | str | None) -> NoiseReduction | None:
    read: NoiseReduction | None = _read("noise_reduction", value)
    return read


def _turn_detection(value: TurnDetection | Mapping[str, Any] | None) -> TurnDetection | None:
    read: TurnDetection | None = _read("turn_detection", value)
    return read


def _speed(value: float | None) -> float | None:
    read: float | None = _read("speed", value)
    return read


def _tracing(value: str | Tracing | Mapping[str, Any] | None) -> str | Tracing | None:
    read: str | Tracing | None = _read("tracing", value)
    return read


def _truncation(value: str | RetentionRatio | Mapping[str, Any] | None) -> str | RetentionRatio | None:
    read: str | RetentionRatio | None = _read("truncation", value)
    return read


def _prompt(value: Prompt | Mapping[str, Any] | None) -> Prompt | None:
    read: Prompt | None = _read("prompt", value)
    return read


def _include(value: Sequence[str] | None) -> tuple[str, ...] | None:
    read: tuple[str, ...] | None = _read("include", value)
    return read


def _messages(messages: Sequence[Mapping[str, Any]] | None) -> tuple[Mapping[str, Any], ...]:
    return tuple(readers.listed("history", messages))


def _tools(specs: Sequence[Any] | None) -> tuple[Tool, ...]:
    return readers.tools("tools", specs)


def _right(prefix: str = "") -> Any:
    """Check a value that is kept as it is given; None stands for the service's own."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        _read(prefix + attribute.name, value)

    return check


@attrs.frozen(kw_only=True)
class SessionConfig:
    """What the session is: model, instructions, audio, tools.

    What is None is left to the service, unless it says otherwise here. Records of `engine.wire.session` may be given
    as the mappings that JSON has.

    Attributes:
        model: Model identifier.
        instructions: The system prompt. Not shown.
        audio: Formats, rates, voice.
        output_modalities: `("audio",)` or `("text",)`; the service takes no mixture.
        transcription: How the user's speech is written down; None for not at all.
        noise_reduction: `near_field` for headsets, `far_field` for rooms, or a `NoiseReduction` with a strength; None
            for not at all.
        turn_detection: How spoken turns are found; None for push to talk.
        voice: Name of the model's voice, or `{"id": ...}` of a custom one; that of `audio` when None.
        speed: How fast it speaks, 0.25 to 1.5.
        tools: Functions the model may call, in the contract's shape or the service's, and MCP servers.
        tool_choice: `auto`, `none`, `required`, `{"type": "function", "name": ...}`, or `{"type": "mcp",
            "server_label": ...}`.
        parallel_tool_calls: Let one answer make several calls; for reasoning models.
        reasoning_effort: `minimal`, `low`, `medium`, `high` or `xhigh`; for reasoning models.
        max_output_tokens: Bound of one answer: 1 to 4096, or `inf`.
        truncation: What happens to a conversation that has grown too long: `auto`, `disabled`, or an
            `engine.RetentionRatio`.
        tracing: `auto`, or an `engine.Tracing`; None for no traces.
        prompt: A prompt template that the service keeps.
        include: `item.input_audio_transcription.logprobs`, to be told how sure each heard word is.
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
    transcription: Transcription | None = attrs.field(default=DEFAULT_TRANSCRIPTION, converter=_transcription)
    noise_reduction: NoiseReduction | None = attrs.field(default=None, converter=_noise_reduction)
    turn_detection: TurnDetection | None = attrs.field(default=DEFAULT_TURN_DETECTION, converter=_turn_detection)
    voice: TextOrObject | None = attrs.field(default=None, validator=_right())
    speed: float | None = attrs.field(default=None, converter=_speed)
    tools: tuple[Tool, ...] = attrs.field(default=(), converter=_tools)
    tool_choice: TextOrObject | None = attrs.field(default=None, validator=_right("inference."))
    parallel_tool_calls: bool | None = attrs.field(default=None, validator=_right())
    reasoning_effort: str | None = attrs.field(default=None, validator=_right())
    max_output_tokens: TokenCount | None = attrs.field(default=None, validator=_right("inference."))
    truncation: str | RetentionRatio | None = attrs.field(default=None, converter=_truncation)
    tracing: str | Tracing | None = attrs.field(default=None, converter=_tracing)
    prompt: Prompt | None = attrs.field(default=None, converter=_prompt)
    include: tuple[str, ...] | None = attrs.field(default=None, converter=_include)
    history: tuple[Mapping[str, Any], ...] = attrs.field(default=(), converter=_messages, repr=False)
    image_input: bool = attrs.field(default=False, validator=flag(""))
    client: ClientSettings = attrs.field(
        factory=ClientSettings, validator=instance_of("", ClientSettings, "an engine.ClientSettings")
    )
    engine: EngineSettings = attrs.field(
        factory=EngineSettings, validator=instance_of("", EngineSettings, "an engine.EngineSettings")
    )

    def __attrs_post_init__(self) -> None:
        readers.check_can_reason("reasoning_effort", self.reasoning_effort, self.model)

    @property
    def spoken_voice(self) -> TextOrObject:
        """The voice that is asked for."""
        return self.audio.voice if self.voice is None else self.voice

    def settings(self) -> dict[str, Any]:
        """Give what the service is told at first, by the names of `engine.config.settings.SETTINGS`."""
        named = {name: getattr(self, name) for name in SETTINGS} | {"voice": self.spoken_voice}
        named["tools"] = self.tools or None
        return {name: value for name, value in named.items() if value is not None or name in _SAID_AS_NULL}

    def to_wire(self) -> Session:
        """Give the settings as `session.update` carries them."""
        return to_session(self.settings(), self.audio)


def check_changeable(name: str) -> None:
    """Refuse what a running session can't change.

    Raises:
        ConfigError: The setting is fixed, or there is none of that name.
    """
    fixed = {field.name for field in attrs.fields(SessionConfig)} - set(SETTINGS)
    if name in fixed | {"type"}:
        raise ConfigError(name, "(a change)", "no change while the session runs; open a new one")
    if name not in SETTINGS:
        raise ConfigError(name, "(not known)", "the settings " + ", ".join(SETTINGS))

"""Settings: what the session is (`SessionConfig`), whom it talks to (`ClientSettings`), how it runs (`EngineSettings`).

All are frozen and checked when they are made: a wrong value fails with its field, the value and what is allowed,
before any connection.
"""

import math
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final, Literal
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

import attrs

from engine import limits
from engine.contract import to_wire_tool
from engine.errors import ConfigError, shown_url
from engine.wire.session import (
    Audio,
    AudioFormat,
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
DEFAULT_BASE_URL: Final = "wss://api.openai.com/v1"
DEFAULT_INSTRUCTIONS: Final = (
    "You are a friendly and helpful voice assistant. Speak English. Keep what you say clear and concise."
)
DEFAULT_TRANSCRIPTION: Final = Transcription(model="gpt-4o-transcribe")
DEFAULT_TURN_DETECTION: Final = TurnDetection(
    type="server_vad", threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500
)

WIRE_FORMATS: Final[Mapping[str, tuple[str, int]]] = {
    "pcm": ("audio/pcm", limits.WIRE_RATE_HZ),
    "pcmu": ("audio/pcmu", 8_000),
    "pcma": ("audio/pcma", 8_000),
}
"""Name of a format to its name on the wire and its samples a second."""

InputOverflow = Literal["wait", "drop_oldest", "fail"]
InboxOverflow = Literal["drop_oldest_audio", "wait", "fail"]

_Check = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def _one_of(prefix: str, *allowed: object) -> _Check:
    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if value not in allowed:
            raise ConfigError(prefix + attribute.name, value, ", ".join(map(repr, allowed)))

    return check


def _is_number(value: Any, low: float, high: float, *, whole: bool = False) -> bool:
    kinds = (int,) if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high


def _number(prefix: str, low: float, high: float, unit: str, *, whole: bool = False) -> _Check:
    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not _is_number(value, low, high, whole=whole):
            raise ConfigError(prefix + attribute.name, value, f"{low:g} to {high:g} {unit}")

    return check


def _a(prefix: str, cls: type, allowed: str) -> _Check:
    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, cls):
            # By its type, for it may hold a key, as a mapping in place of `ClientSettings` does.
            raise ConfigError(prefix + attribute.name, type(value).__name__, allowed)

    return check


def _flag(prefix: str) -> _Check:
    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, bool):
            raise ConfigError(prefix + attribute.name, value, "True or False")

    return check


def _text(prefix: str, *, empty: bool = True) -> _Check:
    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, str) or not (value or empty):
            raise ConfigError(prefix + attribute.name, value, "text" if empty else "text that is not empty")

    return check


def _or_none(prefix: str, cls: type) -> _Check:
    return attrs.validators.optional(_a(prefix, cls, f"a {cls.__name__} of engine.wire.session, or None"))


_IDLE_MS: Final = (limits.IDLE_TIMEOUT_MIN_MS, limits.IDLE_TIMEOUT_MAX_MS)
_DURATION: Final = (lambda value: _is_number(value, 0, math.inf, whole=True), "a whole number of ms, 0 or more")
_SWITCH: Final = (lambda value: isinstance(value, bool), "True or False")


def _word(*allowed: str) -> tuple[Callable[[Any], bool], str]:
    return lambda value: isinstance(value, str) and value in allowed, ", ".join(map(repr, allowed))


_TURN_DETECTION: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "type": _word("server_vad", "semantic_vad"),
    "threshold": (lambda value: _is_number(value, 0, 1), "0 to 1"),
    "prefix_padding_ms": _DURATION,
    "silence_duration_ms": _DURATION,
    "idle_timeout_ms": (lambda value: _is_number(value, *_IDLE_MS, whole=True), "{} to {} ms".format(*_IDLE_MS)),
    "eagerness": _word("low", "medium", "high", "auto"),
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


def _header(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None and not (isinstance(value, str) and value and value.isascii() and value.isprintable()):
        raise ConfigError(f"client_config.{attribute.name}", "(not shown)", "printable ASCII text, not empty")


@attrs.frozen(kw_only=True)
class AudioSettings:
    """Audio between the application and the engine.

    Attributes:
        input_rate: Samples a second of what the application sends; the format's own when not given.
        output_rate: Samples a second of what it receives; the format's own when not given.
        channels: 1.
        format: `pcm` (PCM16 little-endian, 24 kHz), `pcmu` or `pcma` (G.711, 8 kHz).
        voice: Name of the model's voice, or `{"id": ...}` of a custom one.
    """

    format: str = attrs.field(default="pcm", validator=_one_of("audio.", *WIRE_FORMATS))
    input_rate: int = attrs.field()
    output_rate: int = attrs.field()
    channels: int = attrs.field(default=1, validator=_one_of("audio.", 1))
    voice: TextOrObject = "alloy"

    @input_rate.default
    @output_rate.default
    def _rate(self) -> int:
        # A format that does not exist is the validator's business.
        return WIRE_FORMATS.get(str(self.format), WIRE_FORMATS["pcm"])[1]

    def __attrs_post_init__(self) -> None:
        rate = WIRE_FORMATS[self.format][1]
        for name in ("input_rate", "output_rate"):
            if getattr(self, name) != rate:
                raise ConfigError(f"audio.{name}", getattr(self, name), f"{rate} with format {self.format!r}")
        if not (isinstance(self.voice, str) and self.voice) and not isinstance(self.voice, Mapping):
            raise ConfigError("audio.voice", self.voice, "a voice's name, or {'id': ...}")

    @property
    def wire_format(self) -> AudioFormat:
        """The format as the session settings say it."""
        name, rate = WIRE_FORMATS[self.format]
        return AudioFormat(type=name, rate=rate if self.format == "pcm" else None)

    @property
    def bytes_per_ms(self) -> int:
        """Bytes of one millisecond on the wire."""
        return WIRE_FORMATS[self.format][1] // 1000 * (2 if self.format == "pcm" else 1)


def _base_url(value: str | None) -> str:
    given = value or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
    parts = _split_url(given)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme) if parts else ""
    # No cause is chained, for urlsplit's own errors quote the address, with any password in it.
    if parts is None or scheme not in {"ws", "wss"} or not parts.hostname:
        raise ConfigError("client_config.base_url", shown_url(given), "a URL as wss://host/v1 (or ws, https, http)")
    if "@" in parts.netloc:
        way_out = "a URL without user and password: the key goes in api_key"
        raise ConfigError("client_config.base_url", shown_url(given), way_out)
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/"), parts.query, ""))


def _split_url(given: object) -> SplitResult | None:
    if not isinstance(given, str):
        return None
    try:
        parts = urlsplit(given)
        _ = parts.port  # It is read here, and may be no number.
    except ValueError:
        return None
    return parts


def _or_env(value: str | None, name: str) -> str | None:
    return (os.environ.get(name) if value is None else value) or None


def _key(value: str | None) -> str | None:
    return _or_env(value, "OPENAI_API_KEY")


def _organization(value: str | None) -> str | None:
    return _or_env(value, "OPENAI_ORGANIZATION")


def _project(value: str | None) -> str | None:
    return _or_env(value, "OPENAI_PROJECT")


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@attrs.frozen(kw_only=True)
class ClientSettings:
    """Whom the session talks to, and as whom.

    Attributes:
        api_key: Else `OPENAI_API_KEY`. Never shown.
        organization: Else `OPENAI_ORGANIZATION`.
        project: Else `OPENAI_PROJECT`.
        base_url: Else `OPENAI_BASE_URL`, else the service; http and https are read as ws and wss.
        timeout_s: Lifetime of a session, at most `limits.OPENAI_MAX_TIMEOUT_S`.
        allow_insecure_key: Send the key over plain `ws://` to a host that is not this machine.
        ssl_context: For `wss`; the system's certificates when None.
    """

    api_key: str | None = attrs.field(default=None, converter=_key, validator=_header, repr=False)
    organization: str | None = attrs.field(default=None, converter=_organization, validator=_header)
    project: str | None = attrs.field(default=None, converter=_project, validator=_header)
    base_url: str = attrs.field(default=None, converter=_base_url, repr=lambda url: repr(shown_url(url)))
    timeout_s: float = limits.OPENAI_MAX_TIMEOUT_S
    allow_insecure_key: bool = attrs.field(default=False, validator=_flag("client_config."))
    ssl_context: ssl.SSLContext | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(_a("client_config.", ssl.SSLContext, "an ssl.SSLContext, or None")),
        repr=False,
        eq=False,
    )

    def __attrs_post_init__(self) -> None:
        if not self.api_key:
            message = "OpenAI API key is required: pass client_config={'api_key': ...} or set OPENAI_API_KEY"
            raise ConfigError("client_config.api_key", None, "a key", message=message)
        self._check_timeout()
        parts = urlsplit(self.base_url)
        if parts.scheme == "ws" and not is_loopback(parts.hostname or "") and not self.allow_insecure_key:
            way_out = "wss://, or allow_insecure_key=True to send the key unencrypted all the same"
            raise ConfigError("client_config.base_url", shown_url(self.base_url), way_out)

    def _check_timeout(self) -> None:
        value, most = self.timeout_s, limits.OPENAI_MAX_TIMEOUT_S
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value <= most:
            message = f"timeout_s={value!r} is not possible: at most {most} s (max_timeout_s={most}), and above 0"
            raise ConfigError("client_config.timeout_s", value, f"above 0, at most {most}", message=message)

    def url(self, model: str) -> str:
        """Build the address of a conversation with `model`, whatever model the base names."""
        parts = urlsplit(self.base_url)
        path = parts.path if parts.path.endswith("/realtime") else parts.path + "/realtime"
        given = parse_qsl(parts.query, keep_blank_values=True)
        query = [*((name, value) for name, value in given if name != "model"), ("model", model)]
        return urlunsplit((parts.scheme, parts.netloc, path, urlencode(query, quote_via=quote), ""))

    def headers(self) -> list[tuple[str, str]]:
        """Build the headers that say who calls. Holds the key: for the transport only."""
        named = (("OpenAI-Organization", self.organization), ("OpenAI-Project", self.project))
        who = [(name, value) for name, value in named if value]
        return [("Authorization", f"Bearer {self.api_key}"), *who]


@attrs.frozen(kw_only=True)
class EngineSettings:
    """How the engine runs a session. Each bound is explained in `engine.limits`.

    Attributes:
        input_frame_ms: Microphone audio is joined and cut to messages of this length.
        input_overflow: What happens when `limits.AUDIO_LANE_S` of audio waits for the socket: `wait` in `send`,
            `drop_oldest` (counted), or `fail` with `LimitExceeded`.
        inbox_max_bytes: What may wait for `receive()`.
        inbox_overflow: What happens past it: `drop_oldest_audio` (counted, told once an overflow), `wait` (stop
            reading the socket: nothing is lost, but pings are not answered either), or `fail`.
        message_max_bytes: Largest server message that is decoded.
        connect_deadline_s: From the first packet to `session.created`.
        response_request_deadline_s: From `response.create` to its answer.
        tool_result_deadline_s: How long calls without a result may hold a request that waits for them.
        close_deadline_s: The longest that `stop()` waits for the server.
    """

    input_frame_ms: int = attrs.field(
        default=limits.INPUT_FRAME_MS,
        validator=_number("engine.", limits.INPUT_FRAME_MIN_MS, limits.INPUT_FRAME_MAX_MS, "ms", whole=True),
    )
    input_overflow: InputOverflow = attrs.field(
        default="wait", validator=_one_of("engine.", "wait", "drop_oldest", "fail")
    )
    inbox_max_bytes: int = attrs.field(
        default=limits.INBOX_MAX_BYTES, validator=_number("engine.", 2**16, 2**40, "bytes", whole=True)
    )
    inbox_overflow: InboxOverflow = attrs.field(
        default="drop_oldest_audio", validator=_one_of("engine.", "drop_oldest_audio", "wait", "fail")
    )
    message_max_bytes: int = attrs.field(
        default=limits.MESSAGE_MAX_BYTES,
        validator=_number("engine.", 2**10, limits.MESSAGE_HARD_MAX_BYTES, "bytes", whole=True),
    )
    connect_deadline_s: float = attrs.field(
        default=limits.CONNECT_DEADLINE_S, validator=_number("engine.", 0.001, 3600, "s")
    )
    response_request_deadline_s: float = attrs.field(
        default=limits.RESPONSE_REQUEST_DEADLINE_S, validator=_number("engine.", 0.001, 3600, "s")
    )
    tool_result_deadline_s: float = attrs.field(
        default=limits.TOOL_RESULT_DEADLINE_S, validator=_number("engine.", 0.001, 3600, "s")
    )
    close_deadline_s: float = attrs.field(default=limits.CLOSE_DEADLINE_S, validator=_number("engine.", 0.0, 60, "s"))


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

    model: str = attrs.field(default=DEFAULT_MODEL, validator=_text("", empty=False))
    instructions: str = attrs.field(default=DEFAULT_INSTRUCTIONS, validator=_text(""), repr=False)
    audio: AudioSettings = attrs.field(
        factory=AudioSettings, validator=_a("", AudioSettings, "an engine.AudioSettings")
    )
    output_modalities: tuple[str, ...] = attrs.field(default=("audio",), converter=_modalities)
    transcription: Transcription | None = attrs.field(
        default=DEFAULT_TRANSCRIPTION, validator=_or_none("", Transcription)
    )
    turn_detection: TurnDetection | None = attrs.field(
        default=DEFAULT_TURN_DETECTION,
        validator=[_or_none("", TurnDetection), _turn_detection],
    )
    tools: tuple[Tool, ...] = attrs.field(default=(), converter=_tools)
    tool_choice: TextOrObject | None = attrs.field(default=None, validator=_tool_choice)
    max_output_tokens: TokenCount | None = attrs.field(default=None, validator=_tokens)
    history: tuple[Mapping[str, Any], ...] = attrs.field(default=(), converter=_messages, repr=False)
    image_input: bool = attrs.field(default=False, validator=_flag(""))
    client: ClientSettings = attrs.field(
        factory=ClientSettings, validator=_a("", ClientSettings, "an engine.ClientSettings")
    )
    engine: EngineSettings = attrs.field(
        factory=EngineSettings, validator=_a("", EngineSettings, "an engine.EngineSettings")
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

"""The contract's events: what an application sends to a session and receives from it.

Frozen, typed, and readable as the JSON objects of the contract as well: `event["type"]`, `event.get("text")`,
`"text" in event`, `event.as_dict()`. Names and fields are those of the session contract; identity of the service's
objects (`response_id`, `item_id`, `content_index`, `event_id`, `received_at`) is on the attributes of output events
and is never part of the JSON form.

`repr` shows no words, sounds, pictures, arguments or results: it ends in logs.
"""

from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from itertools import islice
from typing import Any, ClassVar, Final, Literal

import attrs
import pybase64

from engine.errors import BidiModelTimeoutError, RemoteViolation, ServerReported, UnsupportedContent

Role = Literal["user", "assistant"]
StopReason = Literal["complete", "error", "interrupted", "tool_use"]
CloseReason = Literal["client_disconnect", "timeout", "error", "complete", "user_request"]


_NAMES_OF_CALLS: Final = ("toolUseId", "name", "status")


def _call_only(call: object) -> str:
    """Show whose call it is, and not what is in it."""
    if not isinstance(call, Mapping):
        return f"({type(call).__name__})"
    return repr({key: call[key] for key in _NAMES_OF_CALLS if key in call})


def _class_only(error: object) -> str:
    """Show what was raised by its class: the text may quote a tool's input."""
    return "None" if error is None else type(error).__name__


def _or_empty(details: Sequence[Mapping[str, Any]] | None) -> Sequence[Mapping[str, Any]]:
    return details or ()


class _DictView:
    """Reads a frozen event as the JSON object of the contract."""

    __slots__ = ()

    type: ClassVar[str]

    def as_dict(self) -> dict[str, Any]:
        """Give the contract's JSON form, without the optional identity fields."""
        return {"type": self.type, **self._fields()}

    def _fields(self) -> dict[str, Any]:
        raise AssertionError(f"{type(self).__name__} does not say its fields")

    def __getitem__(self, key: str) -> Any:
        return self.as_dict()[key]

    def get(self, key: str, default: Any = None) -> Any:
        """Read a key of the JSON form, or give `default`."""
        return self.as_dict().get(key, default)

    def keys(self) -> Iterator[str]:
        """Name the keys of the JSON form; with `event[key]` this makes `dict(event)` and `**event` work."""
        return iter(self.as_dict())

    def values(self) -> ValuesView[Any]:
        """Give the values of the JSON form."""
        return self.as_dict().values()

    def items(self) -> ItemsView[str, Any]:
        """Give the pairs of the JSON form."""
        return self.as_dict().items()

    def __len__(self) -> int:
        return len(self.as_dict())

    def __contains__(self, key: object) -> bool:
        return key in self.as_dict()

    def __iter__(self) -> Iterator[str]:
        return self.keys()


# --- what an application sends ------------------------------------------------------------------------------------


@attrs.frozen
class BidiTextInputEvent(_DictView):
    """Text for the model; a response is asked for.

    Attributes:
        text: The words.
        role: Who says them.
    """

    type: ClassVar[str] = "bidi_text_input"
    text: str = attrs.field(repr=False)
    role: Role = "user"

    def _fields(self) -> dict[str, Any]:
        return {"text": self.text, "role": self.role}


@attrs.frozen
class BidiAudioInputEvent(_DictView):
    """A piece of the user's speech.

    Attributes:
        audio: Base64 text.
        format: Encoding of the bytes; see `engine.config.AudioSettings`.
        sample_rate: Samples a second.
        channels: 1 or 2.
    """

    type: ClassVar[str] = "bidi_audio_input"
    audio: str = attrs.field(repr=False)
    format: str
    sample_rate: int
    channels: int

    def _fields(self) -> dict[str, Any]:
        return {
            "audio": self.audio,
            "format": self.format,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
        }

    @classmethod
    def from_pcm(cls, pcm: bytes, sample_rate: int = 24_000, channels: int = 1) -> "BidiAudioInputEvent":
        """Wrap PCM16 little-endian samples."""
        return cls(pybase64.b64encode(pcm).decode("ascii"), "pcm", sample_rate, channels)


@attrs.frozen
class BidiImageInputEvent(_DictView):
    """An image for the model; needs `provider_config={"image_input": True}`.

    Attributes:
        image: Base64 text.
        mime_type: `image/png` or `image/jpeg`.
    """

    type: ClassVar[str] = "bidi_image_input"
    image: str = attrs.field(repr=False)
    mime_type: str

    def _fields(self) -> dict[str, Any]:
        return {"image": self.image, "mime_type": self.mime_type}


@attrs.frozen
class ToolResultEvent(_DictView):
    """What a tool gave.

    Attributes:
        tool_result: `{"toolUseId": ..., "status": "success" | "error", "content": [{"text": ...} | {"json": ...}]}`.
        exception: What the tool raised, for the application's own use.
    """

    type: ClassVar[str] = "tool_result"
    tool_result: Mapping[str, Any] = attrs.field(repr=_call_only)
    exception: Exception | None = attrs.field(default=None, eq=False, repr=_class_only)

    def _fields(self) -> dict[str, Any]:
        return {"tool_result": self.tool_result}

    @property
    def tool_use_id(self) -> str:
        """The call that this answers.

        Raises:
            UnsupportedContent: The result does not say it, in text.
        """
        call_id = self.tool_result.get("toolUseId") if isinstance(self.tool_result, Mapping) else None
        if not isinstance(call_id, str) or not call_id:
            raise UnsupportedContent(
                f"a tool result without 'toolUseId' as text ({type(call_id).__name__}) | content not supported; "
                f"say whose result it is"
            )
        return call_id


BidiInputEvent = BidiTextInputEvent | BidiAudioInputEvent | BidiImageInputEvent
SessionInput = BidiInputEvent | ToolResultEvent

# --- what an application receives ---------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class _Output(_DictView):
    """Identity that every output event may carry.

    Attributes:
        response_id: The response that it belongs to.
        item_id: The conversation item.
        content_index: The piece of content in the item.
        event_id: The server event that it came from.
        received_at: When that was read, in seconds of Trio's clock.
    """

    item_id: str | None = attrs.field(default=None, eq=False, repr=False)
    content_index: int | None = attrs.field(default=None, eq=False, repr=False)
    event_id: str | None = attrs.field(default=None, eq=False, repr=False)
    received_at: float | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen(kw_only=True)
class _OfResponse(_Output):
    """An output event that may belong to a response."""

    response_id: str | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen
class BidiConnectionStartEvent(_OfResponse):
    """The session is open. Always the first event."""

    type: ClassVar[str] = "bidi_connection_start"
    connection_id: str
    model: str

    def _fields(self) -> dict[str, Any]:
        return {"connection_id": self.connection_id, "model": self.model}


@attrs.frozen
class BidiConnectionRestartEvent(_OfResponse):
    """The connection is being made anew after its lifetime ended."""

    type: ClassVar[str] = "bidi_connection_restart"
    timeout_error: BidiModelTimeoutError = attrs.field(eq=False)

    def _fields(self) -> dict[str, Any]:
        return {"timeout_error": self.timeout_error}


@attrs.frozen
class BidiConnectionCloseEvent(_OfResponse):
    """The session ended in order: the last event. An end that is a fault is raised instead."""

    type: ClassVar[str] = "bidi_connection_close"
    connection_id: str
    reason: CloseReason

    def _fields(self) -> dict[str, Any]:
        return {"connection_id": self.connection_id, "reason": self.reason}


@attrs.frozen
class BidiResponseStartEvent(_Output):
    """The model starts to answer."""

    type: ClassVar[str] = "bidi_response_start"
    response_id: str

    def _fields(self) -> dict[str, Any]:
        return {"response_id": self.response_id}


@attrs.frozen
class BidiAudioStreamEvent(_OfResponse):
    """A piece of the model's speech.

    Attributes:
        audio: Base64 text; `pcm` gives the bytes.
        format: `pcm` (PCM16 little-endian), `pcmu` or `pcma`.
        sample_rate: Samples a second.
        channels: Always 1 from the service.
    """

    type: ClassVar[str] = "bidi_audio_stream"
    audio: str = attrs.field(repr=False)
    format: str
    sample_rate: int
    channels: int

    def _fields(self) -> dict[str, Any]:
        return {
            "audio": self.audio,
            "format": self.format,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
        }

    @property
    def pcm(self) -> bytes:
        """The audio's bytes.

        Raises:
            RemoteViolation: The service sent what is not base64 text.
        """
        try:
            return pybase64.b64decode(self.audio, validate=True)
        except ValueError as error:
            raise RemoteViolation(
                "invalid_field", "audio is not base64 text", event_type="response.output_audio.delta", field="delta"
            ) from error


class TextSoFar:
    """An utterance as it stood at one moment: a share of a list that goes on growing, joined when it is read.

    A long answer comes in thousands of pieces. If each event held a copy of all text before it, those that wait for a
    slow reader would grow with the square of the answer.
    """

    __slots__ = ("_count", "_pieces")

    def __init__(self, pieces: list[str]) -> None:
        self._pieces = pieces
        self._count = len(pieces)

    def __str__(self) -> str:
        return "".join(islice(self._pieces, self._count))


def _text_or_none(text: "str | TextSoFar | None") -> str | None:
    return None if text is None else str(text)


@attrs.frozen
class BidiTranscriptStreamEvent(_OfResponse):
    """A piece of what the user or the model says.

    Attributes:
        delta: `{"text": ...}`, the same words as `text`.
        text: The new words; all of them when `is_final`.
        role: Who says them.
        is_final: True for the last event of an utterance.
    """

    type: ClassVar[str] = "bidi_transcript_stream"
    delta: Mapping[str, Any] = attrs.field(repr=False)
    text: str = attrs.field(repr=False)
    role: Role
    is_final: bool
    _so_far: str | TextSoFar | None = attrs.field(
        default=None, alias="current_transcript", eq=_text_or_none, repr=False
    )

    @property
    def current_transcript(self) -> str | None:
        """All words of the utterance so far."""
        return _text_or_none(self._so_far)

    def _fields(self) -> dict[str, Any]:
        return {
            "delta": self.delta,
            "text": self.text,
            "role": self.role,
            "is_final": self.is_final,
            "current_transcript": self.current_transcript,
        }


@attrs.frozen
class BidiInterruptionEvent(_OfResponse):
    """The user speaks (`user_speech`): stop playing. Audio of the interrupted answer that waited is gone."""

    type: ClassVar[str] = "bidi_interruption"
    reason: Literal["user_speech", "error"]

    def _fields(self) -> dict[str, Any]:
        return {"reason": self.reason}


@attrs.frozen
class BidiResponseCompleteEvent(_Output):
    """The answer is over.

    Attributes:
        response_id: Which.
        stop_reason: `complete`, `tool_use` when it ended in calls, `interrupted`, or `error`.
        details: Why, where the service says: `{"status": ..., "reason": ..., "error": {...}}`. Not in the JSON form.
    """

    type: ClassVar[str] = "bidi_response_complete"
    response_id: str
    stop_reason: StopReason
    details: Mapping[str, Any] | None = None

    def _fields(self) -> dict[str, Any]:
        return {"response_id": self.response_id, "stop_reason": self.stop_reason}


@attrs.frozen
class BidiUsageEvent(_OfResponse):
    """Tokens that an answer took.

    Attributes:
        modality_details: `{"modality", "input_tokens", "output_tokens"}` for each of text, audio and image that
            took any.
        cache_read_input_tokens: Those of `input_tokens` that came from the cache.
        cache_write_input_tokens: Never given by this service.
    """

    type: ClassVar[str] = "bidi_usage"
    input_tokens: int
    output_tokens: int
    total_tokens: int
    modality_details: Sequence[Mapping[str, Any]] = attrs.field(default=(), converter=_or_empty)
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None

    def _fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "inputTokens": self.input_tokens,
            "outputTokens": self.output_tokens,
            "totalTokens": self.total_tokens,
        }
        optional = {
            "modality_details": list(self.modality_details) or None,
            "cacheReadInputTokens": self.cache_read_input_tokens,
            "cacheWriteInputTokens": self.cache_write_input_tokens,
        }
        return fields | {key: value for key, value in optional.items() if value is not None}


@attrs.frozen
class ToolUseStreamEvent(_OfResponse):
    """The model calls a tool; comes once a call, when its arguments are whole.

    Attributes:
        delta: `{"toolUse": {"toolUseId", "name", "input"}}`.
        current_tool_use: `{"toolUseId", "name", "input"}`; `input` is a JSON object.
    """

    type: ClassVar[str] = "tool_use_stream"
    delta: Mapping[str, Any] = attrs.field(repr=False)
    current_tool_use: Mapping[str, Any] = attrs.field(repr=_call_only)

    def _fields(self) -> dict[str, Any]:
        return {"delta": self.delta, "current_tool_use": self.current_tool_use}


@attrs.frozen
class BidiErrorEvent(_OfResponse):
    """Something went wrong and the session lives, unless an exception follows.

    Attributes:
        error: The exception, one of `engine.errors`.
        details: `{"type", "param", "client_event_id"}` of a service error, or what else is known.
    """

    type: ClassVar[str] = "bidi_error"
    error: Exception = attrs.field(eq=False)
    details: Mapping[str, Any] | None = None

    @property
    def message(self) -> str:
        """What happened, in words."""
        return self.error.message if isinstance(self.error, ServerReported) else str(self.error)

    @property
    def code(self) -> str:
        """The service's code, or else the name of the exception's class."""
        code = self.error.code if isinstance(self.error, ServerReported) else None
        return code or type(self.error).__name__

    def _fields(self) -> dict[str, Any]:
        return {"message": self.message, "code": self.code, "details": self.details}


BidiOutputEvent = (
    BidiConnectionStartEvent
    | BidiConnectionRestartEvent
    | BidiResponseStartEvent
    | BidiAudioStreamEvent
    | BidiTranscriptStreamEvent
    | BidiInterruptionEvent
    | BidiResponseCompleteEvent
    | BidiUsageEvent
    | ToolUseStreamEvent
    | BidiConnectionCloseEvent
    | BidiErrorEvent
)

"""What an application receives from a session, as the contract has it."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar, Literal

import attrs
import pybase64

from engine.errors import RemoteViolation, ServerReported
from engine.events.connection import (
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiConnectionWarningEvent,
)
from engine.events.mcp import McpApprovalRequestEvent, McpCallEvent, McpToolsEvent
from engine.events.view import OfResponse, Output, call_only
from engine.events.words import Role, StopReason


def _or_empty(details: Sequence[Mapping[str, Any]] | None) -> Sequence[Mapping[str, Any]]:
    return details or ()


@attrs.frozen
class BidiResponseStartEvent(Output):
    """The model starts to answer."""

    type: ClassVar[str] = "bidi_response_start"
    response_id: str

    def _fields(self) -> dict[str, Any]:
        return {"response_id": self.response_id}


@attrs.frozen
class BidiAudioStreamEvent(OfResponse):
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
class BidiTranscriptStreamEvent(OfResponse):
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
class BidiInterruptionEvent(OfResponse):
    """The user speaks (`user_speech`): stop playing. Audio of the interrupted answer that waited is gone."""

    type: ClassVar[str] = "bidi_interruption"
    reason: Literal["user_speech", "error"]

    def _fields(self) -> dict[str, Any]:
        return {"reason": self.reason}


@attrs.frozen
class BidiResponseCompleteEvent(Output):
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
class BidiUsageEvent(OfResponse):
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
class ToolUseStreamEvent(OfResponse):
    """The model calls a tool; comes once a call, when its arguments are whole.

    Attributes:
        delta: `{"toolUse": {"toolUseId", "name", "input"}}`.
        current_tool_use: `{"toolUseId", "name", "input"}`; `input` is a JSON object.
    """

    type: ClassVar[str] = "tool_use_stream"
    delta: Mapping[str, Any] = attrs.field(repr=False)
    current_tool_use: Mapping[str, Any] = attrs.field(repr=call_only)

    def _fields(self) -> dict[str, Any]:
        return {"delta": self.delta, "current_tool_use": self.current_tool_use}


@attrs.frozen
class BidiErrorEvent(OfResponse):
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
    | BidiConnectionWarningEvent
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
    | McpToolsEvent
    | McpCallEvent
    | McpApprovalRequestEvent
)

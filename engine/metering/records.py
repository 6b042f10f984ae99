"""What the turn log tells: a turn, its responses and calls, each a frozen record, and the sums over all of them.

Times ending in `_at` are seconds of the clock that the log is given (Trio's in a session).
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import attrs

from engine.events import StopReason
from engine.metering.tokens import NO_TOKENS, Tokens, Transcribed

Began = Literal["speech", "push_to_talk", "text", "tool", "idle", "request", "service"]
"""Speech that the service heard, a commit by hand, typed text, a tool's late result, silence (`idle_timeout_ms`), a
bare request for a response, or nothing that this side knows of."""

LOST: Final = "lost"
"""Status of a response whose connection went before its end."""

_STOP_REASONS: Final[Mapping[str, StopReason]] = {
    "completed": "complete",
    "cancelled": "interrupted",
    "incomplete": "interrupted",
    "failed": "error",
    LOST: "error",
}


@attrs.frozen(kw_only=True)
class ToolRecord:
    """One call of a tool.

    Attributes:
        call_id: As the service named it; for an MCP call its item's id.
        name: The tool.
        kind: Who runs it: the application (`function`) or the service (`mcp`).
        called_at: When its arguments were whole.
        answered_at: When its result was handed to the session, or came from the MCP server.
        failed: The MCP server told of a failure.
    """

    call_id: str
    name: str | None = None
    kind: Literal["function", "mcp"] = "function"
    called_at: float | None = None
    answered_at: float | None = None
    failed: bool = False

    @property
    def duration_ms(self) -> float | None:
        """From the call to its result."""
        return _ms(self.called_at, self.answered_at)


@attrs.frozen(kw_only=True)
class ResponseRecord:
    """One response of the model.

    Attributes:
        response_id: As the service named it.
        created_at: When the service told of it.
        first_text_at: First piece of text, written or as transcript.
        first_audio_at: First piece of audio.
        done_at: When it was over.
        status: `in_progress`, `completed`, `cancelled`, `failed`, `incomplete` or `lost`.
        reason: Why: `turn_detected`, `client_cancelled`, `max_output_tokens`, `content_filter`, or an error's code.
        tokens: What it took; none where it is `lost`, for the service tells them at the end.
        item_ids: Its items, in order.
        tools: The calls in it.
    """

    response_id: str
    created_at: float | None = None
    first_text_at: float | None = None
    first_audio_at: float | None = None
    done_at: float | None = None
    status: str = "in_progress"
    reason: str | None = None
    tokens: Tokens = NO_TOKENS
    item_ids: tuple[str, ...] = ()
    tools: tuple[ToolRecord, ...] = ()

    @property
    def stop_reason(self) -> StopReason | None:
        """How it ended, in the words of `BidiResponseCompleteEvent`; None while it runs."""
        if self.done_at is None:
            return None
        stopped = _STOP_REASONS.get(self.status, "complete")
        return "tool_use" if stopped == "complete" and self.tools else stopped


@attrs.frozen(kw_only=True)
class TurnRecord:
    """One turn: what the user did, and all that the model answered to it, tool calls in between included.

    Attributes:
        number: 1 for the first.
        began: What it began with.
        began_at: When: speech started, or the text was sent.
        asked_at: When the user was through and the wait began: `speech_stopped` arrived, the commit or the text was
            sent; for the first time, where a lost connection made it come twice. Latencies count from here. The service
            itself waits `silence_duration_ms` before it tells of the end.
        speech_start_at: When `speech_started` arrived first.
        speech_end_at: When `speech_stopped` arrived last.
        audio_start_ms: Where the speech starts in all audio that was sent over the connection that heard it last.
        audio_end_ms: Where it ends there.
        first_audio_heard_at: When the first sample of the answer was heard.
        interrupted_at: When the user (or the application) cut the answer off.
        interruption_taken_at: When the application took the interruption event of the speech that followed.
        input_item_ids: The user's items; speech that two connections heard has one of each, of which the last counts.
        responses: The model's answers, in order; more than one where tools were called or a connection was lost.
    """

    number: int
    began: Began
    began_at: float
    asked_at: float | None = None
    speech_start_at: float | None = None
    speech_end_at: float | None = None
    audio_start_ms: int | None = None
    audio_end_ms: int | None = None
    first_audio_heard_at: float | None = None
    interrupted_at: float | None = None
    interruption_taken_at: float | None = None
    input_item_ids: tuple[str, ...] = ()
    responses: tuple[ResponseRecord, ...] = ()

    @property
    def response_ids(self) -> tuple[str, ...]:
        """Its responses."""
        return tuple(response.response_id for response in self.responses)

    @property
    def item_ids(self) -> tuple[str, ...]:
        """Its items: the user's, then those of the responses."""
        return self.input_item_ids + tuple(item for response in self.responses for item in response.item_ids)

    @property
    def tools(self) -> tuple[ToolRecord, ...]:
        """Its calls, in order."""
        return tuple(tool for response in self.responses for tool in response.tools)

    @property
    def tokens(self) -> Tokens:
        """What its responses took."""
        return sum((response.tokens for response in self.responses), NO_TOKENS)

    @property
    def stop_reason(self) -> StopReason | None:
        """How its last response ended; None while there is none or it runs."""
        return self.responses[-1].stop_reason if self.responses else None

    @property
    def first_text_at(self) -> float | None:
        """First piece of text of its responses."""
        return _first(response.first_text_at for response in self.responses)

    @property
    def first_audio_at(self) -> float | None:
        """First piece of audio of its responses."""
        return _first(response.first_audio_at for response in self.responses)

    @property
    def response_end_at(self) -> float | None:
        """When its last response was over; None while it runs."""
        return self.responses[-1].done_at if self.responses else None

    @property
    def time_to_first_text_ms(self) -> float | None:
        """From the end of the user's input to the first text; None where one of them is not known."""
        return _ms(self.asked_at, self.first_text_at)

    @property
    def time_to_first_audio_ms(self) -> float | None:
        """From the end of the user's input to the first audio; None where one of them is not known."""
        return _ms(self.asked_at, self.first_audio_at)

    @property
    def time_to_first_audio_heard_ms(self) -> float | None:
        """From the end of the user's input to the first sound; None where one of them is not known."""
        return _ms(self.asked_at, self.first_audio_heard_at)

    @property
    def interruption_latency_ms(self) -> float | None:
        """From the arrival of `speech_started` until the application took the interruption."""
        return _ms(self.interrupted_at, self.interruption_taken_at)


def _first(times: Iterable[float | None]) -> float | None:
    return min((time for time in times if time is not None), default=None)


def _ms(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None or end < begin else (end - begin) * 1000


@attrs.frozen(kw_only=True)
class Latency:
    """How long something took, over all turns that told.

    Attributes:
        count: So many.
        total_ms: Together.
        max_ms: The longest.
    """

    count: int = 0
    total_ms: float = 0.0
    max_ms: float = 0.0

    @property
    def mean_ms(self) -> float | None:
        """On average; None for none."""
        return self.total_ms / self.count if self.count else None

    def met(self, ms: float) -> "Latency":
        """Give the figures with one more."""
        return Latency(count=self.count + 1, total_ms=self.total_ms + ms, max_ms=max(self.max_ms, ms))


NO_LATENCY: Final = Latency()


@attrs.frozen(kw_only=True)
class TurnTotals:
    """Sums over all turns of a session, those that were forgotten included.

    Attributes:
        turns: Turns that began.
        forgotten: Turns that the log no longer holds.
        responses: Finished responses by status, those outside the conversation included.
        asides: Responses outside the conversation.
        errors: Errors that the service told, by code; those of failed responses are among `responses`.
        tool_calls: Calls of tools, MCP ones included.
        interruptions: Turns whose answer was cut off.
        tokens: What responses took.
        transcribed: What transcriptions took.
        time_to_first_text: See `TurnRecord.time_to_first_text_ms`.
        time_to_first_audio: See `TurnRecord.time_to_first_audio_ms`.
        time_to_first_audio_heard: See `TurnRecord.time_to_first_audio_heard_ms`.
        interruption_latency: See `TurnRecord.interruption_latency_ms`.
    """

    turns: int = 0
    forgotten: int = 0
    responses: Mapping[str, int] = attrs.field(factory=dict, hash=False)
    asides: int = 0
    errors: Mapping[str, int] = attrs.field(factory=dict, hash=False)
    tool_calls: int = 0
    interruptions: int = 0
    tokens: Tokens = NO_TOKENS
    transcribed: Transcribed = attrs.field(factory=Transcribed)
    time_to_first_text: Latency = NO_LATENCY
    time_to_first_audio: Latency = NO_LATENCY
    time_to_first_audio_heard: Latency = NO_LATENCY
    interruption_latency: Latency = NO_LATENCY

"""The model's side of the turn log: responses from begin to end, their items, and what cuts them off."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import attrs

from engine.config.asked import METADATA_ID_KEY
from engine.metering.book import MOST_PARTS, TurnBook
from engine.metering.pending import Cause, Pending
from engine.metering.records import LOST, ResponseRecord, TurnRecord
from engine.metering.tokens import TokenMeter
from engine.metering.tool_calls import ToolCalls
from engine.wire import client
from engine.wire import server as wire
from engine.wire.response import Response

_NO_ID: Final = "unknown"
"""Stands for the id of a response that has none."""

_MOST_WAITING: Final = 256
"""Responses whose first text or audio is still waited for."""


class ModelSide:
    """Handles what the model says.

    Args:
        book: Where turns and responses are kept.
        pending: What a response may answer.
        meter: Counts tokens.
        calls: Takes note of calls.
    """

    __slots__ = ("_before_audio", "_before_text", "_book", "_calls", "_cancelled_at", "_meter", "_pending")

    def __init__(self, book: TurnBook, pending: Pending, meter: TokenMeter, calls: ToolCalls) -> None:
        self._book = book
        self._pending = pending
        self._meter = meter
        self._calls = calls
        self._before_text: dict[str, None] = {}
        self._before_audio: dict[str, None] = {}
        self._cancelled_at: float | None = None

    def heard(self, item_id: str, now: float) -> None:
        """The first sample of an item was played."""
        turn = self._book.turn_of_item(item_id)
        if turn is not None and turn.first_audio_heard_at is None:
            self._book.put_turn(attrs.evolve(turn, first_audio_heard_at=now))

    def link_ended(self, now: float) -> None:
        """What runs will not be finished."""
        for response in self._book.unended:
            self._end(attrs.evolve(response, done_at=now, status=LOST))
            if response.response_id == self._pending.unwanted:  # It would have ended by that.
                turn = self._book.turn_of_response(response.response_id)
                spoke = turn is not None and self._book.spoken_after(turn) is not None
                self._cut(turn, None if spoke else self._cancelled_at, now)

    def _cancel_sent(self, event: client.ResponseCancel, now: float) -> None:
        self._cancelled_at = now
        self._pending.cut_in(event.response_id)

    # --- from begin to end ------------------------------------------------------------------------------------

    def _created(self, event: wire.ResponseCreated, now: float) -> None:
        response = event.response
        held = self._book.response(response.id or _NO_ID)
        if held is None or (response.id is None and held.done_at is not None):
            self._add(response, now, created_at=now)

    def _add(self, response: Response, now: float, **known: Any) -> ResponseRecord:
        record = ResponseRecord(response_id=response.id or _NO_ID, **known)
        if _is_aside(response):
            self._book.add_aside(record)
        else:
            turn = self._turn_for(self._pending.take(self._book.newest, now))
            self._book.add_response(record, turn)
            again = None if _is_asked_by_itself(response) else _cause_of(turn)
            self._pending.answering(record.response_id, again)
        for waiting in (self._before_text, self._before_audio):
            waiting[record.response_id] = None
            if len(waiting) > _MOST_WAITING:
                del waiting[next(iter(waiting))]
        return record

    def _turn_for(self, cause: Cause) -> TurnRecord:
        turn = self._book.turn(cause.turn)
        if turn is not None and len(turn.responses) < MOST_PARTS:
            return turn
        return self._book.begin(cause.began, cause.at, asked_at=cause.at, input_item_ids=cause.item_ids)

    def _audio(self, event: wire.ResponseOutputAudioDelta, now: float) -> None:
        # The hot path: all but the first delta of a response end here.
        if event.response_id in self._before_audio:
            del self._before_audio[event.response_id]
            self._renew(event.response_id, first_audio_at=now)

    def _text(self, event: wire.ResponseOutputAudioTranscriptDelta | wire.ResponseOutputTextDelta, now: float) -> None:
        if event.response_id in self._before_text:
            del self._before_text[event.response_id]
            self._renew(event.response_id, first_text_at=now)

    def _renew(self, response_id: str, **changes: Any) -> None:
        response = self._book.response(response_id)
        if response is not None:
            self._book.put_response(attrs.evolve(response, **changes))

    def _done(self, event: wire.ResponseDone, now: float) -> None:
        response = event.response
        tokens = self._meter.response_done(response)
        if tokens is None:
            return
        response_id, status = response.id or _NO_ID, response.status or "completed"
        if self._book.is_orphan(response_id):
            self._book.ended(status)
            return
        held = self._book.response(response_id)
        if held is None or (response.id is None and held.done_at is not None):
            self._add(response, now)
        elif held.done_at is not None:
            return
        for item in response.output or ():
            self._calls.item(response_id, item, now)
        record = self._book.held(response_id)
        self._end(attrs.evolve(record, done_at=now, status=status, reason=_reason(response), tokens=tokens))

    def _end(self, record: ResponseRecord) -> None:
        self._before_text.pop(record.response_id, None)
        self._before_audio.pop(record.response_id, None)
        self._pending.answered(record.response_id)
        self._book.ended(record.status)
        self._book.put_response(record)
        turn = self._book.turn_of_response(record.response_id)
        if turn is not None and record.status == "cancelled":
            by_hand = self._cancelled_at if record.reason == "client_cancelled" else None
            self._cut(turn, by_hand, record.done_at)

    # --- what cuts it off -------------------------------------------------------------------------------------

    def _cut(self, turn: TurnRecord | None, by_hand: float | None, now: float | None) -> None:
        """The answer did not reach the user to its end: since the user spoke, or since `now`."""
        if turn is None or turn.interrupted_at is not None:
            return
        at = self._book.spoken_after(turn) if by_hand is None else by_hand
        self._book.put_turn(attrs.evolve(turn, interrupted_at=now if at is None else at))

    def _truncated(self, event: wire.ConversationItemTruncated, now: float) -> None:
        self._cut(self._book.turn_of_item(event.item_id), None, now)

    def _deleted(self, event: wire.ConversationItemDeleted, now: float) -> None:
        """An answer that the user spoke over before any of it was heard is deleted, as it can't be cut at 0 ms."""
        turn = self._book.turn_of_item(event.item_id)
        if turn is not None and turn is self._book.newest_answered() and self._book.spoken_after(turn) is not None:
            self._cut(turn, None, now)

    def _playback_cleared(self, event: wire.OutputAudioBufferCleared, now: float) -> None:
        self._cut(self._book.turn_of_response(event.response_id), None, now)

    # --- what is in it ----------------------------------------------------------------------------------------

    def _item_added(self, event: wire.ResponseOutputItemAdded, _: float) -> None:
        self._calls.item(event.response_id, event.item, None)

    def _item_done(self, event: wire.ResponseOutputItemDone, now: float) -> None:
        self._calls.item(event.response_id, event.item, now)

    def _transcribed(self, event: wire.ConversationItemInputAudioTranscriptionCompleted, _: float) -> None:
        self._meter.transcribed_item(event)

    HANDLES: ClassVar[Mapping[type, Callable[..., None]]] = {
        wire.ResponseOutputAudioDelta: _audio,
        wire.ResponseOutputAudioTranscriptDelta: _text,
        wire.ResponseOutputTextDelta: _text,
        wire.ResponseCreated: _created,
        wire.ResponseDone: _done,
        wire.ResponseOutputItemAdded: _item_added,
        wire.ResponseOutputItemDone: _item_done,
        wire.ConversationItemTruncated: _truncated,
        wire.ConversationItemDeleted: _deleted,
        wire.ConversationItemInputAudioTranscriptionCompleted: _transcribed,
        wire.OutputAudioBufferCleared: _playback_cleared,
        client.ResponseCancel: _cancel_sent,
    }
    """Methods by the class of events that they take; see `engine.dispatch`."""


def _reason(response: Response) -> str | None:
    why = response.status_details
    if why is None or why.reason is not None:
        return why.reason if why is not None else None
    return (why.error.code or why.error.type) if why.error is not None else None


def _cause_of(turn: TurnRecord) -> Cause:
    """Why a response of a turn is asked for again."""
    at = turn.began_at if turn.asked_at is None else turn.asked_at
    return Cause(began=turn.began, at=at, turn=turn.number)


def _is_asked_by_itself(response: Response) -> bool:
    """Whoever asked for it is told that it is lost, and can ask anew."""
    return METADATA_ID_KEY in (response.metadata or {})


def _is_aside(response: Response) -> bool:
    """A response outside the conversation says so with an explicit null."""
    return response.conversation_id is None and "conversation_id" in response.extra

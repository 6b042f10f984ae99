"""The user's side of the turn log: speech, commits, typed text and silence begin turns."""

from collections.abc import Callable, Mapping
from typing import ClassVar, Final, Literal

import attrs

from engine.config.asked import METADATA_ID_KEY
from engine.metering.book import TurnBook
from engine.metering.pending import Pending
from engine.metering.records import TurnRecord
from engine.wire import client
from engine.wire import server as wire
from engine.wire.items import MessageItem

_MOST_SIGNALS: Final = 64
"""Speech starts whose interruption the application may still have to take."""

_HEARD_ANEW_MS: Final = 2000
"""How far into the audio of a new connection speech may begin that is the rest of what the one before was hearing.
Speech that is sent again comes first, from its beginning on; a detector may be late by some hundreds of ms."""


class UserSide:
    """Handles what the user says and sends.

    Args:
        book: Where turns are kept.
        pending: What waits for an answer.
    """

    __slots__ = ("_book", "_committed_at", "_open", "_pending", "_signals", "_torn")

    def __init__(self, book: TurnBook, pending: Pending) -> None:
        self._book = book
        self._pending = pending
        self._signals: dict[float, int] = {}
        self._committed_at: float | None = None
        self._open: int | None = None
        self._torn: int | None = None

    def interruption_delivered(self, received_at: float, now: float) -> None:
        """The application took the interruption of the speech that started then."""
        turn = self._book.turn(self._signals.pop(received_at, None))
        if turn is not None and turn.interruption_taken_at is None:  # The first one cut it off, if any did.
            self._book.put_turn(attrs.evolve(turn, interruption_taken_at=now))

    def link_ended(self) -> None:
        """The connection is gone. Speech that is no item yet is sent to the next one, which hears it anew."""
        self._torn = self._torn if self._open is None else self._open
        self._open = None

    def message_sent(self, message: MessageItem, now: float) -> None:
        """The user's words wait for an answer; another's after them, as in a history, end that."""
        if message.role == "user":
            self._pending.typed(now)
        else:
            self._pending.not_typed()

    def _session(self, event: wire.SessionCreated | wire.SessionUpdated, _: float) -> None:
        audio = event.session.audio
        turns = audio.input.turn_detection if audio and audio.input else None
        self._pending.answers_speech = turns is None or turns.create_response is not False
        self._pending.speech_cuts_in = turns is None or turns.interrupt_response is not False

    def _speech_started(self, event: wire.InputAudioBufferSpeechStarted, now: float) -> None:
        answered = self._book.newest_answered()
        if answered is not None:
            self._signals[now] = answered.number
            if len(self._signals) > _MOST_SIGNALS:
                del self._signals[next(iter(self._signals))]
        if self._pending.speech_cuts_in:
            self._pending.cut_in()
        if self._book.turn_of_input(event.item_id) is None:
            turn = self._heard_anew(event.item_id, event.audio_start_ms) or self._book.begin(
                "speech", now, speech_start_at=now, input_item_ids=(event.item_id,)
            )
            self._book.put_turn(attrs.evolve(turn, audio_start_ms=event.audio_start_ms))
            self._open = turn.number
            self._pending.speaking(turn.number)

    def _heard_anew(self, item_id: str, start_ms: int | None = None) -> TurnRecord | None:
        """Give the turn whose speech was torn by the loss of a connection, if this is it, under another id."""
        number, self._torn = self._torn, None
        turn = self._book.turn(number)
        if turn is None or turn.responses or (start_ms or 0) > _HEARD_ANEW_MS:
            return None
        return self._book.add_input(turn, item_id)

    def _speech_stopped(self, event: wire.InputAudioBufferSpeechStopped, now: float) -> None:
        turn = self._book.turn_of_input(event.item_id) or self._heard_anew(event.item_id)
        if turn is None:
            turn = self._book.begin("speech", now, input_item_ids=(event.item_id,))
            self._open = turn.number
        asked_at = now if turn.asked_at is None else turn.asked_at
        self._book.put_turn(attrs.evolve(turn, speech_end_at=now, asked_at=asked_at, audio_end_ms=event.audio_end_ms))
        if not turn.responses:
            self._pending.spoken(turn.number, "speech", asked_at)

    def _committed(self, event: wire.InputAudioBufferCommitted, now: float) -> None:
        by_hand, self._committed_at = self._committed_at, None
        at = now if by_hand is None else by_hand
        began: Literal["speech", "push_to_talk"] = "speech" if by_hand is None else "push_to_talk"
        turn = self._book.turn_of_input(event.item_id) or self._heard_anew(event.item_id)
        if turn is None:
            turn = self._book.begin(began, at, asked_at=at, input_item_ids=(event.item_id,))
        elif turn.asked_at is None:
            self._book.put_turn(attrs.evolve(turn, asked_at=at))
        if turn.number == self._open:
            self._open = None
        if not turn.responses:
            self._pending.spoken(turn.number, began, at if turn.asked_at is None else turn.asked_at)

    def _idle(self, event: wire.InputAudioBufferTimeoutTriggered, now: float) -> None:
        if self._book.turn_of_input(event.item_id) is not None:
            return
        self._torn = None
        known = {"audio_start_ms": event.audio_start_ms, "audio_end_ms": event.audio_end_ms}
        turn = self._book.begin("idle", now, asked_at=now, input_item_ids=(event.item_id,), **known)
        self._pending.spoken(turn.number, "idle", now)

    def _cleared(self, _: wire.InputAudioBufferCleared, __: float) -> None:
        self._open = self._torn = None
        self._pending.speech_cleared()

    def _placed(self, event: wire.ConversationItemAdded, _: float) -> None:
        item = event.item
        users = isinstance(item, MessageItem) and item.role == "user"
        if users and item.id is not None and self._book.turn_of_input(item.id) is None:
            self._pending.typed_item(item.id)

    def _commit_sent(self, _: client.InputAudioBufferCommit, now: float) -> None:
        self._committed_at = now

    def _request_sent(self, event: client.ResponseCreate, now: float) -> None:
        if event.response is None or event.response.conversation != "none":
            metadata = event.response.metadata if event.response is not None else None
            self._pending.requested(now, (metadata or {}).get(METADATA_ID_KEY))

    HANDLES: ClassVar[Mapping[type, Callable[..., None]]] = {
        wire.SessionCreated: _session,
        wire.SessionUpdated: _session,
        wire.InputAudioBufferSpeechStarted: _speech_started,
        wire.InputAudioBufferSpeechStopped: _speech_stopped,
        wire.InputAudioBufferCommitted: _committed,
        wire.InputAudioBufferTimeoutTriggered: _idle,
        wire.InputAudioBufferCleared: _cleared,
        wire.ConversationItemAdded: _placed,
        client.InputAudioBufferCommit: _commit_sent,
        client.ResponseCreate: _request_sent,
    }
    """Methods by the class of events that they take; see `engine.dispatch`."""

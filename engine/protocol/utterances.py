"""What is said, by both sides: deltas joined to the text so far, and told as the contract's transcript events."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from engine.events import BidiErrorEvent, BidiTranscriptStreamEvent, Role, TextSoFar
from engine.protocol.effects import Effect
from engine.protocol.growing import grow
from engine.protocol.history import History
from engine.protocol.kept_speech import KeptSpeech
from engine.protocol.server_errors import reported
from engine.wire import server as wire

_NOTHING: Final[Sequence[Effect]] = ()

_MOST_OPEN: Final = 256
"""Texts that grow at once; past it the oldest begins anew. A server that never ends one fills no memory."""


class Utterances:
    """Handles the events that carry words.

    Args:
        history: Told what was said in each item.
        kept: Told which speech has words.
    """

    __slots__ = ("_history", "_kept", "_so_far")

    def __init__(self, history: History, kept: KeptSpeech) -> None:
        self._history = history
        self._kept = kept
        self._so_far: dict[tuple[str, int], list[str]] = {}

    def _spoken(
        self, event: wire.ResponseOutputTextDelta | wire.ResponseOutputAudioTranscriptDelta, now: float
    ) -> Sequence[Effect]:
        so_far = self._grow((event.item_id, event.content_index), event.delta)
        return (_told(event, event.delta, "assistant", so_far, now, is_final=False),)

    def _transcript_done(self, event: wire.ResponseOutputAudioTranscriptDone, now: float) -> Sequence[Effect]:
        return self._final(event, event.transcript, "assistant", now)

    def _text_done(self, event: wire.ResponseOutputTextDone, now: float) -> Sequence[Effect]:
        return self._final(event, event.text, "assistant", now)

    def _heard_piece(self, event: wire.ConversationItemInputAudioTranscriptionDelta, now: float) -> Sequence[Effect]:
        text = event.delta or ""
        so_far = self._grow((event.item_id, event.content_index or 0), text)
        if not text.strip():
            return _NOTHING
        return (_told(event, text, "user", so_far, now, is_final=False),)

    def _heard(self, event: wire.ConversationItemInputAudioTranscriptionCompleted, now: float) -> Sequence[Effect]:
        self._kept.transcribed(event.item_id)
        return self._final(event, event.transcript, "user", now)

    def _heard_segment(
        self, event: wire.ConversationItemInputAudioTranscriptionSegment, now: float
    ) -> Sequence[Effect]:
        if not event.text.strip():
            return _NOTHING
        return (_told(event, event.text, "user", event.text, now, is_final=True),)

    def _not_heard(self, event: wire.ConversationItemInputAudioTranscriptionFailed, now: float) -> Sequence[Effect]:
        self._so_far.pop((event.item_id, event.content_index), None)
        self._kept.transcription_failed(event.item_id)
        details = {"type": event.error.type, "param": event.error.param, "client_event_id": None}
        return (
            BidiErrorEvent(
                reported(event.error), details, item_id=event.item_id, event_id=event.event_id, received_at=now
            ),
        )

    def link_down(self) -> None:
        """Nothing that grows comes to its end any more: what was said of it stays in the history.

        But for the user's speech that is kept: it is heard anew, whole.
        """
        for (item_id, index), pieces in self._so_far.items():
            if self._kept.speech(item_id) is None:
                self._history.said(item_id, "".join(pieces), index)
        self._so_far.clear()

    def _final(self, event: Any, text: str, role: Role, now: float) -> Sequence[Effect]:
        self._so_far.pop((event.item_id, event.content_index), None)
        self._history.said(event.item_id, text, event.content_index)
        if role == "user" and not text.strip():
            return _NOTHING
        return (_told(event, text, role, text, now, is_final=True),)

    def _grow(self, place: tuple[str, int], delta: str) -> TextSoFar:
        pieces = grow(self._so_far, place, delta)
        if len(self._so_far) > _MOST_OPEN:
            del self._so_far[next(iter(self._so_far))]
        return TextSoFar(pieces)

    HANDLES: ClassVar[Mapping[type, Callable[..., Sequence[Effect]]]] = {
        wire.ResponseOutputAudioTranscriptDelta: _spoken,
        wire.ResponseOutputTextDelta: _spoken,
        wire.ResponseOutputAudioTranscriptDone: _transcript_done,
        wire.ResponseOutputTextDone: _text_done,
        wire.ConversationItemInputAudioTranscriptionDelta: _heard_piece,
        wire.ConversationItemInputAudioTranscriptionCompleted: _heard,
        wire.ConversationItemInputAudioTranscriptionSegment: _heard_segment,
        wire.ConversationItemInputAudioTranscriptionFailed: _not_heard,
    }
    """Methods by the class of events that they take; see `engine.dispatch`."""


def _told(
    event: Any, text: str, role: Role, so_far: str | TextSoFar, now: float, *, is_final: bool
) -> BidiTranscriptStreamEvent:
    return BidiTranscriptStreamEvent(
        delta={"text": text},
        text=text,
        role=role,
        is_final=is_final,
        current_transcript=so_far,
        response_id=getattr(event, "response_id", None),
        item_id=event.item_id,
        content_index=event.content_index or 0,
        event_id=event.event_id,
        received_at=now,
    )

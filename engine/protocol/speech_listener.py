"""The user's turns as the service hears them: when they begin and end, and what that means for the model."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from engine.events import BidiInterruptionEvent
from engine.protocol.effective import Effective
from engine.protocol.effects import Effect, Rearm
from engine.protocol.history import History
from engine.protocol.kept_speech import KeptSpeech
from engine.protocol.states import SPEECHES, Speech, SpeechSignal
from engine.protocol.turns import Turns
from engine.wire import server as wire
from engine.wire.items import Content, MessageItem


class SpeechListener:
    """Hears when the user speaks.

    Args:
        effective: Says whether speech interrupts, and whether the service answers it.
        turns: The model's side.
        kept: Keeps the speech.
        history: The mirror, which has a turn from its commit on.
    """

    __slots__ = ("_effective", "_history", "_kept", "_speech", "_turns", "turn_item")

    def __init__(self, effective: Effective, turns: Turns, kept: KeptSpeech, history: History) -> None:
        self._history = history
        self._effective = effective
        self._turns = turns
        self._kept = kept
        self._speech = Speech.SILENT
        self.turn_item: str | None = None
        """The user's last turn, until it is answered, or the next one begins."""

    @property
    def user_speaks(self) -> bool:
        """Tell what the service heard last."""
        return self._speech is Speech.SPEAKING

    def _started(self, event: wire.InputAudioBufferSpeechStarted, now: float) -> Sequence[Effect]:
        self._move(SpeechSignal.STARTED)
        self.turn_item = None
        self._kept.began(event.audio_start_ms, event.item_id)
        self._turns.gate.turn.began()
        self._turns.cuts = self._effective.interrupts
        told = BidiInterruptionEvent("user_speech", item_id=event.item_id, event_id=event.event_id, received_at=now)
        return self._turns.interrupt(now, told) if self._effective.interrupts else [told]

    def _stopped(self, event: wire.InputAudioBufferSpeechStopped, now: float) -> Sequence[Effect]:
        self._move(SpeechSignal.STOPPED)
        self._kept.stopped(event.audio_end_ms, event.item_id)
        self._turns.gate.turn.ended(now, answered=self._effective.answers)
        return [Rearm(), *self._turns.settle(now)]

    def _committed(self, event: wire.InputAudioBufferCommitted, _: float) -> Sequence[Effect]:
        self._kept.committed(event.item_id)
        # Its item is told a moment later; a connection that breaks in between must not cost the turn.
        spoken = MessageItem(id=event.item_id, role="user", content=(Content(type="input_audio"),), status="completed")
        self._history.put(spoken, event.previous_item_id, begins=False)
        self.turn_item = event.item_id
        return ()

    def answered(self) -> None:
        """A response of the conversation has begun: it answers the user's last turn."""
        self.turn_item = None

    def link_down(self) -> None:
        """The connection is gone: who speaks is heard anew by the next one."""
        self._speech = Speech.SILENT
        self.turn_item = None

    def _cleared(self, _: wire.InputAudioBufferCleared, now: float) -> Sequence[Effect]:
        self._move(SpeechSignal.CLEARED)
        self._kept.cleared()
        self._turns.gate.turn.ended(now, answered=False)
        return self._turns.settle(now)

    def _move(self, signal: SpeechSignal) -> None:
        self._speech = SPEECHES.get((self._speech, signal), self._speech)

    HANDLES: ClassVar[Mapping[type, Callable[..., Sequence[Effect]]]] = {
        wire.InputAudioBufferSpeechStarted: _started,
        wire.InputAudioBufferSpeechStopped: _stopped,
        wire.InputAudioBufferCommitted: _committed,
        wire.InputAudioBufferCleared: _cleared,
    }
    """Methods by the class of events that they take; see `engine.dispatch`."""

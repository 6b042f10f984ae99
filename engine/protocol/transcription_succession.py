"""A transcription from one connection to the next: what nobody has written down yet is said again.

Such a session has no items that could be told to another connection, so the sound itself goes there once more: turns
that are over and have no words, and the one that is going on. The service hears them anew, under other ids.
"""

import math
from collections.abc import Sequence

from engine.errors import EngineError
from engine.protocol.effects import Effect
from engine.protocol.handover import Handover
from engine.protocol.kept_speech import KeptSpeech
from engine.protocol.positions import Positions
from engine.protocol.replay import Replay
from engine.protocol.speech_store import sized
from engine.protocol.succession import WORDS_WAIT_S, Takeover
from engine.protocol.transcript_turns import TranscriptTurns
from engine.protocol.updates import Updates
from engine.wire.client import SessionUpdate
from engine.wire.session import Session


class TranscriptionSuccession:
    """Moves a transcription from connection to connection.

    Args:
        updates: The settings.
        turns: What is being said and written.
        kept: What the user said that has no words yet.
    """

    __slots__ = ("_kept", "_spoke", "_turns", "_unwritten", "_updates", "_words_due", "positions")

    def __init__(self, updates: Updates[SessionUpdate], turns: TranscriptTurns, kept: KeptSpeech) -> None:
        self._updates = updates
        self._turns = turns
        self._kept = kept
        self._words_due = math.inf
        self._unwritten = 0
        self._spoke = False
        self.positions = Positions()
        """Where what the service hears is in all that was sent."""

    def at_boundary(self, now: float) -> bool:
        """Tell whether nothing is under way that would be torn: no turn, and none that is being written down.

        Words that do not come are not waited for long: their turn is said again.
        """
        return not (self._turns.is_speaking or self._kept.is_open or self._awaits_words(now))

    def _awaits_words(self, now: float) -> bool:
        if not self._turns.unwritten:
            self._words_due = math.inf
            return False
        self._words_due = min(self._words_due, now + WORDS_WAIT_S)
        return now < self._words_due

    def handover(self) -> tuple[Handover, Replay]:
        """Make what the next connection begins with: the settings."""
        return Handover(self._updates.standing), Replay(0, 0)

    def link_down(self, now: float, error: EngineError) -> Sequence[Effect]:  # noqa: ARG002 - the interface's
        """Keep in mind what has no words, of which no more come."""
        self._unwritten = self._turns.unwritten
        self._spoke = self._turns.is_speaking or self._kept.is_open
        self._turns.link_down()
        self._words_due = math.inf
        return ()

    def link_up(self, handover: Handover, replay: Replay, now: float, *, broken: bool) -> Takeover:  # noqa: ARG002 - the interface's
        """Take over: give what the connection is to be told, and what is said again.

        Args:
            handover: What it began with.
            replay: What that told of the talk: nothing.
            now: When.
            broken: The one before was lost; it makes no difference: a word that has just begun goes along at a renewal
                too, and nothing that has been written is among what is kept.
        """
        self.hear(handover.session)
        speech = self._kept.unwritten(all=True)
        self.positions.move(speech)
        again = min(self._kept.items, self._unwritten)
        self._kept.begun_anew()
        return Takeover(
            events=self._updates.move(handover.begin()),
            speech=sized(speech),
            effects=(),
            replayed_items=again,
            left_out_items=self._unwritten - again,
            asked_again=bool(speech) and (self._spoke or again > 0),
        )

    def hear(self, session: Session | None) -> None:
        """Hear the settings, as far as the service tells them."""
        audio = session.audio if session is not None else None
        if audio is not None and audio.input is not None:
            self._kept.detects_turns = audio.input.turn_detection is not None
            if not self._kept.detects_turns:
                self._turns.cleared()

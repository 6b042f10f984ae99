"""A translation from one connection to the next: settings and speech of which nothing has been said go along.

The service translates a stream as it hears it, and never tells how far it has heard. So audio that went out after the
last that it said goes out again: of that nothing can have been said, so no word comes twice. What it had heard before
and not said yet, as it lags behind by a second or two, can't be carried over: at a boundary there is none, after a loss
or at the bound it is gone.
"""

import math
from collections.abc import Sequence
from typing import Final

from engine.errors import EngineError
from engine.protocol.effects import AudioDone, Effect, Rearm, Transmit
from engine.protocol.handover import Handover
from engine.protocol.kept_speech import KeptSpeech
from engine.protocol.replay import Replay
from engine.protocol.succession import Takeover
from engine.protocol.updates import Updates
from engine.wire.translation import TranslationSessionClose, TranslationSessionUpdate

STREAM_ID: Final = "translation"
"""Stands for the item of all translated speech, as it is one stream without turns; with a number from the second
connection on, whose stream is another."""

QUIET_S: Final = 2.0
"""After so long without a word the service has said what it heard: it lags behind by less."""

UNSAID_MS: Final = 4_000
"""What is kept of audio of which nothing was said: the beginning of an utterance whose translation has not begun."""


class TranslationSuccession:
    """Moves a translation from connection to connection.

    Args:
        updates: The settings.
        kept: What the service has said nothing of.
    """

    __slots__ = ("_before_ms", "_elapsed_ms", "_kept", "_number", "_said_at", "_updates", "finishing_at", "stream_id")

    def __init__(self, updates: Updates[TranslationSessionUpdate], kept: KeptSpeech) -> None:
        self._updates = updates
        self._kept = kept
        self._said_at = -math.inf
        self._number = 1
        self._before_ms = self._elapsed_ms = 0
        self.stream_id = STREAM_ID
        """Names the stream of this connection."""
        self.finishing_at: float | None = None
        """Since when the service is silent that was asked to finish; None as long as it was not."""

    # --- while it talks ---------------------------------------------------------------------------------------

    def said(self, elapsed_ms: int | None, now: float) -> int | None:
        """Hear that the service has said something; give where, in all that was said."""
        self._kept.said()
        return self.told(elapsed_ms, now)

    def told(self, elapsed_ms: int | None, now: float) -> int | None:
        """Hear that the service tells what it heard; give where, in all that was said."""
        self._said_at = now
        if elapsed_ms is None:
            return None
        self._elapsed_ms = max(self._elapsed_ms, self._before_ms + elapsed_ms)
        return self._before_ms + elapsed_ms

    def at_boundary(self, now: float) -> bool:
        """Tell whether neither side speaks, as far as the service tells. One that is about to end need not move."""
        return self.finishing_at is None and now - self._said_at >= QUIET_S

    # --- from one to the next ---------------------------------------------------------------------------------

    def handover(self) -> tuple[Handover, Replay]:
        """Make what the next connection begins with: the settings."""
        return Handover(self._updates.standing), Replay(0, 0)

    def link_down(self, now: float, error: EngineError) -> Sequence[Effect]:  # noqa: ARG002 - the interface's
        """End the stream of a connection that is no more."""
        return (AudioDone(self.stream_id),)

    def link_up(self, handover: Handover, replay: Replay, now: float, *, broken: bool) -> Takeover:  # noqa: ARG002 - the interface's
        """Take over: give what the connection is to be told, and what it is to hear; then the end, if it was asked for.

        Args:
            handover: What it began with.
            replay: What that told of the talk: nothing.
            now: When.
            broken: The one before was lost; it makes no difference.
        """
        speech = self._kept.open_texts(all=True)
        self._kept.begun_anew()
        self._number += 1
        self.stream_id = f"{STREAM_ID}_{self._number}"
        self._before_ms = self._elapsed_ms
        effects: list[Effect] = []
        if self.finishing_at is not None:
            self.finishing_at = now
            effects = [Transmit(TranslationSessionClose(), again=True), Rearm()]
        return Takeover(
            events=self._updates.move(handover.begin()),
            speech=speech,
            effects=effects,
            replayed_items=0,
            left_out_items=0,
            asked_again=False,
        )

"""Half duplex: the microphone hears nothing while the loudspeaker sounds, so that the model never hears itself."""

import math
from typing import Final

TAIL_MS: Final = 200
"""How long a room goes on to sound. Shorter than the pause before somebody answers; long enough for the gap between
two words of the model, too, so that the microphone doesn't open in it."""


class HalfDuplex:
    """Tells when the microphone may be heard. Times are seconds of one clock.

    Args:
        tail_ms: How long after the last sound it stays closed.
    """

    def __init__(self, tail_ms: float = TAIL_MS) -> None:
        self._tail_s = tail_ms / 1000
        self._closed_until = -math.inf

    def sounds(self, now: float, length_ms: float, delay_ms: float) -> None:
        """Note that sound was given to the loudspeaker.

        Args:
            now: When.
            length_ms: How long it is.
            delay_ms: How much later it sounds, and how much later the microphone's audio of then comes.
        """
        ends_s = now + (length_ms + delay_ms) / 1000 + self._tail_s
        self._closed_until = max(self._closed_until, ends_s)

    def is_closed(self, now: float) -> bool:
        """Tell whether what the microphone gives now may hold the loudspeaker's sound."""
        return now < self._closed_until

"""Tells how much silence is owed so that a stream lasts as long as the clock says."""

import math
from typing import Final

_ROUNDING_SAMPLES: Final = 0.01
"""A deadline that was computed from samples may come this much early, for seconds as floats are not exact."""


class SilenceClock:
    """A stream that must not fall behind the clock by a frame or more.

    Every figure is taken from the beginning, so nothing adds up to a drift.

    Args:
        rate_hz: Samples a second.
        frame_samples: What silence is sent in.
        began_at: When the stream began, in seconds.
    """

    def __init__(self, rate_hz: int, frame_samples: int, began_at: float) -> None:
        self._rate_hz = rate_hz
        self._frame_samples = frame_samples
        self._began_at = began_at

    def owed_frames(self, now: float, sent_samples: int) -> int:
        """Tell how many frames are missing.

        Args:
            now: Seconds of the same clock.
            sent_samples: How much was sent since the beginning.
        """
        passed = (now - self._began_at) * self._rate_hz + _ROUNDING_SAMPLES
        return max(0, math.floor((passed - sent_samples) / self._frame_samples))

    def due_at(self, sent_samples: int) -> float:
        """Tell when the next frame will be missing, if nothing else is sent until then."""
        return self._began_at + (sent_samples + self._frame_samples) / self._rate_hz

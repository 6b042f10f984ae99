"""A clock that jumps to the next deadline as soon as every task waits: an hour passes in as long as its events take.

`trio.testing.MockClock` does so too, but looks a second time whether all tasks still wait, as it can be used with real
sockets. Here are none, and it is half of what a quiet session costs.
"""

import math

import trio


class JumpingClock(trio.abc.Clock):
    """Time of a run without any input from outside."""

    def __init__(self) -> None:
        self._now = 0.0

    def start_clock(self) -> None:
        return

    def current_time(self) -> float:
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Go on to a deadline; Trio asks when no task can run."""
        if math.isinf(deadline):
            return deadline  # Trio wakes itself at a run's end.
        self._now = max(self._now, deadline)
        return 0.0

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as for a machine that wakes from its sleep: whatever came due, came due now."""
        self._now += seconds

"""A clock that jumps to the next deadline as soon as every task waits: an hour passes in as long as its events take.

`trio.testing.MockClock` does so too, but looks a second time whether all tasks still wait, as it can be used with real
sockets. Here are none, and it is half of what a quiet session costs. Nor does what is due at a time need a task that
waits for it: the clock calls it, once all tasks have done what they could before.
"""

import math
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

import trio


class JumpingClock(trio.abc.Clock):
    """Time of a run without any input from outside."""

    def __init__(self) -> None:
        self._now = 0.0
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def start_clock(self) -> None:
        return

    def current_time(self) -> float:
        return self._now

    def call_at(self, when: float, do: Callable[[], None]) -> None:
        """Call a function at a time, as soon as no task can run any more."""
        heappush(self._calls, (when, next(self._numbers), do))

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Go on to a deadline, or to a call before it; Trio asks when no task can run."""
        calls = self._calls
        if calls and calls[0][0] <= deadline:
            self._now = max(self._now, calls[0][0])
            while calls and calls[0][0] <= self._now:
                heappop(calls)[2]()
            return 0.0
        if math.isinf(deadline):
            return deadline  # Trio wakes itself at a run's end.
        self._now = max(self._now, deadline)
        return 0.0

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as for a machine that wakes from its sleep: whatever came due, came due now."""
        self._now += seconds


class NoSockets:
    """Stands before Trio's own loop over sockets, of which there are none: it is not asked where nobody waits for it.

    Args:
        loop: Trio's own.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def get_events(self, timeout_s: float) -> Any:
        """Give what happened to sockets."""
        return self._loop.get_events(timeout_s) if timeout_s else ()

    def process_events(self, events: Any) -> None:
        """Take it."""
        if events:
            self._loop.process_events(events)

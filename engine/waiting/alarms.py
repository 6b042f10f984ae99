"""Alarms that are mostly put off before they ring: one clock for all of a Trio run, for a deadline each costs more.

To move the deadline of a `trio.CancelScope` takes 3 us, and a microphone's frames would do so a hundred times a second.
Here a new time is a push on a heap; what was put off is passed over when its time has come.
"""

import heapq
import itertools
import math
from collections.abc import Callable
from typing import Final

import trio

LINGER_S: Final = 1.0
"""How long the clock's task stays when nothing is set: who speaks sets something in no time."""


class Alarm:
    """Rings once, at the time that was set last, unless it is put off or cleared before.

    It belongs to the Trio run in which it is set first.

    Args:
        ring: Called then, in a task that is nobody's: it must not raise, nor wait.

    Attributes:
        due: When, in seconds of Trio's clock; `math.inf` while it is not set.
    """

    __slots__ = ("_clock", "_ring", "due")

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._clock: _Clock | None = None
        self.due = math.inf

    def set(self, due: float) -> None:
        """Ring at this time instead of any other; never, at `math.inf`."""
        if due != self.due:
            self.due = due
            if due != math.inf:
                if self._clock is None:
                    self._clock = _clock()
                self._clock.add(due, self)

    def rings(self) -> None:
        """Ring now."""
        self.due = math.inf
        self._ring()


class _Clock:
    """Waits for the next alarm of a Trio run."""

    def __init__(self) -> None:
        self._set: list[tuple[float, int, Alarm]] = []
        self._numbers = itertools.count()
        self._runs = False
        self._sleep = trio.CancelScope()
        self._wakes_at = math.inf

    def add(self, due: float, alarm: Alarm) -> None:
        """Look at an alarm at this time, if it is still set to it."""
        heapq.heappush(self._set, (due, next(self._numbers), alarm))
        if not self._runs:
            self._runs = True
            trio.lowlevel.spawn_system_task(self._run, name="engine alarms")
        elif due < self._wakes_at:
            self._wakes_at = self._sleep.deadline = due

    @trio.lowlevel.enable_ki_protection
    async def _run(self) -> None:
        is_idle = False
        try:
            while not is_idle or self._set:
                self._ring(trio.current_time())
                is_idle = not self._set
                self._wakes_at = trio.current_time() + LINGER_S if is_idle else self._set[0][0]
                with trio.CancelScope(deadline=self._wakes_at) as self._sleep:
                    await trio.sleep_forever()
        finally:
            self._runs = False

    def _ring(self, now: float) -> None:
        """Ring what is due, and pass over what was put off."""
        while self._set and (self._set[0][0] <= now or self._set[0][2].due != self._set[0][0]):
            due, _, alarm = heapq.heappop(self._set)
            if alarm.due == due:
                alarm.rings()


_clocks: Final[trio.lowlevel.RunVar[_Clock]] = trio.lowlevel.RunVar("engine alarms")


def _clock() -> _Clock:
    try:
        return _clocks.get()
    except LookupError:
        clock = _Clock()
        _clocks.set(clock)
        return clock

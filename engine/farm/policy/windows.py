"""Sums over the last so many seconds: exact for starts, in steps for tokens."""

import math
from collections import deque


class CountWindow:
    """How many there were in any `window_s`, exactly. Moments are told in order."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._entries: deque[list[float]] = deque()
        self._count = 0

    def add(self, now: float) -> None:
        """Count one more."""
        if self._entries and self._entries[-1][0] == now:
            self._entries[-1][1] += 1
        else:
            self._entries.append([now, 1])
        self._count += 1

    def count(self, now: float) -> int:
        """Give how many there were in the window that ends now."""
        entries = self._entries
        while entries and entries[0][0] + self._window_s <= now:
            self._count -= int(entries.popleft()[1])
        return self._count

    @property
    def eases_at(self) -> float:
        """Give when the oldest leaves. Ask only while there is one."""
        return self._entries[0][0] + self._window_s


class AmountWindow:
    """What was added over the last `window_s`. Amounts may belong to earlier moments; each counts up to a step longer.

    Args:
        window_s: Its length; a multiple of the step.
        step_s: A power of two, so that moments are told apart without rounding.
    """

    def __init__(self, window_s: float, step_s: float) -> None:
        self._steps = math.ceil(window_s / step_s)
        self._step_s = step_s
        self._amounts: dict[int, float] = {}
        self._first = 0
        self._total = 0.0

    def add(self, amount: float, at: float, now: float) -> None:
        """Add an amount that belongs to a moment not after now; one that has left the window already is ignored."""
        self.total(now)
        step = math.ceil(at / self._step_s)
        if step <= self._left(now):
            return
        self._first = min(self._first, step) if self._amounts else step
        self._amounts[step] = self._amounts.get(step, 0.0) + amount
        self._total += amount

    def total(self, now: float) -> float:
        """Give the sum."""
        left = self._left(now)
        while self._amounts and self._first <= left:
            self._forget_first()
        return self._total

    def eases_at(self) -> float | None:
        """Give when the oldest amount leaves; None where there is none."""
        return (self._first + self._steps) * self._step_s if self._amounts else None

    def _left(self, now: float) -> int:
        # Number of the newest step that has left the window.
        return math.floor(now / self._step_s) - self._steps

    def _forget_first(self) -> None:
        self._total -= self._amounts.pop(self._first)
        if self._amounts:
            # Steps are few (a minute's worth): looking for the next is cheaper than keeping them in order.
            self._first = min(self._amounts)
        else:
            # What rounding left over must not pile up over a run of days.
            self._total = 0.0

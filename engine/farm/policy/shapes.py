"""The shapes of load: how many sessions at a time, or how many starts a second, a plan asks for at which moment."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final, Protocol

from engine.farm.plan.model import Caps, Load, Stage

PATIENCE_S: Final = 1.0
"""How long a start of shape `arrival` may be late before it is dropped, in s: workers are told once a second at the
rarest; k6 drops at once, but its users run where the clock runs."""

_HAIR: Final = 1e-9
"""So far from a whole number counts as it: lines are added up in floating point."""


class Curve:
    """Straight lines over time, from 0 on; after the last one it stays where it is."""

    def __init__(self, begins_at: float, stages: Sequence[Stage] = ()) -> None:
        self._starts, self._values, self._slopes, self._areas = [0.0], [begins_at], [0.0], [0.0]
        for stage in stages:
            self._append(stage)

    @property
    def length_s(self) -> float:
        """Give the end of the last line."""
        return self._starts[-1]

    def value(self, t: float) -> float:
        """Give its height."""
        i = bisect_right(self._starts, t) - 1
        return self._values[i] + self._slopes[i] * (t - self._starts[i])

    def area(self, t: float) -> float:
        """Give what lies under it from 0 on."""
        i = bisect_right(self._starts, t) - 1
        dt = t - self._starts[i]
        return self._areas[i] + dt * (self._values[i] + self._slopes[i] * dt / 2)

    def reaches(self, level: float, after: float) -> float | None:
        """Give the first moment, not before one, at which it is as high as a level; None where it never is."""
        for i in range(bisect_right(self._starts, after) - 1, len(self._starts)):
            begin = max(self._starts[i], after)
            missing = level - self.value(begin)
            if missing <= 0:
                return begin
            if self._slopes[i] > 0 and begin + missing / self._slopes[i] < self._starts[i + 1]:
                return begin + missing / self._slopes[i]
        return None

    def area_reaches(self, area: float) -> float | None:
        """Give the first moment at which so much lies under it; None where it never does."""
        i = max(bisect_left(self._areas, area) - 1, 0)
        missing, value, slope = area - self._areas[i], self._values[i], self._slopes[i]
        # The root of a parabola, in the form that does not lose digits on flat lines.
        speed = value + math.sqrt(max(value * value + 2 * slope * missing, 0.0))
        return self._starts[i] + 2 * missing / speed if speed > 0 else None

    def _append(self, stage: Stage) -> None:
        begin, value, area = self._starts[-1], self._values[-1], self._areas[-1]
        if stage.duration_s > 0:
            self._slopes[-1] = (stage.to - value) / stage.duration_s
            self._starts.append(begin + stage.duration_s)
            self._values.append(stage.to)
            self._slopes.append(0.0)
            self._areas.append(area + stage.duration_s * (value + stage.to) / 2)
        else:
            self._values[-1] = stage.to


class Shape(Protocol):
    """What a load asks for. Moments are seconds since the run's begin.

    Attributes:
        ends_at: When nothing starts any more; None for never.
        dropped: Starts that were asked for and not had in time.
    """

    ends_at: float | None
    dropped: int

    def quota(self, t: float, active: int, /) -> float:
        """Say how many more may start now, by the load alone."""
        ...

    def start(self) -> None:
        """Take note of a start."""
        ...

    def take_back(self) -> None:
        """Take note that a start never happened."""
        ...

    def settle(self, t: float, /, *, idle: bool) -> None:
        """Give up what was asked for and not had in time. `idle`: there was no job for it, so nothing was dropped."""
        ...

    def more_at(self, t: float, active: int, /) -> float | None:
        """Say when it will ask for more than now; None where it never does."""
        ...

    def target(self, t: float, /) -> float | None:
        """Give what it asks for: sessions at a time or starts a second; None for all that the caps allow."""
        ...


class AtATime:
    """So many sessions at a time; what is too many runs to its end, and is not replaced."""

    def __init__(self, sessions: Curve, ends_at: float | None) -> None:
        self.ends_at = ends_at
        self.dropped = 0
        self._sessions = sessions

    def quota(self, t: float, active: int, /) -> float:
        """Say how many are missing; below 0 where there are too many."""
        return math.floor(self._sessions.value(t) + _HAIR) - active

    def start(self) -> None:
        """Nothing: who asks counts the active sessions."""

    def take_back(self) -> None:
        """Nothing, as in `start`."""

    def settle(self, _t: float, /, *, idle: bool) -> None:
        """Nothing: what is missing is asked for until it is there."""

    def more_at(self, t: float, active: int, /) -> float | None:
        """Say when it asks for one more than are active."""
        return self._sessions.reaches(active + 1.0, t)

    def target(self, t: float, /) -> float | None:
        """Give the sessions at a time."""
        return math.floor(self._sessions.value(t) + _HAIR)


class AsMany(AtATime):
    """More than the cap of sessions, always: it is the caps that hold back."""

    def __init__(self, cap: int) -> None:
        super().__init__(Curve(cap + 1), None)

    def target(self, _t: float, /) -> float | None:
        """Give None: the caps are the target."""
        return None


class Arrivals:
    """So many starts a second, whether or not earlier sessions have ended. Further tries are starts like others.

    The first comes half a gap after the begin, the last half a gap before the end: as many as the rate's own area.
    """

    def __init__(self, rate: Curve, ends_at: float | None) -> None:
        self.ends_at = ends_at
        self.dropped = 0
        self._rate = rate
        self._dealt_with = 0

    def quota(self, t: float, _active: int, /) -> float:
        """Say how many are due."""
        return self._due(t) - self._dealt_with

    def start(self) -> None:
        """Take note of a start."""
        self._dealt_with += 1

    def take_back(self) -> None:
        """Let a start that never happened be due again."""
        self._dealt_with -= 1

    def settle(self, t: float, /, *, idle: bool) -> None:
        """Drop what has been due for longer than `PATIENCE_S`, or forget all that is due where there is no job."""
        is_over = self.ends_at is not None and t >= self.ends_at
        late = self._due(t if idle or is_over else t - PATIENCE_S) - self._dealt_with
        if late > 0:
            self._dealt_with += late
            self.dropped += 0 if idle else late

    def more_at(self, _t: float, _active: int, /) -> float | None:
        """Say when the next is due."""
        return self._rate.area_reaches(self._dealt_with + 0.5)

    def target(self, t: float, /) -> float | None:
        """Give the starts a second."""
        return self._rate.value(t)

    def _due(self, t: float) -> int:
        reached = t if self.ends_at is None else min(t, self.ends_at)
        return math.floor(self._rate.area(max(reached, 0.0)) + 0.5 + _HAIR)


def shape_of(load: Load, caps: Caps) -> Shape:
    """Make the shape of a plan's load. A plan that was read has the number that its shape needs."""
    curve = Curve(0.0, load.stages)
    if load.shape == "once":
        return AsMany(caps.sessions)
    if load.shape == "ramp":
        return AtATime(curve, curve.length_s)
    if load.shape == "constant":
        return AtATime(Curve(load.sessions or 0), load.duration_s)
    if load.stages:
        return Arrivals(curve, curve.length_s)
    return Arrivals(Curve(load.rate_per_s or 0.0), load.duration_s)

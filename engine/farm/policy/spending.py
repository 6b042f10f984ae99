"""What sessions take, learned from those that ended; and what is spent, reserved and left of a budget.

A session's tokens are known when it has ended. Until then it is expected to take what others of its scenario took:
first the plan's own estimate, then their mean. The sum over n active sessions scatters by the square root of n, so that
a budget reserves their means and three times that scatter. As sessions end the last of a budget is dealt out again and
again, so that one run in 25 still exceeds it, by a few sessions' worth (measured: docs/design/farm-policy.md).
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

PRIOR_WEIGHT: Final = 5.0
"""A plan's estimate counts as so many sessions."""

MARGIN_DEVIATIONS: Final = 3.0
"""A budget reserves so many standard deviations of the sum beyond the mean."""

PROBES: Final = 10
"""So many sessions of a scenario may be active, under a cap or budget of tokens or money, before one has told what it
takes; where the plan has an estimate there is no such bound."""

_SLACK: Final = 1e-9
"""Share of a limit that rounding may add up to."""


class Average:
    """Mean and variance of one quantity (Welford's way), begun with an estimate or with nothing."""

    def __init__(self, estimate: float | None = None) -> None:
        self._weight = 0.0 if estimate is None else PRIOR_WEIGHT
        self.mean = estimate or 0.0
        self._squares = 0.0

    @property
    def is_known(self) -> bool:
        """Tell whether there is anything to go by."""
        return self._weight > 0

    @property
    def variance(self) -> float:
        """Give the variance; 0 before there are two."""
        return self._squares / self._weight if self._weight else 0.0

    def add(self, value: float) -> None:
        """Learn from one more."""
        self._weight += 1.0
        before = self.mean
        self.mean += (value - before) / self._weight
        self._squares += (value - before) * (value - self.mean)


@attrs.define
class _Share:
    average: Average
    active: int = 0
    mean: float = 0.0
    variance: float = 0.0


class Budget:
    """What ended sessions took, what active ones will, and whether one more fits.

    Args:
        limit: Of all together; None for none, which then only counts.
        spent: Before.
        scenarios: All that there are.
        estimates: Of one session, by scenario; where one is missing, the first sessions tell.

    Attributes:
        averages: Of one session, by scenario.
        spent: By sessions that told what they took.
        presumed: By those that could not tell.
    """

    def __init__(
        self, limit: float | None, spent: float, scenarios: Iterable[str], estimates: Mapping[str, float]
    ) -> None:
        self.limit = limit
        self.averages = {name: Average(estimates.get(name)) for name in scenarios}
        self.spent = spent
        self.presumed = 0.0
        self._shares = {name: _Share(average) for name, average in self.averages.items()}
        self._mean = 0.0
        self._variance = 0.0
        self._active = 0

    @property
    def reserved(self) -> float:
        """Give what active sessions are expected to take, with the margin for scatter."""
        return self._mean + MARGIN_DEVIATIONS * math.sqrt(max(self._variance, 0.0))

    def fits(self, scenario: str) -> bool:
        """Tell whether one more session fits beside those that are active."""
        return self._fits(scenario, self._mean, self._variance)

    def fits_alone(self, scenario: str) -> bool:
        """Tell whether one would fit if no other were active."""
        return self._fits(scenario, 0.0, 0.0)

    def start(self, scenario: str) -> None:
        """Reserve for one more."""
        self._change(self._shares[scenario], 1)

    def end(self, scenario: str, took: float | None) -> None:
        """Count what a session took; None where nobody knows, and it is presumed to have taken the mean."""
        share = self._shares[scenario]
        if took is None:
            self.presumed += share.average.mean
        else:
            self.spent += took
        self._change(share, -1)

    def presume(self, scenario: str) -> None:
        """Count a session of an earlier stretch of which nobody knows what it took."""
        self.presumed += self._shares[scenario].average.mean

    def told_late(self, scenario: str, took: float | None) -> None:
        """Put what a session took in the place of what it was presumed to have taken."""
        if took is not None:
            self.presumed = max(0.0, self.presumed - self._shares[scenario].average.mean)
            self.spent += took

    def learn(self, scenario: str, took: float | None) -> None:
        """Learn from a session that ran its course, where it is known what it took."""
        share = self._shares[scenario]
        if took is not None:
            share.average.add(took)
            self._change(share, 0)

    def take_back(self, scenario: str) -> None:
        """Take back a start that never happened."""
        self._change(self._shares[scenario], -1)

    def _fits(self, scenario: str, mean: float, variance: float) -> bool:
        if self.limit is None:
            return True
        one = self._shares[scenario].average
        margin = MARGIN_DEVIATIONS * math.sqrt(max(variance + one.variance, 0.0))
        needed = self.spent + self.presumed + mean + one.mean + margin
        return self.spent + self.presumed < self.limit and needed <= self.limit * (1 + _SLACK)

    def _change(self, share: _Share, by: int) -> None:
        # Each scenario's part is replaced as a whole: a decision costs the same with ten sessions and with 100,000.
        share.active += by
        self._active += by
        mean, variance = share.active * share.average.mean, share.active * share.average.variance
        self._mean += mean - share.mean
        self._variance += variance - share.variance
        share.mean, share.variance = mean, variance
        if not self._active:
            self._mean = self._variance = 0.0

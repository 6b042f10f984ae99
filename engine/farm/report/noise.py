"""Whether two runs differ beyond noise: a permutation test that exchanges whole sessions between them.

Theory. Were the two runs alike, it would not matter which run a session's values came from. So sessions are exchanged
between the runs at random, many times, and each time the difference of the figure (median, p95, mean) is taken: how
often it is as large as the one that was measured is its p-value. Whole sessions are exchanged, since turns of one
session have much in common and count as less than independent values. Where both runs had the same jobs, the two
sessions of a job are exchanged with each other, so that hard and easy jobs don't count as noise; for shares that is
McNemar's exact test by simulation, and without pairs it is Fisher's. It assumes no shape of the distribution, and one
test serves all figures. The interval beside it is a bootstrap of the same sessions. The seed is fixed: the same runs
give the same answer. As many figures are tested at once, their p-values are held to Holm's bounds.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from engine.farm.report.thinning import kept

if TYPE_CHECKING:
    import numpy as np

Statistic = Literal["p50", "p95", "mean"]
BySession = Mapping[int, Sequence[float]]
"""Values of a figure, by job."""

SEED: Final = 20_260_923
FIRST_SHUFFLES: Final = 499
"""After so many exchanges a p-value that is far from any bound is good enough."""

SHUFFLES: Final = 4_999
"""Exchanges for the others: p-values down to 0.0002."""

FAR_FROM_ANY_BOUND: Final = 0.2
RESAMPLES: Final = 999
"""Of the bootstrap."""

INTERVAL: Final = 0.95
FAMILY_ERROR: Final = 0.05
"""Chance that any figure of two runs that are alike is told as changed."""

MOST_SESSIONS: Final = 2_000
"""Of a run that a test looks at, about: of more, some are drawn."""

LEAST_SESSIONS: Final = 5
LEAST_BEYOND: Final = 5
"""Values that must lie beyond a percentile for it to mean something: a p95 takes a hundred values."""

_CELLS: Final = 250_000
"""Numbers in memory at a time: they fit into the cache of a core."""


@attrs.frozen
class Tested:
    """What a test found: the p-value, and an interval of the difference B - A."""

    p: float
    low: float
    high: float


def enough(values: BySession, statistic: Statistic) -> bool:
    """Tell whether a figure of these values means something."""
    count = sum(len(of_session) for of_session in values.values())
    beyond = count * {"p50": 0.5, "p95": 0.05, "mean": 1.0}[statistic]
    return sum(bool(of_session) for of_session in values.values()) >= LEAST_SESSIONS and beyond >= LEAST_BEYOND


def test(a: BySession, b: BySession, statistic: Statistic, *, paired: bool) -> Tested:
    """Test whether a figure differs between two runs.

    Args:
        a: Values of the first run.
        b: Values of the second run.
        statistic: Which figure of them.
        paired: The same job number is the same job in both.
    """
    import numpy as np  # noqa: PLC0415 - heavy, and not needed before

    pool = _Pool(np, _thinned(a), _thinned(b), paired=paired)
    measured = abs(pool.difference(statistic, pool.as_measured())[0])
    slack = 1e-9 * max(1.0, measured)
    p = 1.0
    for shuffles in (FIRST_SHUFFLES, SHUFFLES):
        differences = pool.differences(statistic, shuffles, partial(pool.exchanged, np.random.default_rng(SEED)))
        p = (1 + int(np.count_nonzero(np.abs(differences) >= measured - slack))) / (shuffles + 1)
        if p > FAR_FROM_ANY_BOUND:
            break
    drawn = pool.differences(statistic, RESAMPLES, partial(pool.resampled, np.random.default_rng(SEED)))
    outside = 50 * (1 - INTERVAL)
    low, high = np.nanpercentile(drawn, [outside, 100 - outside])
    return Tested(p, float(low), float(high))


def beyond_noise(p_values: Sequence[float]) -> list[bool]:
    """Say which of many tests found something, by Holm's bounds: all together are wrong in one of twenty cases."""
    found = [False] * len(p_values)
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] > FAMILY_ERROR / (len(p_values) - place):
            break
        found[index] = True
    return found


def _thinned(values: BySession) -> dict[int, Sequence[float]]:
    """Give the sessions that have values; where there are too many, some, drawn by number: the same in both runs."""
    there = {job: of_session for job, of_session in sorted(values.items()) if of_session}
    one_of = -(-len(there) // MOST_SESSIONS)
    return {job: of_session for job, of_session in there.items() if kept(job, one_of)}


Weights = tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]
"""How often each session of the pool counts for A and for B: a line for each draw, a column for each session."""


class _Pool:
    """The sessions of both runs: those of A, then those of B; jobs that both have come first in each."""

    def __init__(
        self, np: Any, a: Mapping[int, Sequence[float]], b: Mapping[int, Sequence[float]], *, paired: bool
    ) -> None:
        self._np = np
        both = [job for job in a if job in b] if paired else []
        shared = frozenset(both)
        orders = [[*both, *(job for job in run if job not in shared)] for run in (a, b)]
        sessions = [run[job] for run, order in zip((a, b), orders, strict=True) for job in order]
        self._pairs, self._in_a, self._size = len(both), len(orders[0]), len(sessions)
        values = np.concatenate([np.asarray(of_session, float) for of_session in sessions])
        session = np.repeat(np.arange(self._size), [len(of_session) for of_session in sessions])
        order = np.argsort(values, kind="stable")
        self._values, self._session = values[order], session[order]
        self._sums = np.array([math.fsum(of_session) for of_session in sessions])
        self._counts = np.array([len(of_session) for of_session in sessions], float)

    # --- who counts for whom ---------------------------------------------------------------------------------

    def as_measured(self) -> Weights:
        a = (self._np.arange(self._size) < self._in_a)[None, :].astype(self._np.int32)
        return a, 1 - a

    def exchanged(self, random: Any, count: int) -> Weights:
        """Exchange the sessions of pairs by tossing a coin for each, and deal the others out anew."""
        np, a = self._np, self.as_measured()[0].repeat(count, axis=0)
        swapped = random.integers(0, 2, (count, self._pairs), dtype=np.int32)
        a[:, : self._pairs] = 1 - swapped
        a[:, self._in_a : self._in_a + self._pairs] = swapped
        single = np.r_[self._pairs : self._in_a, self._in_a + self._pairs : self._size]
        a[:, single] = random.permuted(a[:, single], axis=1)
        return a, 1 - a

    def resampled(self, random: Any, count: int) -> Weights:
        """Draw sessions with replacement: pairs together, the others from their own run."""
        np = self._np
        a, b = (np.zeros((count, self._size), np.int32) for _ in range(2))
        pairs = self._drawn(random, count, self._pairs)
        a[:, : self._pairs], b[:, self._in_a : self._in_a + self._pairs] = pairs, pairs
        a[:, self._pairs : self._in_a] = self._drawn(random, count, self._in_a - self._pairs)
        rest = self._in_a + self._pairs
        b[:, rest:] = self._drawn(random, count, self._size - rest)
        return a, b

    def _drawn(self, random: Any, count: int, sessions: int) -> Any:
        np = self._np
        if not sessions:
            return np.zeros((count, 0), np.int32)
        drawn = random.integers(0, sessions, (count, sessions)) + sessions * np.arange(count)[:, None]
        return np.bincount(drawn.ravel(), minlength=count * sessions).reshape(count, sessions)

    # --- figures ---------------------------------------------------------------------------------------------

    def differences(self, statistic: Statistic, draws: int, weights: Callable[[int], Weights]) -> Any:
        batch = max(1, _CELLS // max(len(self._values), self._size))
        sizes = [min(batch, draws - begun) for begun in range(0, draws, batch)]
        return self._np.concatenate([self.difference(statistic, weights(size)) for size in sizes])

    def difference(self, statistic: Statistic, weights: Weights) -> Any:
        a, b = (self._figure(statistic, of_run) for of_run in weights)
        return b - a

    def _figure(self, statistic: Statistic, weights: Any) -> Any:
        np = self._np
        if statistic == "mean":
            with np.errstate(invalid="ignore"):
                return (weights @ self._sums) / (weights @ self._counts)
        counted = np.cumsum(np.take(weights, self._session, axis=1), axis=1, dtype=np.int32)
        rank = np.maximum(np.ceil(counted[:, -1:] * (0.5 if statistic == "p50" else 0.95) - 1e-9), 1)
        return self._values[np.argmax(counted >= rank, axis=1)]


def sampled(values: Sequence[float], most: int) -> Iterator[float]:
    """Give evenly spread values of a sorted sequence, its ends among them."""
    if len(values) <= most:
        yield from values
        return
    for place in range(most):
        yield values[round(place * (len(values) - 1) / (most - 1))]

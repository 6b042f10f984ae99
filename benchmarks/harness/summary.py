"""Medians of runs and ratios between contenders, with their spread."""

import statistics
from collections.abc import Sequence

import attrs

from benchmarks.harness.records import Results, measured


@attrs.frozen
class Spread:
    """A median with the least and the most."""

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """Sum up; None of nothing."""
        if not values:
            return None
        return cls(statistics.median(values), min(values), max(values), len(values))


@attrs.frozen
class Where:
    """Which figure: of whom, in which scenario, with which load."""

    scenario: str
    variant: str
    contender: str
    key: str

    def of(self, contender: str) -> "Where":
        """The same figure of another contender."""
        return attrs.evolve(self, contender=contender)


def values(results: Results, where: Where) -> dict[int, float]:
    """Give a figure of each round that has it as a number; a flag counts as 0 or 1."""
    found = {}
    for run in measured(results.of(where.scenario, where.variant, where.contender)):
        value = run.figures.get(where.key)
        if isinstance(value, (int, float)):
            found[run.round] = float(value)
    return found


def spread(results: Results, where: Where) -> Spread | None:
    """Sum up a figure."""
    return Spread.of(list(values(results, where).values()))


def ratio(results: Results, where: Where, base: str) -> Spread | None:
    """Sum up the ratios to another contender's figure, round by round: those runs lay beside each other in time."""
    ours, theirs = values(results, where), values(results, where.of(base))
    return Spread.of([ours[number] / theirs[number] for number in ours if theirs.get(number)])

"""Distributions that add up: one sketch a metric (DDSketch), from one worker or from a thousand merged."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ddsketch import DDSketch

from engine.farm.job import Result
from engine.farm.metrics import METRICS

RELATIVE_ERROR: Final = 0.01
"""A percentile is within one percent of the value that stands there."""


class Figures:
    """Values by metric. Merging two is the same as having added all values to one."""

    def __init__(self) -> None:
        self._sketches: dict[str, DDSketch] = {}

    def add(self, metric: str, value: float) -> None:
        """Add one value."""
        if metric not in self._sketches:
            self._sketches[metric] = DDSketch(RELATIVE_ERROR)
        self._sketches[metric].add(value)

    def add_result(self, result: Result) -> None:
        """Add all that a result tells."""
        for name, metric in METRICS.items():
            for value in metric.read(result):
                self.add(name, value)

    def percentile(self, metric: str, percent: float) -> float | None:
        """Give the value that so many percent of values don't exceed; None where there is none."""
        raise NotImplementedError

    def mean(self, metric: str) -> float | None:
        """Give the mean; None where there is none."""
        raise NotImplementedError

    def total(self, metric: str) -> float:
        """Give the sum."""
        raise NotImplementedError

    def least(self, metric: str) -> float | None:
        """Give the smallest value, exactly."""
        raise NotImplementedError

    def most(self, metric: str) -> float | None:
        """Give the largest value, exactly."""
        raise NotImplementedError

    def count(self, metric: str) -> int:
        """Count the values."""
        raise NotImplementedError

    def merge(self, others: "Iterable[Figures] | Figures") -> None:
        """Take in others' values."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON values, for the wire and the ledger."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Figures":
        """Read what `to_json` gave."""
        raise NotImplementedError

"""Distributions that add up: one sketch a metric (DDSketch), from one worker or from a thousand merged.

A sketch counts values in bins that grow by two percent each, so any percentile is within one percent of the value that
stands there, however many workers counted. Number, sum, least and most are kept beside it, as they are.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ddsketch.ddsketch import BaseDDSketch
from ddsketch.mapping import LogarithmicMapping
from ddsketch.store import DenseStore

from engine.errors import LocalMisuse
from engine.farm.job import Result
from engine.farm.metrics import METRICS

RELATIVE_ERROR: Final = 0.01
"""A percentile is within one percent of the value that stands there."""

_MAPPING: Final = LogarithmicMapping(RELATIVE_ERROR)
"""From a value to its bin; one for all, so that all sketches can be merged."""

_NEAR_ZERO: Final = 1e-9
"""What is smaller counts as nothing: a nanosecond is 1e-6 ms. It bounds a sketch to some thousand bins."""

_FAR: Final = 1e15
"""The largest value that a sketch takes: 30,000 years in ms. A larger one is kept in the sum, and counts as this."""


class _Distribution:
    """One metric's values."""

    __slots__ = ("above", "below", "least", "most", "sketch", "total", "zeros")

    def __init__(self) -> None:
        self.above, self.below, self.zeros = DenseStore(), DenseStore(), 0
        self.least, self.most, self.total = math.inf, -math.inf, 0.0

    @property
    def count(self) -> int:
        return round(self.above.count + self.below.count) + self.zeros

    def add(self, value: float) -> None:
        size = min(abs(value), _FAR)
        if size < _NEAR_ZERO:
            self.zeros += 1
        else:
            (self.above if value > 0 else self.below).add(_MAPPING.key(size))
        self.total += value
        self.least = min(self.least, value)
        self.most = max(self.most, value)

    def merge(self, other: "_Distribution") -> None:
        self.above.merge(other.above)
        self.below.merge(other.below)
        self.zeros += other.zeros
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)

    def at_rank(self, rank: int) -> float:
        """Give about the value before which so many stand."""
        last = self.count - 1
        if rank in (0, last):
            return self.most if rank else self.least
        sketch = BaseDDSketch(_MAPPING, self.above, self.below, self.zeros)
        # Half a place further, so that rounding can't fall back into the bin before.
        value = sketch.get_quantile_value((rank + 0.5) / last)
        return min(max(float(value or 0.0), self.least), self.most)

    def to_json(self) -> dict[str, Any]:
        kept = {"total": self.total, "least": self.least, "most": self.most, "zeros": self.zeros}
        return {**kept, "above": _bins(self.above), "below": _bins(self.below)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "_Distribution":
        made = cls()
        made.total, made.least, made.most = float(data["total"]), float(data["least"]), float(data["most"])
        made.zeros = int(data["zeros"])
        for store, bins in ((made.above, data["above"]), (made.below, data["below"])):
            for key, count in zip(bins[::2], bins[1::2], strict=True):
                store.add(int(key), float(count))
        return made


def _bins(store: DenseStore) -> list[int]:
    """Give key, count, key, count, … of the bins that are not empty."""
    filled = ((index + store.offset, round(count)) for index, count in enumerate(store.bins) if count)
    return [number for pair in filled for number in pair]


class Figures:
    """Values by metric. Merging two is the same as having added all values to one."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[str, _Distribution] = {}

    @property
    def metrics(self) -> tuple[str, ...]:
        """Name the metrics that have values, in the order in which they first had one."""
        return tuple(self._of)

    def add(self, metric: str, value: float) -> None:
        """Add one value.

        Raises:
            LocalMisuse: It is infinite, or no number at all.
        """
        if not math.isfinite(value):
            raise LocalMisuse(f"{metric}: {value} can't be counted | leave out what was not measured")
        self._at(metric).add(value)

    def add_result(self, result: Result) -> None:
        """Add all that a result tells; nothing of a `stopped` one, which is to be run again."""
        if result.status == "stopped":
            return
        for name, metric in METRICS.items():
            for value in metric.read(result):
                self.add(name, value)

    def percentile(self, metric: str, percent: float) -> float | None:
        """Give the value that so many percent of values don't exceed (the nearest rank); None where there is none.

        It is within `RELATIVE_ERROR` of the value that stands there; the least and the most are exact.

        Raises:
            LocalMisuse: Not between 0 and 100.
        """
        if not 0 <= percent <= 100:
            raise LocalMisuse(f"percentile {percent:g} is not between 0 and 100 | p50 is the median")
        found = self._of.get(metric)
        if found is None:
            return None
        return found.at_rank(max(0, math.ceil(_tidy(percent / 100 * found.count)) - 1))

    def mean(self, metric: str) -> float | None:
        """Give the mean; None where there is none."""
        found = self._of.get(metric)
        return None if found is None else found.total / found.count

    def total(self, metric: str) -> float:
        """Give the sum."""
        return self._of[metric].total if metric in self._of else 0.0

    def least(self, metric: str) -> float | None:
        """Give the smallest value, exactly."""
        return self._of[metric].least if metric in self._of else None

    def most(self, metric: str) -> float | None:
        """Give the largest value, exactly."""
        return self._of[metric].most if metric in self._of else None

    def count(self, metric: str) -> int:
        """Count the values."""
        return self._of[metric].count if metric in self._of else 0

    def counts(self, metric: str) -> list[tuple[float, int]]:
        """Give the bins that are not empty, in rising order, each with a value that stands for it: for a chart."""
        found = self._of.get(metric)
        if found is None:
            return []
        filled = [(-_MAPPING.value(key), count) for key, count in reversed(_pairs(found.below))]
        filled += [(0.0, found.zeros)] if found.zeros else []
        return filled + [(_MAPPING.value(key), count) for key, count in _pairs(found.above)]

    def merge(self, others: "Iterable[Figures] | Figures") -> None:
        """Take in others' values."""
        for other in (others,) if isinstance(others, Figures) else others:
            for metric, distribution in other._of.items():
                self._at(metric).merge(distribution)

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON values, for the wire and the ledger."""
        return {metric: distribution.to_json() for metric, distribution in self._of.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Figures":
        """Read what `to_json` gave."""
        made = cls()
        made._of = {metric: _Distribution.from_json(one) for metric, one in data.items()}
        return made

    def _at(self, metric: str) -> _Distribution:
        if metric not in self._of:
            self._of[metric] = _Distribution()
        return self._of[metric]


def _pairs(store: DenseStore) -> list[tuple[int, int]]:
    bins = _bins(store)
    return list(zip(bins[::2], bins[1::2], strict=True))


def _tidy(rank: float) -> float:
    """Take off what binary fractions add: 0.07 * 100 is 7.000000000000001, and means the seventh."""
    near = round(rank)
    return near if math.isclose(rank, near, rel_tol=1e-9) else rank

"""A run's figures as Prometheus reads them."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from engine.farm.figures import Figures
from engine.farm.live.exported import EXPORTED, Exported, Kind, trends
from engine.farm.metrics import METRICS, Unit
from engine.farm.snapshot import RunSnapshot

_SECONDS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)
_SHARES: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)
_COUNTS: Final = tuple(float(4**power) for power in range(11))
_MONEY: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

_BUCKETS: Final[dict[Unit, tuple[str, float, tuple[float, ...]]]] = {
    "ms": ("_seconds", 0.001, _SECONDS),
    "share": ("_ratio", 1.0, _SHARES),
    "count": ("", 1.0, _COUNTS),
    "usd": ("_usd", 1.0, _MONEY),
}
"""By unit: end of the name, factor to Prometheus' base unit, upper bounds of the buckets in it."""

_UNIT_ENDS: Final = {"s": "_seconds", "By": "_bytes", "USD": "_usd", "1": "_ratio", "{session}/s": "_per_second"}
"""By unit: end of the name, as OpenTelemetry's own way to Prometheus has it."""

_FAMILIES: Final[dict[Kind, type[Any]]] = {
    "gauge": GaugeMetricFamily,
    "updown": GaugeMetricFamily,
    "counter": CounterMetricFamily,
}


def exposition(snapshot: RunSnapshot | None, accept: str = "") -> tuple[bytes, str]:
    """Write a run's figures.

    Args:
        snapshot: How it stands; None for no figures yet.
        accept: What the reader says that it takes: OpenMetrics, or Prometheus' own text.

    Returns:
        The text, and its type for the header `Content-Type`.
    """
    encode, kind = choose_encoder(accept)
    registry = CollectorRegistry(auto_describe=False)
    if snapshot is not None:
        registry.register(_Run(snapshot))
    return encode(registry), kind


class _Run(Collector):
    def __init__(self, snapshot: RunSnapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Give the figures."""
        yield self._info()
        for name, exported in EXPORTED.items():
            yield self._family(name, exported)
        for name in trends():
            if self._snapshot.figures.count(name):
                yield _histogram(name, self._snapshot.figures)

    def _info(self) -> Metric:
        labels = {"run": self._snapshot.run_id, "plan": self._snapshot.name}
        return InfoMetricFamily("realtime_farm_run", "Which run this is.", value=labels)

    def _family(self, name: str, exported: Exported) -> Metric:
        points = list(exported.read(self._snapshot))
        labels = list(points[0][1]) if points else []
        end = _UNIT_ENDS.get(exported.unit, "")
        family: Metric = _FAMILIES[exported.kind](name.replace(".", "_") + end, exported.about, labels=labels)
        for value, labelled in points:
            family.add_metric(list(labelled.values()), value)  # type: ignore[attr-defined]
        return family


def _histogram(name: str, figures: Figures) -> Metric:
    metric = METRICS[name]
    end, factor, bounds = _BUCKETS[metric.unit]
    numbers = [0] * (len(bounds) + 1)
    for value, number in figures.counts(name):
        numbers[_bucket(value * factor, bounds)] += number
    buckets = list(zip([*map(str, bounds), "+Inf"], map(float, accumulate(numbers)), strict=True))
    family = HistogramMetricFamily(f"realtime_farm_{name}{end}", f"{metric.about[0].upper()}{metric.about[1:]}.")
    family.add_metric([], buckets, sum_value=figures.total(name) * factor)
    return family


def _bucket(value: float, bounds: tuple[float, ...]) -> int:
    return next((number for number, bound in enumerate(bounds) if value <= bound), len(bounds))

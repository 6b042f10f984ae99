"""Thresholds: what must hold over a whole run, read from a text such as `p95(time_to_first_audio) < 800ms`."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import attrs

from engine.errors import ConfigError
from engine.farm.metrics import METRICS, Metric, Unit
from engine.farm.plan.model import Threshold
from engine.farm.plan.nearest import did_you_mean

if TYPE_CHECKING:
    from engine.farm.figures import Figures

FiguresOf = Callable[[str | None, str | None], "Figures"]
"""Gives the figures of a scenario and a tag; None for all."""

FORM: Final = "p95(time_to_first_audio) < 800ms, or error_rate < 1%, or p95(session_time{scenario: NAME}) < 60s"

_THRESHOLD: Final = re.compile(
    r"""\s*(?:(?P<statistic>[A-Za-z_][\w.]*)\s*\(\s*)?
    (?P<metric>[A-Za-z_]\w*)\s*
    (?P<limits>\{[^{}]*\})?\s*
    (?P<closed>\))?\s*
    (?P<sign><=|>=|<|>)\s*
    (?P<bound>\S.*?)\s*""",
    re.VERBOSE,
)
_PERCENTILE: Final = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?|100)")
_BOUND: Final = re.compile(r"(\$?)(\d+(?:\.\d+)?(?:e-?\d+)?)\s*(%|[A-Za-z]*)", re.IGNORECASE)
_LIMIT: Final = re.compile(r"\s*(scenario|tag)\s*:\s*(.*?)\s*", re.DOTALL)

_UNITS: Final[Mapping[Unit, Mapping[str, float]]] = {
    "ms": {"ms": 1.0, "s": 1000.0, "min": 60_000.0},
    "share": {"%": 0.01, "": 1.0},
    "count": {"": 1.0},
    "usd": {"": 1.0, "usd": 1.0},
}
"""How a bound may be written, and what it is in the metric's own unit."""

_EXAMPLES: Final[Mapping[Unit, str]] = {
    "ms": "a time with its unit, as 800ms, 1.5s or 2min",
    "share": "a share, as 1% or 0.01",
    "count": "a number",
    "usd": "US dollars, as 0.05 or $0.05",
}
_STATISTICS: Final[Mapping[str, tuple[str, ...]]] = {
    "trend": ("avg", "min", "max", "count", "total"),
    "rate": ("rate",),
    "sum": ("total",),
}
"""By kind of metric. A `trend` has percentiles too; a `rate` and a `sum` may stand without one."""


@attrs.frozen(kw_only=True)
class Judged:
    """A threshold after a run.

    Attributes:
        threshold: Which.
        value: The figure; None where nothing was measured.
        held: Whether it kept the bound. Where nothing was measured it did not: nothing shows that it holds.
    """

    threshold: Threshold
    value: float | None
    held: bool


def read_threshold(text: str) -> Threshold:
    """Read a threshold.

    Raises:
        ConfigError: It can't be read; the message says what is allowed there.
    """
    found = _THRESHOLD.fullmatch(text) if isinstance(text, str) else None
    if found is None or (found["statistic"] is None) != (found["closed"] is None):
        raise _wrong(text, "can't be read", f"a text as {FORM}")
    metric = METRICS.get(found["metric"])
    if metric is None:
        why = f"there is no metric {found['metric']!r}{did_you_mean(found['metric'], METRICS)}"
        raise _wrong(text, why, "the metrics " + ", ".join(METRICS))
    scenario, tag = _limit(text, found["limits"])
    return Threshold(
        text=text.strip(),
        statistic=_statistic(text, found["statistic"], found["metric"], metric),
        metric=found["metric"],
        below=found["sign"].startswith("<"),
        inclusive=found["sign"].endswith("="),
        bound=_bound(text, found["bound"], found["statistic"], metric),
        scenario=scenario,
        tag=tag,
    )


def judge(threshold: Threshold, figures_of: FiguresOf) -> Judged:
    """Judge a threshold by a run's figures."""
    value = _figure(threshold, figures_of(threshold.scenario, threshold.tag))
    return Judged(threshold=threshold, value=value, held=value is not None and _keeps(threshold, value))


def _keeps(threshold: Threshold, value: float) -> bool:
    if threshold.inclusive and value == threshold.bound:
        return True
    return value < threshold.bound if threshold.below else value > threshold.bound


def _figure(threshold: Threshold, figures: "Figures") -> float | None:
    metric, statistic = threshold.metric, threshold.statistic
    percentile = _PERCENTILE.fullmatch(statistic)
    if percentile is not None:
        return figures.percentile(metric, float(percentile[1]))
    return _READ[statistic](figures, metric)


_READ: Final[Mapping[str, Callable[["Figures", str], float | None]]] = {
    "avg": lambda figures, metric: figures.mean(metric),
    "rate": lambda figures, metric: figures.mean(metric),
    "min": lambda figures, metric: figures.least(metric),
    "max": lambda figures, metric: figures.most(metric),
    "count": lambda figures, metric: float(figures.count(metric)),
    "total": lambda figures, metric: figures.total(metric),
}


def _statistic(text: str, given: str | None, name: str, metric: Metric) -> str:
    allowed = _STATISTICS[metric.kind]
    if given is None and metric.kind != "trend":
        return allowed[0]
    percentile = metric.kind == "trend" and given is not None and _PERCENTILE.fullmatch(given) is not None
    if given is not None and (given in allowed or percentile):
        return given
    words = "p50, p95, p99.9 (any percentile), " + ", ".join(allowed) if metric.kind == "trend" else allowed[0]
    why = f"{name} has no figure {given!r}" if given else f"{name} needs a figure, as p95({name})"
    raise _wrong(text, why, words if metric.kind == "trend" else f"{name} alone, or {words}({name})")


def _bound(text: str, given: str, statistic: str | None, metric: Metric) -> float:
    unit: Unit = "count" if statistic == "count" else metric.unit
    found = _BOUND.fullmatch(given)
    factor = _UNITS[unit].get(found[3].lower()) if found else None
    if found is None or factor is None or (found[1] and unit != "usd"):
        raise _wrong(text, f"{given!r} is no bound here", _EXAMPLES[unit])
    bound = float(found[2]) * factor
    # Words that are put in make a word error rate of 150 %; a bare 20 is a slip.
    may_be_more = metric.kind == "trend" and found[3] == "%"
    if unit == "share" and bound > 1 and not may_be_more:
        raise _wrong(text, f"{given!r} is more than all", _EXAMPLES[unit])
    return bound


def _limit(text: str, given: str | None) -> tuple[str | None, str | None]:
    of: dict[str, str] = {}
    for part in given[1:-1].split(",") if given else ():
        found = _LIMIT.fullmatch(part)
        if found is None or not found[2] or found[1] in of:
            raise _wrong(text, f"{given!r} can't be read", "{scenario: NAME}, {tag: NAME}, or both with a comma")
        of[found[1]] = found[2]
    return of.get("scenario"), of.get("tag")


def _wrong(text: object, why: str, allowed: str) -> ConfigError:
    return ConfigError("thresholds", text, allowed, message=f"threshold {text!r}: {why}; allowed: {allowed}")

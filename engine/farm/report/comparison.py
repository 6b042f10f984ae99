"""A comparison of two runs as frozen records: the sides, every figure in both, and the jobs that ended otherwise."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import attrs

from engine.farm.figures import Figures
from engine.farm.job import Status
from engine.farm.metrics import Unit
from engine.farm.plan.model import Plan
from engine.farm.plan.thresholds import Judged
from engine.farm.report.noise import Statistic

Verdict = Literal["better", "worse", "changed", "no change", "too few"]


@attrs.frozen(kw_only=True)
class Side:
    """One of the two runs.

    Attributes:
        folder: Of the run.
        run_id: Of the run.
        plan: Of the run.
        began_at: Unix time, in s.
        statuses: How sessions ended.
        figures: Of all of its sessions.
        judged: Its thresholds.
    """

    folder: Path
    run_id: str
    plan: Plan
    began_at: float
    statuses: Mapping[Status, int]
    figures: Figures
    judged: tuple[Judged, ...]


@attrs.frozen(kw_only=True)
class Change:
    """One figure in both runs.

    Attributes:
        metric: Its name; an expectation's words for the share of sessions in which that held.
        statistic: `p50`, `p95` or `mean`.
        scenario: Of this scenario alone; None for all.
        unit: Of the figures.
        a: In the first run; None where there is none.
        b: In the second run.
        p: Of the test; None where there are too few values.
        low: Of the interval of the difference b - a.
        high: Of the interval.
        verdict: What it comes to.
    """

    metric: str
    statistic: Statistic
    scenario: str | None
    unit: Unit
    a: float | None
    b: float | None
    p: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Verdict = "too few"


@attrs.frozen(kw_only=True)
class Flip:
    """A job that passed in one run and not in the other."""

    job: int
    scenario: str
    about: str
    a: Status
    b: Status
    why: str


@attrs.frozen(kw_only=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        a: The first: what was.
        b: The second: what is.
        paired: Both ran the same scenarios, so that their sessions were compared job by job.
        changes: All figures, those that changed first.
        flips: Jobs that passed in one and not in the other; those that fail now first. Only where `paired`.
        curves: Values of each metric in both runs, in order, thinned: for charts.
    """

    a: Side
    b: Side
    paired: bool
    changes: tuple[Change, ...]
    flips: tuple[Flip, ...]
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]

    @property
    def worse(self) -> bool:
        """Tell whether anything is worse beyond noise."""
        return any(change.verdict == "worse" for change in self.changes)

"""What changed between two runs beyond noise: figures side by side, tests, and the sessions that ended otherwise."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import attrs

from engine.errors import ConfigError
from engine.farm.job import Result, Status
from engine.farm.ledger import Ledger
from engine.farm.metrics import METRICS
from engine.farm.plan.jobs import Jobs
from engine.farm.plan.model import Scenario
from engine.farm.plan.thresholds import judge
from engine.farm.report import noise
from engine.farm.report.causes import why
from engine.farm.report.comparison import Change, Comparison, Flip, Side, Verdict
from engine.farm.report.noise import Statistic
from engine.farm.report.sessions import about

SMALLEST_CHANGE: Final = 0.01
"""Share by which a figure must differ to be told as changed, however sure it is."""

SMALLEST_CHANGE_MS: Final = 20.0
"""By how much a time must differ: a frame of audio. So much comes of what else a machine or a network does in a run,
and that is the same for all of its sessions: no test of these tells it from a change."""

MOST_EXPECTATIONS: Final = 20
"""Expectations that are tested: each that is makes the others' bounds harder."""

_STATISTICS: Final[Mapping[str, tuple[Statistic, ...]]] = {
    "failure_rate": ("mean",),
    "error_rate": ("mean",),
    "time_to_first_audio": ("p50", "p95"),
    "time_to_first_text": ("p50", "p95"),
    "time_to_first_audio_heard": ("p50", "p95"),
    "response_time": ("p50", "p95"),
    "interruption_latency": ("p50", "p95"),
    "word_error_rate": ("mean",),
    "tool_time": ("p50", "p95"),
    "connect_time": ("p50", "p95"),
    "session_time": ("p50",),
    "session_cost": ("mean",),
    "session_tokens": ("mean",),
}
"""What is compared of a metric."""

_OF_SCENARIOS: Final = ("failure_rate", "time_to_first_audio")
"""What is compared of each scenario too, where there are several."""

_NEITHER_WAY: Final = frozenset({"session_time"})
"""Metrics of which less is not better."""


def compare(folder_a: str | Path, folder_b: str | Path) -> Comparison:
    """Read two runs and say what changed. Blocks: call it in a thread.

    Args:
        folder_a: Of the run that was.
        folder_b: Of the run that is to be judged.

    Raises:
        LedgerUnusable: One of them can't be read.
    """
    a, b = _read(Path(folder_a)), _read(Path(folder_b))
    paired = _callers(a) == _callers(b)
    tested = [_tested(change, mine, theirs, paired=paired) for change, mine, theirs in _questions(a, b)]
    found = noise.beyond_noise([change.p for change in tested if change.p is not None])
    verdicts = iter(found)
    changes = [change if change.p is None else _judged(change, beyond=next(verdicts)) for change in tested]
    order: Sequence[Verdict] = ("worse", "better", "changed", "no change", "too few")
    return Comparison(
        a=a.side,
        b=b.side,
        paired=paired,
        changes=tuple(sorted(changes, key=lambda change: order.index(change.verdict))),
        flips=tuple(_flips(a, b)) if paired else (),
        curves={name: (_curve(a, name), _curve(b, name)) for name in _STATISTICS if a.values[name] and b.values[name]},
    )


# --- reading -----------------------------------------------------------------------------------------------------


@attrs.frozen
class _Run:
    """A run's values by metric and job; `checks` by expectation and job; how each job ended, and why."""

    side: Side
    values: dict[str, dict[int, list[float]]]
    checks: dict[str, dict[int, list[float]]]
    ended: dict[int, tuple[str, Status, str]]


def _read(folder: Path) -> _Run:
    with Ledger.open(folder, write=False) as ledger:
        values: dict[str, dict[int, list[float]]] = {name: {} for name in _STATISTICS}
        checks: dict[str, dict[int, list[float]]] = {}
        ended: dict[int, tuple[str, Status, str]] = {}
        for result in ledger.results():
            _gather(result, values, checks)
            ended[result.job] = (result.scenario, result.status, why(result))
        stints, figures_of = ledger.stints(), cache(ledger.figures)
        side = Side(
            folder=folder,
            run_id=ledger.run_id,
            plan=ledger.plan,
            began_at=stints[0].began_at if stints else 0.0,
            statuses=Counter(status for _, status, _ in ended.values()),
            figures=figures_of(None, None),
            judged=tuple(judge(threshold, figures_of) for threshold in ledger.plan.thresholds),
        )
    return _Run(side, values, checks, ended)


def _gather(
    result: Result, values: dict[str, dict[int, list[float]]], checks: dict[str, dict[int, list[float]]]
) -> None:
    for name, of_jobs in values.items():
        found = list(METRICS[name].read(result))
        if found:
            of_jobs[result.job] = found
    for verdict in result.verdicts:
        checks.setdefault(verdict.expected, {}).setdefault(result.job, []).append(float(verdict.held))


def _curve(run: _Run, name: str) -> list[float]:
    ordered = sorted(value for of_job in run.values[name].values() for value in of_job)
    return [float(f"{value:.5g}") for value in noise.sampled(ordered, 400)]


# --- comparing ---------------------------------------------------------------------------------------------------

_Question = tuple[Change, Mapping[int, Sequence[float]], Mapping[int, Sequence[float]]]


def _questions(a: _Run, b: _Run) -> Iterator[_Question]:
    for name, statistics in _STATISTICS.items():
        for statistic in statistics:
            yield _question(name, statistic, None, a.values[name], b.values[name])
    for expected in _expectations(a, b):
        yield _question(expected, "mean", None, a.checks[expected], b.checks[expected])
    shared = {scenario for scenario, _, _ in a.ended.values()} & {scenario for scenario, _, _ in b.ended.values()}
    for scenario in sorted(shared) if len(shared) > 1 else ():
        for name in _OF_SCENARIOS:
            mine, theirs = _of(a, a.values[name], scenario), _of(b, b.values[name], scenario)
            for statistic in _STATISTICS[name]:
                yield _question(name, statistic, scenario, mine, theirs)


def _expectations(a: _Run, b: _Run) -> list[str]:
    """Give expectations of both runs of which one failed somewhere, those that most sessions had first."""
    both = [text for text in a.checks if text in b.checks]
    failed = [text for text in both if not all(all(held) for run in (a, b) for held in run.checks[text].values())]
    return sorted(failed, key=lambda text: -len(a.checks[text]))[:MOST_EXPECTATIONS]


def _of(run: _Run, values: Mapping[int, Sequence[float]], scenario: str) -> dict[int, Sequence[float]]:
    return {job: of_job for job, of_job in values.items() if run.ended[job][0] == scenario}


def _question(
    metric: str,
    statistic: Statistic,
    scenario: str | None,
    a: Mapping[int, Sequence[float]],
    b: Mapping[int, Sequence[float]],
) -> _Question:
    unit = METRICS[metric].unit if metric in METRICS else "share"
    of_a, of_b = _figure(a, statistic), _figure(b, statistic)
    made = Change(metric=metric, statistic=statistic, scenario=scenario, unit=unit, a=of_a, b=of_b)
    return made, a, b


def _figure(values: Mapping[int, Sequence[float]], statistic: Statistic) -> float | None:
    ordered = sorted(value for of_job in values.values() for value in of_job)
    if not ordered:
        return None
    if statistic == "mean":
        return sum(ordered) / len(ordered)
    return ordered[max(0, -(-len(ordered) * int(statistic[1:]) // 100) - 1)]


def _tested(
    change: Change, a: Mapping[int, Sequence[float]], b: Mapping[int, Sequence[float]], *, paired: bool
) -> Change:
    if not (noise.enough(a, change.statistic) and noise.enough(b, change.statistic)):
        return change
    found = noise.test(a, b, change.statistic, paired=paired)
    return attrs.evolve(change, p=found.p, low=found.low, high=found.high)


def _judged(change: Change, *, beyond: bool) -> Change:
    a, b = change.a or 0.0, change.b or 0.0
    least = max(SMALLEST_CHANGE * max(abs(a), abs(b)), SMALLEST_CHANGE_MS if change.unit == "ms" else 0.0)
    if not beyond or abs(b - a) < least:
        return attrs.evolve(change, verdict="no change")
    if change.metric in _NEITHER_WAY:
        return attrs.evolve(change, verdict="changed")
    less_is_better = change.metric in METRICS
    return attrs.evolve(change, verdict="better" if (b < a) == less_is_better else "worse")


def _callers(run: _Run) -> list[Scenario]:
    """What callers do; what was expected of the agent does not make it another call."""
    return [attrs.evolve(scenario, expect=(), tags=()) for scenario in run.side.plan.scenarios]


def _flips(a: _Run, b: _Run) -> list[Flip]:
    jobs, found = Jobs(b.side.plan), []
    for job in sorted(a.ended.keys() & b.ended.keys()):
        (scenario, was, why_was), (_, now, why_now) = a.ended[job], b.ended[job]
        if (was == "passed") != (now == "passed"):
            reason = why_now if was == "passed" else why_was
            found.append(Flip(job=job, scenario=scenario, about=_about(jobs, job), a=was, b=now, why=reason))
    return sorted(found, key=lambda flip: flip.b == "passed")


def _about(jobs: Jobs, job: int) -> str:
    try:
        return about(jobs.numbered(job).values)
    except ConfigError:  # the plan was cut since the run began
        return ""

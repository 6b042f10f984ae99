"""What is shown of a run that goes on, in words: one picture for the terminal, the lines and the page alike."""

from collections.abc import Sequence
from typing import Final, Literal

import attrs

from engine.farm.live import words
from engine.farm.metrics import METRICS
from engine.farm.plan.model import Threshold
from engine.farm.plan.thresholds import Judged, judge
from engine.farm.snapshot import RunSnapshot, WorkerState

Tone = Literal["", "good", "warn", "bad"]

WORKERS_SHOWN: Final = 100
"""Rows of workers in one picture; those in trouble come first, and the rest is counted."""

_PHASES: Final = {
    "starting": "workers are starting",
    "running": "running",
    "finishing": "nothing more starts",
    "stopping": "sessions are being ended",
    "over": "over",
}

_STATUSES: Final[tuple[tuple[str, str, Tone], ...]] = (
    ("passed", "passed", "good"),
    ("failed", "failed", "warn"),
    ("error", "errors", "bad"),
    ("lost", "lost", "bad"),
)
"""Status of a final result, its word, its tone where there is one."""

_LAG_BAD_MS: Final = 100.0
"""A loop that comes later than this delays audio by more than two frames."""


@attrs.frozen
class Fact:
    """A figure with its name."""

    name: str
    value: str
    tone: Tone = ""


@attrs.frozen
class LatencyRow:
    """A distribution: lately, and over the whole run."""

    name: str
    now_p50: str
    now_p95: str
    p50: str
    p95: str
    p99: str
    count: str


@attrs.frozen
class ThresholdRow:
    """A threshold as it stands; one of a scenario or a tag alone is judged at the end."""

    text: str
    value: str
    tone: Tone = ""


@attrs.frozen
class WorkerRow:
    """A worker."""

    name: str
    state: str
    active: str
    ended: str
    lost: str
    starts: str
    memory: str
    cpu: str
    lag: str
    tone: Tone = ""


@attrs.frozen(kw_only=True)
class View:
    """A run at one moment, as it is shown.

    Attributes:
        run_id: Of the run.
        name: Of the plan.
        phase: As in `RunSnapshot`.
        state: The phase in words, and why.
        held_back: What holds starts back; empty where nothing does.
        progress: Share of jobs that are done; None where nobody knows how many there are.
        done: How many are done, in words.
        time: How long it has run, and what is left.
        facts: Sessions that run, wait, and ended.
        spent: Tokens, money, files.
        pace: Starts a second.
        latencies: One row for each distribution that has values.
        thresholds: As they stand.
        errors: By kind, most first.
        workers: One row each.
        workers_left_out: How many more there are.
    """

    run_id: str
    name: str
    phase: str
    state: str
    held_back: str
    progress: float | None
    done: str
    time: str
    facts: tuple[Fact, ...]
    spent: tuple[Fact, ...]
    pace: str
    latencies: tuple[LatencyRow, ...]
    thresholds: tuple[ThresholdRow, ...]
    errors: tuple[Fact, ...]
    workers: tuple[WorkerRow, ...]
    workers_left_out: int


def view_of(snapshot: RunSnapshot, thresholds: Sequence[Threshold] = ()) -> View:
    """Say in words how a run stands.

    Args:
        snapshot: How it stands.
        thresholds: Of its plan.
    """
    done = sum(snapshot.done.values())
    workers = sorted(snapshot.workers, key=lambda worker: worker.state == "up")[:WORKERS_SHOWN]
    return View(
        run_id=snapshot.run_id,
        name=snapshot.name,
        phase=snapshot.phase,
        state=_PHASES[snapshot.phase] + (f": {snapshot.why}" if snapshot.why else ""),
        held_back=snapshot.held_back if snapshot.phase == "running" else "",
        progress=min(1.0, done / snapshot.jobs) if snapshot.jobs else None,
        done=f"{words.count(done)} of {words.count(snapshot.jobs)}" if snapshot.jobs else words.count(done),
        time=_time(snapshot),
        facts=_facts(snapshot),
        spent=_spent(snapshot),
        pace=f"{words.rate(snapshot.starts_per_s)} of {words.rate(snapshot.pace_per_s)}",
        latencies=_latencies(snapshot),
        thresholds=tuple(_threshold(threshold, snapshot) for threshold in thresholds),
        errors=_errors(snapshot),
        workers=tuple(_worker(worker, over=snapshot.phase == "over") for worker in workers),
        workers_left_out=len(snapshot.workers) - len(workers),
    )


def _time(snapshot: RunSnapshot) -> str:
    elapsed = words.duration(snapshot.elapsed_s)
    if snapshot.left_s is None or snapshot.phase == "over":
        return elapsed
    return f"{elapsed}, {words.duration(snapshot.left_s)} left"


def _facts(snapshot: RunSnapshot) -> tuple[Fact, ...]:
    ended = []
    for status, name, tone in _STATUSES:
        number = snapshot.done.get(status, 0)
        ended.append(Fact(name, words.count(number), tone if number else ""))
    more = (
        ("waiting for a retry", snapshot.waiting),
        ("tried again", snapshot.retried),
        ("not started for want of room", snapshot.dropped),
    )
    return (
        Fact("active", words.count(snapshot.active)),
        *ended,
        *(Fact(name, words.count(number)) for name, number in more if number),
    )


def _spent(snapshot: RunSnapshot) -> tuple[Fact, ...]:
    unpriced = (Fact("without a price", words.count(snapshot.unpriced), "warn"),) if snapshot.unpriced else ()
    return (
        Fact("tokens", words.count(snapshot.tokens)),
        Fact("cost", words.usd(snapshot.cost_usd)),
        *unpriced,
        Fact("files", words.size(snapshot.kept_bytes)),
    )


def _latencies(snapshot: RunSnapshot) -> tuple[LatencyRow, ...]:
    figures, recent = snapshot.figures, snapshot.recent
    return tuple(
        LatencyRow(
            name.replace("_", " "),
            words.value_text(recent.percentile(name, 50), metric.unit),
            words.value_text(recent.percentile(name, 95), metric.unit),
            words.value_text(figures.percentile(name, 50), metric.unit),
            words.value_text(figures.percentile(name, 95), metric.unit),
            words.value_text(figures.percentile(name, 99), metric.unit),
            words.count(figures.count(name)),
        )
        for name, metric in METRICS.items()
        if metric.kind == "trend" and metric.unit in {"ms", "share"} and figures.count(name)
    )


def _threshold(threshold: Threshold, snapshot: RunSnapshot) -> ThresholdRow:
    if threshold.scenario is not None or threshold.tag is not None:
        return ThresholdRow(threshold.text, "at the end")
    judged = judge(threshold, lambda *_: snapshot.figures)
    if judged.value is None:
        return ThresholdRow(threshold.text, words.NOTHING)
    return judged_row(judged, over=snapshot.phase == "over")


def judged_row(judged: Judged, *, over: bool = True) -> ThresholdRow:
    """Show a threshold that was judged.

    Args:
        judged: The threshold.
        over: Nothing more comes. Before that, what only grows may still reach its bound.
    """
    threshold = judged.threshold
    unit = "count" if threshold.statistic == "count" else METRICS[threshold.metric].unit
    may_reach = threshold.statistic in {"count", "total", "max"} and not threshold.below and not over
    tone: Tone = "good" if judged.held else "" if may_reach else "bad"
    return ThresholdRow(threshold.text, words.value_text(judged.value, unit), tone)


def _errors(snapshot: RunSnapshot) -> tuple[Fact, ...]:
    most_first = sorted(snapshot.errors.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Fact(kind.replace("_", " "), words.count(number), "bad") for kind, number in most_first if number)


def _worker(worker: WorkerState, *, over: bool) -> WorkerRow:
    tone: Tone = {"up": "", "silent": "warn", "down": "bad"}[worker.state]  # type: ignore[assignment]
    if worker.lag_ms > _LAG_BAD_MS and not tone:
        tone = "warn"
    if over:
        # All of them are down by then: that is no trouble.
        tone = ""
    return WorkerRow(
        worker.name,
        "ended" if over else worker.state,
        words.count(worker.active),
        words.count(worker.ended),
        words.count(worker.lost),
        words.count(worker.starts),
        words.size(worker.memory_bytes),
        f"{worker.cpu_share:.0%}",
        words.latency(worker.lag_ms),
        tone,
    )

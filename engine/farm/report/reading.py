"""Reads a run's ledger once, result by result, and gathers what its report tells."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import attrs

from engine.errors import ConfigError
from engine.farm.figures import Figures
from engine.farm.job import Result
from engine.farm.ledger import Counts, Ledger, Note, Stint
from engine.farm.metrics import METRICS
from engine.farm.plan.jobs import Jobs
from engine.farm.plan.model import Plan
from engine.farm.plan.thresholds import Judged, judge
from engine.farm.report.causes import Causes
from engine.farm.report.elapsed import Elapsed
from engine.farm.report.series import Running, Series, series_of
from engine.farm.report.sessions import Links, Sessions


@attrs.define
class Group:
    """Sessions of one scenario, or of one worker.

    Attributes:
        figures: Their metrics.
        statuses: How they ended.
        tries: With those that were not their job's last.
    """

    figures: Figures = attrs.field(factory=Figures)
    statuses: Counter[str] = attrs.field(factory=Counter)
    tries: int = 0


@attrs.frozen
class Sound:
    """An audio file of a try, and whether its session passed."""

    job: int
    attempt: int
    path: str
    size_bytes: int
    passed: bool


@attrs.frozen(kw_only=True)
class Reading:
    """A run, read.

    Attributes:
        folder: Of the run.
        run_id: Of the run.
        plan: Of the run.
        jobs: How many there are; None where the load repeats them.
        counts: As the ledger tells them.
        stints: Stretches.
        notes: As the ledger tells them.
        elapsed: The run's clock.
        scenarios: By name, in the plan's order.
        workers: By name.
        causes: Why sessions failed.
        sessions: Table and details.
        series: By metric, for charts.
        running: Sessions over time.
        sounds: Audio files, in the order of their jobs.
    """

    folder: Path
    run_id: str
    plan: Plan
    jobs: int | None
    counts: Counts
    stints: Sequence[Stint]
    notes: Sequence[Note]
    elapsed: Elapsed
    scenarios: Mapping[str, Group]
    workers: Mapping[str, Group]
    causes: Causes
    sessions: Sessions
    series: Mapping[str, Series]
    running: Running
    sounds: Sequence[Sound]

    def figures_of(self, scenario: str | None = None, tag: str | None = None) -> Figures:
        """Give the metrics of a scenario, of scenarios with a tag, or of all."""
        tags = {one.name: one.tags for one in self.plan.scenarios}
        made = Figures()
        for name, group in self.scenarios.items():
            if scenario in (None, name) and (tag is None or tag in tags.get(name, ())):
                made.merge(group.figures)
        return made

    @property
    def judged(self) -> list[Judged]:
        """Judge the plan's thresholds by what was read."""
        return [judge(threshold, self.figures_of) for threshold in self.plan.thresholds]

    @property
    def statuses(self) -> Counter[str]:
        """Count how sessions ended."""
        return sum((group.statuses for group in self.scenarios.values()), Counter())


def read_run(folder: Path, links: Links) -> Reading:
    """Read a run.

    Args:
        folder: Of the run.
        links: Gives addresses of a try's files.

    Raises:
        LedgerUnusable: There is no run in the folder, or its ledger can't be read.
    """
    with Ledger.open(folder, write=False) as ledger:
        return _Reader(ledger, links).read()


class _Reader:
    def __init__(self, ledger: Ledger, links: Links) -> None:
        self._ledger, self._plan = ledger, ledger.plan
        self._jobs = Jobs(ledger.plan)
        self._elapsed = Elapsed(ledger.stints())
        self._final = {one.attempt_id for one in ledger.attempts() if one.final}
        self._scenarios = {scenario.name: Group() for scenario in ledger.plan.scenarios}
        self._workers: dict[str, Group] = {}
        self._sessions = Sessions(links, self._values_of)
        self._series = series_of(ledger.figures())
        self._running = Running(self._elapsed.total_s)
        self._causes = Causes()
        self._sounds: list[Sound] = []

    def read(self) -> Reading:
        for tries in _by_job(self._ledger.results(final_only=False)):
            self._take(tries)
        self._sessions.close()
        return Reading(
            folder=self._ledger.folder,
            run_id=self._ledger.run_id,
            plan=self._plan,
            jobs=self._jobs.total,
            counts=self._ledger.counts(),
            stints=self._ledger.stints(),
            notes=self._ledger.notes(),
            elapsed=self._elapsed,
            scenarios=self._scenarios,
            workers=dict(sorted(self._workers.items())),
            causes=self._causes,
            sessions=self._sessions,
            series=self._series,
            running=self._running,
            sounds=self._sounds,
        )

    def _take(self, tries: Sequence[Result]) -> None:
        last = tries[-1]
        final = last.attempt_id in self._final
        for one in tries:
            self._take_try(one, final=final and one is last)
        if final:
            self._take_final(last, len(self._sessions))
        self._sessions.add(tries, final=final, at_s=self._elapsed.at_s(last.began_at))

    def _take_try(self, result: Result, *, final: bool) -> None:
        at_s, seconds = self._elapsed.at_s(result.began_at), result.duration_ms / 1000
        self._running.add(at_s, at_s + seconds, broken=result.status in ("error", "lost"))
        self._causes.add(result, final=final)
        self._worker(result.worker).tries += 1
        self._scenario(result.scenario).tries += 1
        passed = result.status == "passed"
        for file in result.files:
            if file.kind == "audio":
                self._sounds.append(Sound(result.job, result.attempt, file.path, file.size_bytes, passed))

    def _take_final(self, result: Result, row: int) -> None:
        for group in (self._scenario(result.scenario), self._worker(result.worker)):
            group.figures.add_result(result)
            group.statuses[result.status] += 1
        for series in self._series.values():
            series.add(row, result, self._elapsed.at_s)

    def _scenario(self, name: str) -> Group:
        return self._scenarios.setdefault(name, Group())

    def _worker(self, name: str) -> Group:
        return self._workers.setdefault(name, Group())

    def _values_of(self, number: int) -> Mapping[str, Any]:
        try:
            return self._jobs.numbered(number).values
        except ConfigError:  # the plan was cut since the run began
            return {}


def _by_job(results: Iterator[Result]) -> Iterator[list[Result]]:
    for _, tries in groupby(results, key=_job):
        yield list(tries)


def _job(result: Result) -> int:
    return result.job


def trends(figures: Figures) -> list[str]:
    """Name the distributions that have values."""
    return [name for name, metric in METRICS.items() if metric.kind == "trend" and figures.count(name)]

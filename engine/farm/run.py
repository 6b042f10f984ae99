"""A run of a plan, from the first worker's start to the last line of the ledger."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import attrs
import trio

from engine.blocks import block_nursery
from engine.errors import LocalMisuse
from engine.farm.backends import LEASE_S, BackendFactory, WorkerSpec
from engine.farm.backends.processes import ProcessesBackend
from engine.farm.coordinator.coordinator import Coordinator
from engine.farm.ledger import Ledger
from engine.farm.link import Backend, Link, OnLink
from engine.farm.plan.jobs import Jobs
from engine.farm.plan.load import ready
from engine.farm.plan.model import Plan
from engine.farm.plan.thresholds import Judged, judge
from engine.farm.processes import open_files
from engine.farm.processes.target import target_of
from engine.farm.run_settings import (
    BACKENDS,
    backend_of,
    check_room,
    check_settings,
    key_of,
    share_of_memory,
    with_sessions,
)
from engine.farm.snapshot import RunSnapshot
from engine.farm.worker.vitals import machine_cores
from engine.threads import in_thread

GRACE_S: Final = 30.0
"""How long sessions may go on when a run is told to finish."""

OPENED_S: Final = 3.0
"""How long a run whose first worker is not there yet waits until it says that it began: what can't be had, as a cluster
that does not answer, is told before that in most cases."""


@attrs.frozen(kw_only=True)
class RunSummary:
    """What came of a run, or of the stretch of it that ended just now.

    Attributes:
        run_id: Eight hexadecimal digits.
        folder: Of the run.
        why: Why it ended: "all jobs done", "its time is over", "the budget is spent", "Ctrl-C".
        stopped: Somebody stopped it before its end.
        open_jobs: Jobs that `resume` would go on with; None where nobody can count them.
        done: Jobs with a final result, by status.
        thresholds: Judged over all final results.
        snapshot: The last picture.
    """

    run_id: str
    folder: Path
    why: str
    stopped: bool = False
    open_jobs: int | None = 0
    done: Mapping[str, int] = attrs.field(factory=dict)
    thresholds: tuple[Judged, ...] = ()
    snapshot: RunSnapshot


class Run:
    """One run of a plan. Nothing starts before `run`.

    Args:
        plan: What to run. None goes on with the plan that the folder's ledger holds.
        out: The run's folder; made where it is missing.
        workers: How many; `auto` for one a core that this process may use (its control group's share counts).
        backend: `local` for one worker in this event loop, `processes` for processes on this machine, or a factory.
            None: local for one worker, else processes.
        sessions: At a time, in place of the plan's.
        resume: Go on with the run that the folder holds.
        grace_s: How long sessions may go on after `finish`.
        lease_s: How long a worker goes on without word from the coordinator.
        memory_max_bytes: Of a worker. None for its share of this machine's, where `backend` runs it on this machine;
            a worker in this event loop has no bound.

    Raises:
        ConfigError: A setting is not possible.
    """

    def __init__(
        self,
        plan: Plan | None,
        *,
        out: Path | str,
        workers: int | Literal["auto"] = 1,
        backend: Literal["local", "processes"] | BackendFactory | None = None,
        sessions: int | None = None,
        resume: bool = False,
        grace_s: float = GRACE_S,
        lease_s: float = LEASE_S,
        memory_max_bytes: int | None = None,
    ) -> None:
        self._workers = machine_cores() if workers == "auto" else workers
        self._backend = backend_of(backend, self._workers)
        check_settings(plan, workers=self._workers, sessions=sessions, resume=resume, lease_s=lease_s, grace_s=grace_s)
        check_room(plan, self._workers, in_processes=self._backend is ProcessesBackend)
        self._plan = plan
        self._folder = Path(out)
        self._sessions = sessions
        self._resume = resume
        self._grace_s = grace_s
        self._lease_s = lease_s
        self._memory_max_bytes = memory_max_bytes or (None if callable(backend) else share_of_memory(self._workers))
        self._coordinator: Coordinator | None = None
        self._told: list[tuple[str, str]] = []
        self._last = RunSnapshot(run_id="", name=plan.name if plan is not None else "")
        self._began = False
        self.opened = trio.Event()
        """Set once it has begun: the folder is its own, the plan can work, what it talks to is there, and a worker is,
        or is waited for (`OPENED_S`)."""

    async def run(self) -> RunSummary:
        """Run it, once.

        Raises:
            ConfigError: The plan can't work.
            LedgerUnusable: The folder's ledger can't be used, or no longer; what it holds is whole.
            BackendUnavailable: Workers can't be had.
            TargetLost: The simulator that it started died.
            FarmError: It did not start.
        """
        if self._began:
            raise LocalMisuse("this run was run already | make another one, with resume=True to go on")
        self._began = True
        # One thread at a time for the ledger; SQLite is never called from two.
        limiter = trio.CapacityLimiter(1)
        ledger = await in_thread(self._open, limiter=limiter)
        try:
            return await self._run(ledger, limiter)
        finally:
            with trio.CancelScope(shield=True):
                await in_thread(ledger.close, limiter=limiter)

    def _open(self) -> Ledger:
        plan = ready(with_sessions(self._plan, self._sessions)) if self._plan is not None else None
        if plan is not None:
            key_of(plan)
        if plan is None or self._resume:
            return Ledger.open(self._folder, plan=plan)
        return Ledger.create(self._folder, plan)

    async def _run(self, ledger: Ledger, limiter: trio.CapacityLimiter) -> RunSummary:
        plan = with_sessions(ledger.plan, self._sessions)
        check_room(plan, self._workers, in_processes=self._backend is ProcessesBackend)
        self._check_files(plan)
        spec = self._spec(plan, ledger)
        async with target_of(plan, self._workers, self._look_no_more, folder=ledger.folder) as urls:
            coordinator = Coordinator(
                plan,
                ledger,
                base_urls=urls,
                lease_s=self._lease_s,
                grace_s=self._grace_s,
                limiter=limiter,
                workers=self._workers,
            )
            self._begin(coordinator)
            try:
                await coordinator.run(_Opening(self._backend(spec), self.opened))
            finally:
                self._look_no_more()
        return await in_thread(partial(self._close, plan, ledger, coordinator), limiter=limiter)

    def _look_no_more(self) -> None:
        """Let the picture be the last one: how workers are ended is nobody's trouble."""
        self._last, self._coordinator = self.snapshot(), None

    def _check_files(self, plan: Plan) -> None:
        if self._backend in BACKENDS.values():
            total = Jobs(plan).total
            sessions = plan.caps.sessions if total is None else min(plan.caps.sessions, total)
            open_files.check(plan, sessions=sessions, workers=self._workers)

    def _begin(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        for how, why in self._told:
            getattr(coordinator, how)(why)

    def _spec(self, plan: Plan, ledger: Ledger) -> WorkerSpec:
        return WorkerSpec(
            plan=plan,
            folder=str(ledger.folder.absolute()),
            count=self._workers,
            lease_s=self._lease_s,
            memory_max_bytes=self._memory_max_bytes,
            key=key_of(plan),
        )

    def _close(self, plan: Plan, ledger: Ledger, coordinator: Coordinator) -> RunSummary:
        judged = tuple(judge(threshold, ledger.figures) for threshold in plan.thresholds)
        if self._last.retried or coordinator.stopped or not coordinator.knows_figures:
            # Live figures hold turns of tries that were not their jobs' last; the last picture is the ledger's.
            self._last = attrs.evolve(self._last, figures=ledger.figures())
        summary = RunSummary(
            run_id=ledger.run_id,
            folder=ledger.folder,
            why=coordinator.why,
            stopped=coordinator.stopped,
            open_jobs=coordinator.open_jobs,
            done=self._last.done,
            thresholds=judged,
            snapshot=self._last,
        )
        ledger.finish(coordinator.why)
        return summary

    def finish(self, why: str = "told to finish") -> None:
        """Let nothing more start; sessions may end within the grace. Any number of times, also before `run`."""
        self._tell("finish", why)

    def stop(self, why: str = "told to stop") -> None:
        """Cancel all sessions now. Any number of times, also before `run`."""
        self._tell("stop", why)

    def _tell(self, how: Literal["finish", "stop"], why: str) -> None:
        if self._coordinator is None:
            self._told.append((how, why))
        else:
            getattr(self._coordinator, how)(why)

    def snapshot(self) -> RunSnapshot:
        """Give a picture of it; of phase `starting` before it began."""
        if self._coordinator is not None and self._coordinator.began:
            return self._coordinator.snapshot()
        return self._last


class _Opening:
    """A backend, and an event that is set when its first worker is there, or takes its time."""

    def __init__(self, backend: Backend, opened: trio.Event) -> None:
        self._backend = backend
        self._opened = opened

    async def run(self, on_link: OnLink) -> None:
        """Run the backend."""

        async def on_first(link: Link) -> None:
            self._opened.set()
            await on_link(link)

        async with block_nursery() as nursery:
            nursery.start_soon(self._open_anyway)
            await self._backend.run(on_first)
            nursery.cancel_scope.cancel()

    async def _open_anyway(self) -> None:
        await trio.sleep(OPENED_S)
        self._opened.set()


async def run_plan(
    plan: Plan | None, *, on_snapshot: Callable[[RunSnapshot], object] | None = None, every_s: float = 0.5, **how: Any
) -> RunSummary:
    """Run a plan: `Run(plan, **how).run()`, and give pictures of it meanwhile.

    Args:
        plan: As in `Run`.
        on_snapshot: Called every so often, and once at the end.
        every_s: How often.
        how: As in `Run`.

    Raises:
        EngineError: As `Run` and `Run.run` say.
    """
    run = Run(plan, **how)
    async with block_nursery() as nursery:
        if on_snapshot is not None:
            nursery.start_soon(_show, run, on_snapshot, every_s)
        summary = await run.run()
        nursery.cancel_scope.cancel()
    if on_snapshot is not None:
        on_snapshot(summary.snapshot)
    return summary


async def _show(run: Run, on_snapshot: Callable[[RunSnapshot], object], every_s: float) -> None:
    while True:
        await trio.sleep(every_s)
        on_snapshot(run.snapshot())

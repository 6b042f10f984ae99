"""Worker: has the sessions that it is granted, the same in this loop, in a process, or on a node of a cluster."""

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from math import inf
from pathlib import Path
from typing import Final

import attrs
import trio

from engine.farm.backends import WorkerSpec
from engine.farm.caller import CollectingSink, FileSink, FolderSink, Watch, run_call
from engine.farm.caller.faults import is_of_a_call
from engine.farm.figures import Figures
from engine.farm.job import Grant, Result, Status, TurnResult
from engine.farm.link import Down, Stopping, Up
from engine.farm.metrics import METRICS
from engine.farm.worker.outcomes import Outcomes
from engine.farm.worker.vitals import Vitals, asleep_s

CATCH_UP_S: Final = 0.05
"""By how much starts may come closer together than the pace says when the event loop was late."""

SLEPT_EVERY_S: Final = 1.0
"""How often a worker looks whether its machine slept: its own clock stood still, the lease went on."""

SLEPT_MIN_S: Final = 0.1
"""Less than this is what reading two clocks comes to."""

TOKENS_MAX: Final = 2**63 - 1
"""Most that is told of a session's tokens: JSON's numbers end here, whatever a service says."""

LIVE_METRICS: Final = (
    "time_to_first_audio",
    "time_to_first_text",
    "time_to_first_audio_heard",
    "response_time",
    "interruption_latency",
    "tool_time",
)
"""What is told of a turn as it ends; the rest is known when the session is over."""

Call = Callable[[Grant, FileSink, Watch], Awaitable[Result]]
"""One session: `engine.farm.caller.run_call` with all but these given. It raises nothing but `trio.Cancelled`."""


@attrs.define(eq=False)
class _Session:
    """One that runs, and how it is to be told if it is cut off."""

    grant: Grant
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    cut: tuple[Status, str] = ("stopped", "")
    tokens: int = 0


class Worker:
    """Starts what it is granted, paced; keeps results until they are acknowledged; cancels all when its lease is over.

    It is itself a `Link`, for a coordinator in the same event loop; elsewhere a link of its backend calls it there.
    The lease counts from the worker's last word, not from what it hears: what was stuck on its way extends nothing. The
    time that its machine slept counts too.

    Args:
        name: As people see it, the same after a new start: `worker-1`.
        call: Has one session.
        slots: How many at a time, for the coordinator to know; None for any number.
        folder: The run's folder, where it shares it; None collects files, and tells them with the results.
        asleep_s: Says for how long this machine slept so far.
    """

    def __init__(
        self,
        name: str,
        call: Call,
        *,
        slots: int | None = None,
        folder: Path | None = None,
        asleep_s: Callable[[], float] = asleep_s,
    ) -> None:
        self.name = name
        self.slots = slots
        self._call = call
        self._sink = FolderSink(folder) if folder is not None else CollectingSink()
        self._waiting: dict[str, Grant] = {}
        self._sessions: dict[str, _Session] = {}
        self._outcomes = Outcomes()
        self._returned: list[str] = []
        self._figures = Figures()
        self._watch = Watch(turn_ended=self._turn_ended, took=self._note_tokens, cut=self._note_cut)
        self._had: dict[str, Result] = {}
        self._tokens: dict[str, int] = {}
        self._vitals = Vitals()
        self._starts_per_s = 1.0
        self._stopping: Stopping | None = None
        self._told_at: float | None = None
        self._lease_until = inf
        self._lease_s = inf
        self._asleep_s, self._asleep_before_s = asleep_s, asleep_s()
        self._granted, self._leased, self._news, self._idle = trio.Event(), trio.Event(), trio.Event(), trio.Event()
        self._over = trio.Event()

    @property
    def shares_folder(self) -> bool:
        """Tell whether it writes files into the run's folder itself."""
        return isinstance(self._sink, FolderSink)

    @property
    def busy(self) -> int:
        """Count the attempts that run, wait for their turn to start, or have a result that was never told."""
        return len(self._waiting) + len(self._sessions) + self._outcomes.untold

    # --- its life --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Have the sessions, until `stop` (or cancelled). Call it once, in a task, before the first `exchange`."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._vitals.run)
                nursery.start_soon(self._watch_lease)
                nursery.start_soon(self._start_paced, nursery)
                await self._over.wait()
                nursery.cancel_scope.cancel()
        finally:
            if isinstance(self._sink, CollectingSink):
                self._sink.close()

    async def stop(self, grace_s: float) -> None:
        """End: sessions may end by themselves within the grace, then they are cancelled; returns when all is over."""
        self._stop("finish")
        with trio.move_on_after(grace_s):
            await self._until_idle()
        self._stop("now")
        await self._until_idle()
        self._over.set()

    async def _until_idle(self) -> None:
        while self._sessions:
            self._idle = trio.Event()
            await self._idle.wait()

    # --- told by the coordinator ---------------------------------------------------------------------------------

    async def exchange(self, down: Down) -> Up:
        """Take what the coordinator tells, and answer: at once where there is something to tell, else after a while."""
        self._take(down)
        with trio.move_on_after(down.linger_s):
            while not (self._outcomes.due or self._returned):
                self._news = trio.Event()
                await self._news.wait()
        return self._tell(roll=down.roll)

    def _take(self, down: Down) -> None:
        self._outcomes.acknowledge(down.acknowledged)
        if down.roll:
            self._outcomes.tell_again()
            self._tokens = {name: session.tokens for name, session in self._sessions.items() if session.tokens}
        self._starts_per_s = max(down.starts_per_s, 1e-3)
        for grant in down.grants:
            self._waiting[grant.attempt_id] = grant
        self._renew_lease(down.lease_s)
        if (stopping := down.stop or self._stopping) is not None:
            self._stop(stopping)
        self._granted.set()

    def _renew_lease(self, lease_s: float) -> None:
        now = trio.current_time()
        since = now if self._told_at is None else self._told_at
        self._lease_s = lease_s
        self._lease_until = since + lease_s
        if self._lease_is_over():
            self._end_epoch()
        self._leased.set()

    def _lease_is_over(self) -> bool:
        slept_s = self._asleep_s() - self._asleep_before_s
        return trio.current_time() + (slept_s if slept_s > SLEPT_MIN_S else 0.0) >= self._lease_until

    def _tell(self, *, roll: bool) -> Up:
        results, files = self._outcomes.take()
        names = (*self._waiting, *self._sessions, *self._outcomes.untold_attempts()) if roll else None
        signs = self._vitals.take()
        up = Up(
            results=results,
            files=files,
            returned=tuple(self._returned),
            active=self.busy,
            waiting=len(self._waiting),
            roll=names,
            rate_limits=self._watch.rate_limit,
            tokens=self._tokens,
            figures=self._figures.to_json(),
            memory_bytes=signs.memory_bytes,
            cpu_s=signs.cpu_s,
            lag_ms=signs.lag_ms,
            talking=self._watch.talking,
        )
        self._returned, self._tokens, self._figures, self._watch.rate_limit = [], {}, Figures(), None
        self._told_at, self._asleep_before_s = trio.current_time(), self._asleep_s()
        return up

    def _tell_soon(self) -> None:
        self._news.set()

    # --- its lease, and its end ------------------------------------------------------------------------------------

    async def _watch_lease(self) -> None:
        while True:
            self._leased = trio.Event()
            look_at = inf if self._lease_until == inf else trio.current_time() + SLEPT_EVERY_S
            with trio.move_on_at(min(self._lease_until, look_at)):
                await self._leased.wait()
            if self._lease_is_over():
                self._end_epoch()

    def _end_epoch(self) -> None:
        """Nobody renewed the lease: others may have the jobs now. What ended before stays to be told."""
        self._lease_until = inf
        self._hand_back()
        self._cut_all("lost", f"its worker had no word from the coordinator for {self._lease_s:g} s")

    def _stop(self, how: Stopping) -> None:
        if self._stopping != "now":
            self._stopping = how
        self._hand_back()
        if how == "now":
            self._cut_all("stopped", "stopped with the run")

    def _hand_back(self) -> None:
        self._returned += self._waiting
        self._waiting.clear()
        self._tell_soon()

    def _cut_all(self, status: Status, why: str) -> None:
        for session in self._sessions.values():
            if not session.scope.cancel_called:
                session.cut = (status, why)
                session.scope.cancel()

    # --- its sessions ----------------------------------------------------------------------------------------------

    async def _start_paced(self, nursery: trio.Nursery) -> None:
        last_due_at = -inf
        while True:
            now = trio.current_time()
            due_at = max(last_due_at + 1 / self._starts_per_s, now - CATCH_UP_S)
            if self._waiting and due_at <= now:
                self._start(nursery, next(iter(self._waiting)))
                last_due_at = due_at
                continue
            self._granted = trio.Event()
            with trio.move_on_at(due_at if self._waiting else inf):
                await self._granted.wait()

    def _start(self, nursery: trio.Nursery, attempt_id: str) -> None:
        session = _Session(self._waiting.pop(attempt_id))
        self._sessions[attempt_id] = session
        nursery.start_soon(self._have, session)

    async def _have(self, session: _Session) -> None:
        grant, began_at, started_at = session.grant, time.time(), trio.current_time()
        result = None
        try:
            with session.scope:
                result = await self._call(grant, self._sink, self._watch)
        except BaseException as error:
            if not is_of_a_call(error):  # One session's crash must not end the others.
                raise
            result = self._with_what_it_took(_broken(grant, "error", f"{type(error).__name__}: {error}"))
        else:
            result = result or self._with_what_it_took(_broken(grant, *session.cut))
        finally:
            self._had.pop(grant.attempt_id, None)
            self._tokens.pop(grant.attempt_id, None)
            del self._sessions[grant.attempt_id]
            self._idle.set()
        if not result.began_at:
            lasted_ms = (trio.current_time() - started_at) * 1000
            result = attrs.evolve(result, began_at=began_at, duration_ms=lasted_ms)
        self._outcomes.add(result, self._files_of(grant))
        self._tell_soon()

    def _with_what_it_took(self, broken: Result) -> Result:
        """Tell of a session that was cancelled, or crashed, with what it took until then: that was spent."""
        had = self._had.get(broken.attempt_id)
        if had is None:
            return broken
        return attrs.evolve(had, status=broken.status, error_kind=broken.error_kind, error=broken.error, files=())

    def _note_tokens(self, attempt_id: str, tokens: int) -> None:
        self._tokens[attempt_id] = self._sessions[attempt_id].tokens = min(tokens, TOKENS_MAX)

    def _note_cut(self, result: Result) -> None:
        self._had[result.attempt_id] = result

    def _files_of(self, grant: Grant) -> Mapping[str, bytes]:
        return self._sink.take(grant.attempt_id) if isinstance(self._sink, CollectingSink) else {}

    def _turn_ended(self, turn: TurnResult) -> None:
        alone = Result(attempt_id="", job=0, scenario="", turns=(turn,))
        for name in LIVE_METRICS:
            for value in METRICS[name].read(alone):
                self._figures.add(name, value)


def _broken(grant: Grant, status: Status, error: str) -> Result:
    kinds = {"error": "crash", "lost": "worker"}
    return Result(
        attempt_id=grant.attempt_id,
        job=grant.job.number,
        scenario=grant.job.scenario,
        attempt=grant.attempt,
        status=status,
        error_kind=kinds.get(status),  # type: ignore[arg-type]  # of the literals
        error=error,
    )


def worker_of(spec: WorkerSpec, name: str, *, shares_folder: bool = True) -> Worker:
    """Make a worker that has real sessions."""
    call = partial(_call, spec)
    return Worker(name, call, slots=spec.slots, folder=Path(spec.folder) if shares_folder else None)


async def _call(spec: WorkerSpec, grant: Grant, sink: FileSink, watch: Watch) -> Result:
    return await run_call(spec.plan, grant, sink=sink, key=spec.key or None, watch=watch)

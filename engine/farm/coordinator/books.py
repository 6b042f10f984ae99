"""What is granted, and what came of it: policy, ledger and figures in step. The coordinator's bookkeeping."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import Final, TypeVar

import attrs
import trio

from engine.blocks import block_nursery
from engine.errors import LedgerUnusable
from engine.farm.coordinator.crew import Attempt, Crew, Incarnation, Trial
from engine.farm.coordinator.earlier import read_earlier
from engine.farm.coordinator.journal import Journal
from engine.farm.coordinator.keeping import Keeping
from engine.farm.coordinator.picture import picture, samples
from engine.farm.coordinator.plan_rules import lasts_s
from engine.farm.coordinator.standing import Standing, settle, take_up
from engine.farm.coordinator.tally import Tally
from engine.farm.job import Grant, Result
from engine.farm.ledger import FiguresReader, Ledger, Resumed
from engine.farm.link import LinkLost, Up
from engine.farm.plan.jobs import Jobs
from engine.farm.plan.model import Plan
from engine.farm.policy import Policy
from engine.farm.snapshot import RunSnapshot
from engine.threads import in_thread

T = TypeVar("T")

SAMPLE_EVERY_S: Final = 5.0
"""How often the workers' memory, lag and sessions are written down, for the report."""


class Books:
    """Keeps policy, ledger and figures in step; `begin` comes first.

    Args:
        plan: Of the run.
        ledger: Open for writing.
        crew: Whose sessions these are.
        base_urls: Where sessions connect, in turn; empty where the plan says it.
        limiter: See `Coordinator`.
        lease_s: So long sessions of an earlier stretch may go on.
    """

    _stand: Standing
    _policy: Policy
    _tally: Tally
    _keeping: Keeping
    _earlier: FiguresReader | None

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        crew: Crew,
        base_urls: Sequence[str],
        limiter: trio.CapacityLimiter | None,
        *,
        lease_s: float,
    ) -> None:
        self._lease_s = lease_s
        self._plan = plan
        self._ledger = ledger
        self._crew = crew
        self._limiter = limiter
        self._base_urls = cycle(base_urls or (None,))
        self._jobs = Jobs(plan)
        self._journal = Journal(ledger, limiter)
        self._being_written: set[str] = set()
        self._lost: set[str] = set()
        self.sessions_max = plan.caps.sessions
        self.under_way = 0
        """Attempts that are granted and have no result, those of silent workers too."""
        self.orphans = 0
        """Attempts that may still be under way of stretches before this one."""

    # --- begin and end -------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Take up where the ledger stands.

        Raises:
            LedgerUnusable: As the ledger says.
        """
        resumed, self._earlier = await self._in_order(self._read)
        self._stand = take_up(
            self._plan,
            self._jobs,
            self._journal,
            resumed=resumed,
            now=trio.current_time(),
            lease_s=self._lease_s,
        )
        self._policy, self._tally, self._keeping = self._stand.policy, self._stand.tally, self._stand.keeping
        self.orphans = self._stand.orphans

    def _read(self) -> tuple[Resumed, FiguresReader | None]:
        resumed = self._ledger.begin_session()
        return resumed, self._ledger.figures_reader() if resumed.done else None

    async def keep(self) -> None:
        """Write what is asked for, until cancelled."""
        async with block_nursery() as nursery:
            if self._limiter is not None:
                nursery.start_soon(self._journal.run)
            if self._earlier is not None:
                note, threaded = partial(self._journal.note, "figures"), self._limiter is not None
                nursery.start_soon(partial(read_earlier, self._earlier, self._tally, note, in_a_thread=threaded))
            while True:
                await trio.sleep(SAMPLE_EVERY_S)
                self._journal.sample(samples(self._crew))

    def stop(self, why: str) -> None:
        """Let nothing more start."""
        self._policy.stop(why)
        self._journal.note("stop", why)

    def close(self, *, stopped: bool) -> None:
        """Write the last words. When a load's time is over, jobs that wait for a further try have had their last."""
        if lasts_s(self._plan.load) is not None and not stopped and self.failure is None:
            for _, trial in self._policy.waiting_jobs():
                settle(trial, self._tally, self._journal)
        if self._keeping.refused:
            bound = self._plan.keep.max_bytes
            self._journal.note("files", f"{self._keeping.refused} sessions kept no files: keep.max_bytes is {bound:,}")

    async def flush(self) -> None:
        """Wait until all is written, or can't be."""
        await self._journal.flush()

    @property
    def failure(self) -> LedgerUnusable | None:
        """Give why nothing more can be written."""
        return self._journal.failure

    async def without_result(self) -> int:
        """Count the tries that the ledger has as under way; 0 where it can't be read either."""
        try:
            return (await self._in_order(self._ledger.counts)).under_way
        except LedgerUnusable:
            return 0

    async def _in_order(self, work: Callable[[], T]) -> T:
        """Do work on the ledger when nothing else is done on it."""
        return work() if self._limiter is None else await in_thread(work, limiter=self._limiter)

    # --- grants --------------------------------------------------------------------------------------------------

    async def grant(self, here: Incarnation, room: int, now: float) -> None:
        """Admit what may start at one worker, and write down that it may; `here.grants` has it then."""
        admitted = self._policy.admit(now, room)
        if not admitted:
            return
        grants = [self._grant(here, scenario, trial, now) for scenario, trial in admitted]
        self._tally.started(len(grants), now)
        leases = [(grant, here.link.name) for grant in grants]
        await self._journal.lease(leases, partial(here.may_tell, grants)).wait()

    def _grant(self, here: Incarnation, scenario: str, trial: Trial | None, now: float) -> Grant:
        if trial is None:
            index = self._stand.next_index.get(scenario, 0)
            self._stand.next_index[scenario] = index + 1
            trial = Trial(self._jobs.nth(scenario, index))
        attempt_id = f"{self._ledger.run_id}-{trial.job.number}-{trial.attempts + 1}"
        grant = Grant(
            attempt_id=attempt_id,
            job=trial.job,
            attempt=trial.attempts + 1,
            keep=self._keeping.room_for(attempt_id, trial.job),
            base_url=next(self._base_urls),
        )
        here.attempts[attempt_id] = Attempt(grant, trial, began=now)
        here.untold.add(attempt_id)
        self.under_way += 1
        return grant

    # --- what came of it -----------------------------------------------------------------------------------------

    async def hear(self, here: Incarnation, up: Up, now: float) -> None:
        """Take in what a worker told, and return when it is written.

        Raises:
            LinkLost: The worker has sessions that nobody granted.
        """
        self._tally.heard(up.figures, now)
        if up.rate_limits is not None:
            self._policy.rate_limit(up.rate_limits, now)
        self._adopt(here, up)
        self._hear_tokens(here, up.tokens, now)
        results = [result for result in up.results if self._is_under_way(here, result)]
        self._take_back(here, up.returned, now)
        await self._record(here, results, up.files, now)
        missing = self._missing(here, up)
        self._lost.update(missing)
        lost = [_lost(here.attempts[name], "its worker does not have it") for name in missing]
        await self._record(here, lost, {}, now)

    def _hear_tokens(self, here: Incarnation, tokens: Mapping[str, int], now: float) -> None:
        """Count what sessions under way took, in the minute in which they did."""
        for attempt_id, total in tokens.items():
            attempt = here.attempts.get(attempt_id)
            if attempt is not None and total > attempt.tokens:
                more, attempt.tokens = total - attempt.tokens, total
                self._policy.took(attempt.grant.job.scenario, more, now, began=attempt.began)

    def _is_under_way(self, here: Incarnation, result: Result) -> bool:
        """Tell whether a result is news; what was told before is acknowledged once it is written."""
        attempt_id = result.attempt_id
        if attempt_id in here.attempts:
            return True
        if attempt_id in self._lost:
            # The first end counts; the ledger adds what the late one took, which was spent.
            self._lost.discard(attempt_id)
            self._being_written.add(attempt_id)
            late = attrs.evolve(result, worker=here.link.name, files=())
            self._policy.told_late(late)
            self._tally.spent(late)
            self._journal.record([late], set(), {}, partial(self._acknowledge, here, [attempt_id]))
        elif attempt_id not in self._being_written:
            here.acknowledge.append(attempt_id)
        return False

    async def _record(
        self, here: Incarnation, results: Sequence[Result], files: Mapping[str, bytes], now: float
    ) -> None:
        """End attempts, and return when their results are written (or can't be)."""
        if not results:
            return
        ended = [self._end(here, result, now) for result in results]
        self._being_written.update(result.attempt_id for result, _ in ended)
        final = {result.attempt_id for result, is_final in ended if is_final}
        then = partial(self._count, here, ended, now)
        await self._journal.record([result for result, _ in ended], final, files, then).wait()

    def _end(self, here: Incarnation, told: Result, now: float) -> tuple[Result, bool]:
        """End an attempt, and say whether that was its job's last."""
        attempt = here.attempts.pop(told.attempt_id)
        grant, trial = attempt.grant, attempt.trial
        self.under_way -= 1
        result = attrs.evolve(
            told, job=grant.job.number, scenario=grant.job.scenario, attempt=grant.attempt, worker=here.link.name
        )
        trial.attempts, trial.last = grant.attempt, (result.attempt_id, result.status)
        trial.tries += result.status != "stopped"
        self._keeping.ended(result.attempt_id, result)
        self._crew.ended(here, lost=result.status == "lost")
        wait_s = self._policy.ended(result, trial, now, tries=trial.tries, began=attempt.began, told=attempt.tokens)
        return result, wait_s is None and result.status != "stopped"

    def _count(self, here: Incarnation, ended: list[tuple[Result, bool]], now: float) -> None:
        for result, is_final in ended:
            self._tally.ended(result, now, final=is_final)
        self._acknowledge(here, [result.attempt_id for result, _ in ended])

    def _acknowledge(self, here: Incarnation, attempts: list[str]) -> None:
        self._being_written.difference_update(attempts)
        here.acknowledge += attempts

    def _take_back(self, here: Incarnation, attempts: Iterable[str], now: float) -> None:
        mine = [attempt_id for attempt_id in attempts if attempt_id in here.attempts]
        for attempt_id in mine:
            attempt = here.attempts.pop(attempt_id)
            here.untold.discard(attempt_id)
            self.under_way -= 1
            self._keeping.ended(attempt_id, None)
            self._policy.returned(attempt.grant.job.scenario, attempt.trial, now, began=attempt.began)
        if mine:
            self._journal.returned(mine)

    def _adopt(self, here: Incarnation, up: Up) -> None:
        """Sessions that outlived the loss of their link are their worker's new incarnation's."""
        told = {result.attempt_id for result in up.results}
        for attempt_id in {*(up.roll or ()), *told} - here.attempts.keys():
            former = next((each for each in self._crew.here if attempt_id in each.attempts), None)
            if former is not None:
                here.attempts[attempt_id] = former.attempts.pop(attempt_id)
            elif attempt_id not in told:
                raise LinkLost(f"it has a session that nobody granted: {attempt_id[:40]}", confirmed=False)

    def _missing(self, here: Incarnation, up: Up) -> list[str]:
        """Name what the worker should have and hasn't; where only the number is wrong, its names are asked for."""
        if up.roll is not None:
            return sorted(here.attempts.keys() - here.untold - {*up.roll})
        here.roll = up.active != len(here.attempts) - len(here.untold)
        return []

    async def lose(self, here: Incarnation, why: str, now: float) -> None:
        """End as lost what a dead worker had; what it was never told is granted again as if nothing had been."""
        await self._journal.flush()  # Leases that are being written have to be there before they are taken back.
        self._take_back(here, [*here.untold], now)
        results = [_lost(attempt, why) for attempt in here.attempts.values()]
        self._lost.update(result.attempt_id for result in results)
        if here.link.shares_folder and results:
            self._journal.drop_files([attempt.grant for attempt in here.attempts.values()])
        self._journal.note("lost", f"{here.link.name}: {why}; {len(results)} sessions went with it")
        await self._record(here, results, {}, now)

    # --- how it stands -------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Tell whether nothing runs and nothing will start."""
        return self.failure is not None or (not self.under_way and bool(self._policy.over))

    @property
    def why(self) -> str:
        """Say why nothing more starts; empty before."""
        return self._policy.over

    @property
    def knows_figures(self) -> bool:
        """Tell whether the figures of earlier stretches are known."""
        return self._tally.knows_earlier

    @property
    def open_jobs(self) -> int | None:
        """Count the jobs without a final result; None where the load begins them again."""
        return None if self._jobs.total is None else self._jobs.total - sum(self._tally.done.values())

    def pace_per_s(self, now: float) -> float:
        """Say how many sessions may start a second."""
        return self._policy.pace_per_s(now)

    def look_again_at(self, now: float) -> float | None:
        """Say when something may start although nothing else happened."""
        return self._policy.look_again_at(now)

    def snapshot(self, now: float) -> RunSnapshot:
        """Give a picture of it."""
        return picture(
            self._plan,
            self._ledger.run_id,
            self._stand,
            self._crew,
            jobs=self._jobs.total,
            open_jobs=self.open_jobs,
            active=self.under_way,
            now=now,
        )


def _lost(attempt: Attempt, why: str) -> Result:
    grant = attempt.grant
    return Result(
        attempt_id=grant.attempt_id,
        job=grant.job.number,
        scenario=grant.job.scenario,
        attempt=grant.attempt,
        status="lost",
        error_kind="worker",
        error=why,
    )

"""Coordinator: the only one who grants, and who writes the ledger; holds the caps over all workers.

A try goes one way: the policy admits it, its lease is written, its worker is told; its worker tells the result, the
result is written, the worker is told so and forgets it. Whatever dies in between, the ledger knows at least as much as
the workers: a try that it has no result of is ended as `lost`, once nobody can be having it any more.
"""

from collections.abc import Sequence
from math import inf
from typing import Final

import attrs
import trio

from engine.blocks import block_nursery
from engine.errors import FarmError, LedgerUnusable
from engine.farm.backends import LEASE_S
from engine.farm.coordinator.books import Books
from engine.farm.coordinator.crew import Crew, Incarnation
from engine.farm.ledger import Ledger
from engine.farm.link import Backend, Down, Link, LinkLost, Stopping, Up
from engine.farm.plan.model import Plan
from engine.farm.snapshot import Phase, RunSnapshot

LINGER_MAX_S: Final = 0.5
"""How long a worker with nothing to tell may say nothing; what stops a run waits so long at most."""

BEHIND_S: Final = 0.02
"""How long a worker with fewer sessions than the others says nothing while the cap is full: what others leave free is
for it."""

END_S: Final = 5.0
"""How long a backend may take to end its workers when the run is over, before it is cancelled."""

WRITE_WAIT_SHARE: Final = 0.25
"""Of the lease: for so long an exchange waits for the ledger; on a slow disk workers are kept alive without news."""

CLOSED_S: Final = 0.5
"""A dead worker's connections are closed by its machine; the service hears of it so long after, at most. Its slots are
free then: without it 21 sessions were seen at a server under a cap of 20."""

STOPPED_WITHIN_S: Final = 5.0
"""How long a worker may take until its sessions have ended when they are cancelled; then it is given up with them: a
tool that holds on to its session must not hold the run."""

LOOK_EVERY_S: Final = 0.25
"""How often somebody looks whether the run is over while no worker says anything."""


class Coordinator:
    """Grants jobs to workers under the policy's caps, and writes down what comes of them.

    Args:
        plan: Of the run.
        ledger: Open for writing; `begin_session` is called here.
        base_urls: Where sessions connect, in turn; empty where the plan says it.
        lease_s: See `Down.lease_s`.
        grace_s: How long sessions may go on after `finish`.
        limiter: Of the thread in which the ledger is called; None calls it in this thread, for virtual time.
        workers: How many are being started.
    """

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        *,
        base_urls: Sequence[str] = (),
        lease_s: float = LEASE_S,
        grace_s: float = 30.0,
        limiter: trio.CapacityLimiter | None = None,
        workers: int = 1,
    ) -> None:
        self._lease_s = lease_s
        self._grace_s = grace_s
        self._crew = Crew(workers)
        self._books = Books(plan, ledger, self._crew, base_urls, limiter, lease_s=lease_s)
        self._stopping: Stopping | None = None
        self._why = ""
        self._stop_at = inf
        self._orphans_until = -inf
        self._began = False

    # --- the whole run -------------------------------------------------------------------------------------------

    async def run(self, backend: Backend) -> None:
        """Run until all is done, or stopped; what was asked for is written when this returns.

        Raises:
            LedgerUnusable: The ledger can't be written any more. All sessions have ended.
            FarmError: Workers can't be had.
        """
        await self.begin()
        async with block_nursery() as nursery:
            nursery.start_soon(self._books.keep)
            await self._run_backend(backend)
            self._books.close(stopped=self.stopped)
            await self._books.flush()
            nursery.cancel_scope.cancel()
        if self._books.failure is not None:
            raise _with_what_it_cost(self._books.failure, await self._books.without_result()) from self._books.failure
        if not self.over:
            raise FarmError("the workers have ended and the run has not | go on with --resume")

    async def _run_backend(self, backend: Backend) -> None:
        async with block_nursery() as nursery:
            nursery.start_soon(self._end_late, nursery.cancel_scope)
            await backend.run(self.drive)
            nursery.cancel_scope.cancel()

    async def _end_late(self, scope: trio.CancelScope) -> None:
        """End a backend that has no worker left to hear that the run is over."""
        while not (self.over and not self._crew.here):  # noqa: ASYNC110 - a load's time ends without a word
            await trio.sleep(LOOK_EVERY_S)
        await trio.sleep(END_S)
        scope.cancel()

    async def begin(self) -> None:
        """Read where the run stands, and end what an earlier coordinator left under way. `run` does it.

        Raises:
            LedgerUnusable: As the ledger says.
        """
        await self._books.begin()
        # Their workers may live on, on machines that we don't see; none longer than its lease.
        self._orphans_until = trio.current_time() + self._lease_s if self._books.orphans else -inf
        self._began = True
        if self._stopping is not None:
            self._books.stop(self._why)

    # --- one worker ----------------------------------------------------------------------------------------------

    async def drive(self, link: Link) -> None:
        """Work with one incarnation of a worker until the run is over, or the link is lost: what a backend calls."""
        here = self._crew.came(link)
        try:
            await self._converse(here)
        except LinkLost as lost:
            await self._lose(here, lost)
        finally:
            self._crew.went(here)

    async def _converse(self, here: Incarnation) -> None:
        # The first word grants nothing: leases count from the worker's last word, and it has said none.
        down = Down(lease_s=self._lease_s, linger_s=0.0, roll=True)
        while True:
            now = trio.current_time()
            here.lease_until = now + self._lease_s
            up = await here.link.exchange(down)
            await self._hear(here, up)
            if self._through(here, up):
                return
            await trio.sleep_until(now + self._crew.pause_s(here))
            down = await self._next(here)

    async def _hear(self, here: Incarnation, up: Up) -> None:
        now = trio.current_time()
        self._crew.heard(here, up, now)
        with trio.move_on_after(self._lease_s * WRITE_WAIT_SHARE):
            await self._books.hear(here, up, now)

    def _through(self, here: Incarnation, up: Up) -> bool:
        """Tell whether nothing more is to be said: the run is over, or its ledger is, and the worker has ended all."""
        if self._books.failure is not None:
            self.stop(str(self._books.failure))
            return up.active == 0 or trio.current_time() > self._stop_at + self._lease_s
        if self._stopping == "now" and here.attempts and trio.current_time() > self._stop_at + STOPPED_WITHIN_S:
            why = f"{len(here.attempts)} sessions did not end within {STOPPED_WITHIN_S:g} s of being cancelled"
            raise LinkLost(why, confirmed=False)
        return self.over and not here.attempts

    async def _next(self, here: Incarnation) -> Down:
        now = trio.current_time()
        if now >= self._stop_at:
            self.stop(self._why)
        room = self._room(here, now)
        if room > 0:
            with trio.move_on_after(self._lease_s * WRITE_WAIT_SHARE):
                await self._books.grant(here, room, now)
        grants, acknowledged, roll = tuple(here.grants), tuple(here.acknowledge), here.roll
        here.grants, here.acknowledge, here.roll = [], [], False
        here.untold.difference_update(grant.attempt_id for grant in grants)
        return Down(
            grants=grants,
            acknowledged=acknowledged,
            lease_s=self._lease_s,
            starts_per_s=self._books.pace_per_s(now),
            stop=self._stopping,
            linger_s=self._linger_s(here, room, now),
            roll=roll,
        )

    def _room(self, here: Incarnation, now: float) -> int:
        if self._stopping is not None or self._books.failure is not None:
            return 0
        orphans = self._books.orphans if now < self._orphans_until else 0
        free = self._books.sessions_max - self._books.under_way - orphans
        return min(free, self._crew.fair_room(here, self._books.pace_per_s(now), max(free, 0), now))

    def _linger_s(self, here: Incarnation, room: int, now: float) -> float:
        if room <= 0:
            # The policy was not asked, and only an end helps. A worker answers to its own at once; one that is behind
            # waits for others'.
            look_at = now + BEHIND_S if self._stopping is None and self._crew.is_behind(here, now) else None
        else:
            look_at = self._books.look_again_at(now)
        wait_s = LINGER_MAX_S if look_at is None else look_at - now
        return min(LINGER_MAX_S, max(wait_s, self._crew.exchange_every_s))

    async def _lose(self, here: Incarnation, lost: LinkLost) -> None:
        """End what was under way there, once nobody can be having it any more."""
        self._crew.silent(here)
        await trio.sleep_until(trio.current_time() + CLOSED_S if lost.confirmed else here.lease_until)
        await self._books.lose(here, str(lost), trio.current_time())

    # --- its end -------------------------------------------------------------------------------------------------

    def finish(self, why: str) -> None:
        """Let nothing more start; sessions may end within the grace. May be called any number of times."""
        if self._stopping is None:
            self._stopping, self._why = "finish", why
            self._stop_at = trio.current_time() + self._grace_s
            if self._began:
                self._books.stop(why)

    def stop(self, why: str) -> None:
        """Cancel all sessions now: they are `stopped`, and open for a resumed run. As often as one likes."""
        self.finish(why)
        if self._stopping != "now":
            self._stopping, self._stop_at = "now", trio.current_time()

    @property
    def began(self) -> bool:
        """Tell whether it knows where the run stands."""
        return self._began

    @property
    def knows_figures(self) -> bool:
        """Tell whether pictures have the figures of earlier stretches: they are read while this one goes on."""
        return self._books.knows_figures

    @property
    def open_jobs(self) -> int | None:
        """Count the jobs without a final result; None where the load begins them again."""
        return self._books.open_jobs

    @property
    def over(self) -> bool:
        """Tell whether nothing runs and nothing will ever start again."""
        return self._began and self._books.over

    @property
    def stopped(self) -> bool:
        """Tell whether somebody ended it."""
        return self._stopping is not None

    @property
    def why(self) -> str:
        """Say why it ends; empty before."""
        return self._why or self._books.why

    def snapshot(self) -> RunSnapshot:
        """Give a picture of the run."""
        return attrs.evolve(self._books.snapshot(trio.current_time()), phase=self._phase, why=self.why)

    @property
    def _phase(self) -> Phase:
        if self.over:
            return "over"
        if self._stopping is not None:
            return "stopping" if self._stopping == "now" else "finishing"
        if not self._crew.rows:
            return "starting"
        return "running" if not self._books.why else "finishing"


def _with_what_it_cost(failure: LedgerUnusable, without_result: int) -> LedgerUnusable:
    """Say how many sessions were had of which a ledger that takes no more has no result."""
    if not without_result:
        return failure
    words, _, way_out = str(failure).removeprefix(f"{failure.path}: ").partition(" | ")
    which = "1 session has" if without_result == 1 else f"{without_result:,} sessions have"
    return LedgerUnusable(failure.path, f"{words}; {which} no result there, and will be had again", way_out)

"""A coordinator with real workers in virtual time: their sessions only sleep, and their links can be cut, or killed."""

from collections import Counter

import attrs
import trio

from engine.farm.coordinator.coordinator import Coordinator
from engine.farm.job import Grant, Job, Result
from engine.farm.ledger import Ledger
from engine.farm.link import Down, LinkLost, Up
from engine.farm.plan.model import Caps, Plan, Retries, Scenario, Type
from engine.farm.worker.worker import Worker


def plan_of(jobs=10, *, sessions=4, starts_per_s=1000.0, name="talk", **more):
    scenario = Scenario(name=name, turns=(Type(type="hello"),), repeat=jobs)
    caps = more.pop("caps", None) or Caps(sessions=sessions, starts_per_s=starts_per_s)
    return Plan(name="try", scenarios=(scenario,), caps=caps, **more)


def grant_of(number, attempt=1):
    job = Job(number=number, scenario="talk", index=number)
    return Grant(attempt_id=f"cafe0001-{number}-{attempt}", job=job, attempt=attempt)


def passed(grant, **more):
    job = grant.job
    result = Result(
        attempt_id=grant.attempt_id, job=job.number, scenario=job.scenario, attempt=grant.attempt, began_at=1.0
    )
    return attrs.evolve(result, **more)


class Calls:
    """Sessions that sleep, and what was seen of them.

    Args:
        length_s: Of each.
        outcome: Gives what a result differs in from a passed one.
    """

    def __init__(self, length_s=1.0, outcome=lambda grant: {}):
        self.length_s = length_s
        self.outcome = outcome
        self.running = {}
        self.peak = 0
        self.started = []
        self.ended = Counter()
        self.twice_at_once = []

    async def __call__(self, grant, sink, watch):
        job = grant.job.number
        if job in self.running.values():
            self.twice_at_once.append(job)
        self.running[grant.attempt_id] = job
        self.peak = max(self.peak, len(self.running))
        self.started.append((trio.current_time(), grant.attempt_id))
        try:
            await trio.sleep(self.length_s)
            self.ended[grant.attempt_id] += 1
            return passed(grant, **self.outcome(grant))
        finally:
            self.running.pop(grant.attempt_id)

    def most_in(self, window_s):
        """Count the most starts in any window of so many seconds."""
        times = [at for at, _ in self.started]
        return max(sum(1 for other in times if at <= other < at + window_s) for at in times)


class WeakLink:
    """A link to a worker in this loop that can be cut (silently, for a time) or killed."""

    def __init__(self, worker, scope):
        self.worker, self.scope = worker, scope
        self.name, self.slots, self.shares_folder = worker.name, worker.slots, worker.shares_folder
        self.cut = False
        self.dead = trio.Event()
        self.heard: list[Up] = []
        self.told: list[Down] = []

    def kill(self):
        self.scope.cancel()
        self.dead.set()

    async def exchange(self, down):
        if self.cut:
            await trio.sleep(0.5)
            raise LinkLost("it does not answer", confirmed=False)
        if self.dead.is_set():
            raise LinkLost("it was killed", confirmed=True)
        self.told.append(down)
        up = None
        async with trio.open_nursery() as nursery:

            async def die():
                await self.dead.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(die)
            up = await self.worker.exchange(down)
            nursery.cancel_scope.cancel()
        if up is None or self.dead.is_set():
            raise LinkLost("it was killed", confirmed=True)
        if self.cut:
            raise LinkLost("its answer was lost", confirmed=False)
        self.heard.append(up)
        return up

    async def stop(self, grace_s):
        await self.worker.stop(grace_s)


class WeakBackend:
    """Runs workers in this loop, and starts dead ones again.

    Args:
        names: Of the workers.
        call: Has a session.
        slots: Of each.
        folder: That they share; None for none.
        again_s: Until a dead one is there again.
    """

    def __init__(self, names, call, *, slots=None, folder=None, again_s=1.0, on_link=None):
        self.names, self.call, self.slots, self.folder, self.again_s = names, call, slots, folder, again_s
        self.links = {}
        self.incarnations = Counter()
        self.came = on_link

    async def run(self, on_link):
        async with trio.open_nursery() as nursery:
            for name in self.names:
                nursery.start_soon(self._look_after, nursery, name, on_link)

    async def _look_after(self, nursery, name, on_link):
        while await self._live(nursery, name, on_link):  # noqa: ASYNC110 - it is started again after a while
            await trio.sleep(self.again_s)

    async def _live(self, outer, name, on_link):
        worker = Worker(name, self.call, slots=self.slots, folder=self.folder)
        scope = trio.CancelScope()
        link = self.links[name] = WeakLink(worker, scope)
        self.incarnations[name] += 1
        if self.came:
            self.came(link)

        async def work():
            with scope:
                await worker.run()

        outer.start_soon(work)
        await on_link(link)
        if link.cut or link.dead.is_set():
            return True
        await worker.stop(0)
        return False


@attrs.define(kw_only=True)
class Rig:
    """A run in virtual time."""

    folder: object
    plan: Plan
    calls: Calls = attrs.field(factory=Calls)
    workers: int = 2
    slots: int | None = None
    lease_s: float = 10.0
    grace_s: float = 30.0
    ledger: Ledger = attrs.field(init=False)
    coordinator: Coordinator = attrs.field(init=False)
    backend: WeakBackend = attrs.field(init=False)

    def __attrs_post_init__(self):
        made = (self.folder / "ledger.sqlite").exists()
        self.ledger = Ledger.open(self.folder) if made else Ledger.create(self.folder, self.plan)
        how = {"lease_s": self.lease_s, "grace_s": self.grace_s, "workers": self.workers}
        self.coordinator = Coordinator(self.plan, self.ledger, **how)
        names = [f"worker-{number + 1}" for number in range(self.workers)]
        self.backend = WeakBackend(names, self.calls, slots=self.slots, folder=self.folder)

    async def run(self):
        await self.coordinator.run(self.backend)
        self.ledger.finish(self.coordinator.why)

    def results(self, *, final_only=True):
        with Ledger.open(self.folder, write=False) as ledger:
            return list(ledger.results(final_only=final_only))


QUICK = Retries(attempts=3, wait_s=0.1, wait_max_s=1.0)

"""The farm's policy and coordinator with 100,000 sessions at a time, in virtual time: `--help` tells how.

Everything that decides is the real thing: plan, policy, coordinator, ledger (in a folder of its own).
Workers are moments on a line: a session is granted, lives so long, and is told; a worker dies at random, and its death
is either seen at once or only its silence is, and then its sessions live on until its lease is over. Trio's clock jumps
from one moment to the next, so that an hour passes in minutes.

Wanted: at no moment more sessions than the cap, and no job twice at a time; in no second more starts than the cap; in
each second, on average, at least 95 % of the one cap or of the other used; in the end each job with exactly one final
result in the ledger.

    python -m benchmarks.farm_scale                      # 100,000 at a time on 200 workers, which fail
    python -m benchmarks.farm_scale --starts             # the cap of starts is what bounds
    python -m benchmarks.farm_scale --decisions          # the policy alone: CPU a decision
"""

import argparse
import heapq
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import trio
import trio.testing

from engine.farm.caller import FileSink, Watch
from engine.farm.coordinator.coordinator import Coordinator
from engine.farm.job import Grant, Result, TurnResult
from engine.farm.ledger import Ledger
from engine.farm.link import Down, LinkLost, OnLink, Up
from engine.farm.plan.model import Caps, Keep, Load, Plan, Retries, Scenario, Type
from engine.farm.policy import Policy, Rules
from engine.farm.worker.worker import Worker

LEASE_S: Final = 10.0
SILENCE_S: Final = 5.0
"""After so long a link tells that its worker is silent."""

RESTART_S: Final = 2.5
"""From the end of a worker to its next incarnation (measured with Ray: 2.4 to 3.3 s)."""

COMES_UP_S: Final = 2.0
"""Within so long all workers are up, one after another."""

BROKEN_SHARE: Final = 0.02
WANTED_SHARE: Final = 0.95


@attrs.frozen(kw_only=True)
class Size:
    """How large a run is.

    Attributes:
        sessions: Cap of sessions at a time.
        starts_per_s: Cap of starts.
        jobs: Of the plan.
        life_s: Of a session, on average; it lasts from half of it to half as much again.
        workers: At the beginning; dead ones come back.
        dies_every_s: How long a worker lives, on average; None for ever.
    """

    sessions: int = 100_000
    starts_per_s: float = 2_000.0
    jobs: int = 300_000
    life_s: float = 60.0
    workers: int = 200
    dies_every_s: float | None = 600.0


# --- what really happens ----------------------------------------------------------------------------------------------


@attrs.define
class World:
    """Counts what happens to sessions, wherever they are; it knows nothing of who grants them.

    Attributes:
        active: Attempts that live, by job.
        most_active: At any one moment.
        starts: When each began.
        doubles: Jobs that were begun while they were being had.
        last_new_at: When a job was begun for the first time, the last of all.
        seconds: For each second how many sessions there were on average, as far as it is over.
    """

    active: dict[int, str] = attrs.field(factory=dict)
    most_active: int = 0
    starts: list[float] = attrs.field(factory=list)
    doubles: list[int] = attrs.field(factory=list)
    last_new_at: float = 0.0
    seconds: list[float] = attrs.field(factory=lambda: [0.0])
    _at: float = 0.0
    _ends: list[tuple[float, int, str]] = attrs.field(factory=list)

    def begin(self, grant: Grant, life_s: float) -> None:
        """Have a session that ends by itself after so long."""
        now = trio.current_time()
        self.settle(now)
        if grant.job.number in self.active:
            self.doubles.append(grant.job.number)
        self.active[grant.job.number] = grant.attempt_id
        self.most_active = max(self.most_active, len(self.active))
        self.starts.append(now)
        if grant.attempt == 1:
            self.last_new_at = now
        self.end(grant, now + life_s)

    def end(self, grant: Grant, at: float) -> None:
        """Let a session end at a moment, by itself or with its worker; the first end counts."""
        heapq.heappush(self._ends, (at, grant.job.number, grant.attempt_id))

    def settle(self, now: float) -> None:
        """End what has ended by now."""
        while self._ends and self._ends[0][0] <= now:
            at, job, attempt_id = heapq.heappop(self._ends)
            if self.active.get(job) == attempt_id:
                self._go_on(at)
                del self.active[job]
        self._go_on(now)

    def _go_on(self, at: float) -> None:
        while self._at < at:
            second_over = float(len(self.seconds))
            until = min(at, second_over)
            self.seconds[-1] += len(self.active) * (until - self._at)
            self._at = until
            if until == second_over:
                self.seconds.append(0.0)

    def most_starts_in_a_second(self) -> int:
        """Count the most starts in any half-open second."""
        most = first = 0
        for last, at in enumerate(self.starts):
            while self.starts[first] + 1.0 <= at + 1e-9:
                first += 1
            most = max(most, last - first + 1)
        return most

    def used_share(self, sessions: int, starts_per_s: float) -> float:
        """Give how much of the caps was used while there were new jobs: of each second the cap that was used most.

        It counts from the first start on: before, workers come up.
        """
        starts = [0] * (len(self.seconds) + 1)
        for at in self.starts:
            starts[int(at)] += 1
        whole_seconds = range(int(self.starts[0]), int(self.last_new_at))
        used = [max(self.seconds[at] / sessions, starts[at] / starts_per_s) for at in whole_seconds]
        return sum(min(share, 1.0) for share in used) / len(used)


# --- simulated workers ------------------------------------------------------------------------------------------------


class ModelLink:
    """A worker's one incarnation: sessions are entries in a heap."""

    shares_folder = True
    slots = None

    def __init__(self, name: str, world: World, draw: random.Random, size: Size) -> None:
        self.name = name
        self._world = world
        self._draw = draw
        self._size = size
        self._running: list[tuple[float, str, Grant]] = []
        self._grants: dict[str, Grant] = {}
        self._untold: dict[str, Result] = {}
        self._lease_until = trio.current_time()
        lives_s = float("inf") if size.dies_every_s is None else draw.expovariate(1 / size.dies_every_s)
        self._dies_at = trio.current_time() + lives_s
        self._is_seen = draw.random() < 0.5
        self.is_dead = False

    async def exchange(self, down: Down) -> Up:
        """Begin what is granted, wait for something to tell, and tell it; or die.

        Raises:
            LinkLost: The worker is dead, or silent.
        """
        for attempt_id in down.acknowledged:
            self._untold.pop(attempt_id, None)
        self._lease_until = trio.current_time() + down.lease_s
        for grant in down.grants:
            self._begin(grant)
        await self._wait(trio.current_time() + down.linger_s)
        if trio.current_time() >= self._dies_at:
            await self._die()
        results = tuple(self._untold.values())
        names = (*self._grants, *self._untold) if down.roll else None
        return Up(results=results, active=len(self._grants) + len(self._untold), roll=names)

    async def stop(self, grace_s: float) -> None:
        """Nothing: what a model has ends with the program."""

    def _begin(self, grant: Grant) -> None:
        life_s = self._size.life_s * self._draw.uniform(0.5, 1.5)
        self._world.begin(grant, life_s)
        self._grants[grant.attempt_id] = grant
        heapq.heappush(self._running, (trio.current_time() + life_s, grant.attempt_id, grant))

    async def _wait(self, until: float) -> None:
        ends_at = self._running[0][0] if self._running else until
        await trio.sleep_until(min(ends_at, until, self._dies_at))
        now = trio.current_time()
        while self._running and self._running[0][0] <= now:
            _, attempt_id, grant = heapq.heappop(self._running)
            del self._grants[attempt_id]
            is_broken = self._draw.random() < BROKEN_SHARE
            self._untold[attempt_id] = _result(grant, self._size.life_s, is_broken=is_broken)

    async def _die(self) -> None:
        self.is_dead = True
        gone_at = trio.current_time() if self._is_seen else self._lease_until
        for grant in self._grants.values():
            self._world.end(grant, gone_at)
        if self._is_seen:
            raise LinkLost("killed", confirmed=True)
        await trio.sleep_until(min(trio.current_time() + SILENCE_S, self._lease_until))
        raise LinkLost("silent", confirmed=False)


def _result(grant: Grant, life_s: float, *, is_broken: bool) -> Result:
    return Result(
        attempt_id=grant.attempt_id,
        job=grant.job.number,
        scenario=grant.job.scenario,
        attempt=grant.attempt,
        status="error" if is_broken else "passed",
        error_kind="connection" if is_broken else None,
        began_at=1.0,
        duration_ms=life_s * 1000,
        tokens=900,
        cost_usd=0.01,
        turns=() if is_broken else _TURNS,
    )


_TURNS: Final = tuple(
    TurnResult(
        number=number, said="where is my order", answer="it left on Monday", time_to_first_audio_ms=612.0 * number
    )
    for number in (1, 2)
)


class ModelBackend:
    """So many workers; a dead one comes back."""

    def __init__(self, world: World, size: Size, seed: int) -> None:
        self.deaths = 0
        self._world = world
        self._size = size
        self._seed = seed

    async def run(self, on_link: OnLink) -> None:
        """Keep the workers up until the run is over."""
        async with trio.open_nursery() as nursery:
            for number in range(self._size.workers):
                nursery.start_soon(self._keep_up, number, on_link)

    async def _keep_up(self, number: int, on_link: OnLink) -> None:
        draw = random.Random(f"{self._seed}:{number}")
        await trio.sleep(draw.uniform(0.0, COMES_UP_S))
        while True:
            link = ModelLink(f"worker-{number}", self._world, draw, self._size)
            await on_link(link)
            if not link.is_dead:
                return
            self.deaths += 1
            await trio.sleep(RESTART_S)


class WorkerBackend:
    """Real workers, in this event loop, whose sessions only sleep. They pace their starts; they don't die."""

    deaths = 0

    def __init__(self, world: World, size: Size, seed: int) -> None:
        self._world = world
        self._size = size
        self._draw = random.Random(seed)

    async def run(self, on_link: OnLink) -> None:
        """Have the workers until the run is over."""
        async with trio.open_nursery() as nursery:
            for number in range(self._size.workers):
                nursery.start_soon(self._have, Worker(f"worker-{number}", self._call), on_link)

    async def _have(self, worker: Worker, on_link: OnLink) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.run)
            await on_link(worker)
            await worker.stop(0.0)

    async def _call(self, grant: Grant, _sink: FileSink, _watch: Watch) -> Result:
        life_s = self._size.life_s * self._draw.uniform(0.5, 1.5)
        self._world.begin(grant, life_s)
        await trio.sleep(life_s)
        return _result(grant, life_s, is_broken=self._draw.random() < BROKEN_SHARE)


# --- a run ------------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Report:
    """What a run came to.

    Attributes:
        size: Of it.
        virtual_s: How long it took, on its own clock.
        cpu_s: CPU time that it took.
        most_active: Sessions at any one moment.
        most_starts: In any second.
        used_share: Of the caps, see `World.used_share`.
        attempts: That began.
        deaths: Of workers.
        doubles: Jobs that were had twice at a time.
        final: Jobs by the number of their final results in the ledger.
        lost: Attempts that went with their workers, by the ledger.
    """

    size: Size
    virtual_s: float
    cpu_s: float
    most_active: int
    most_starts: int
    used_share: float
    attempts: int
    deaths: int
    doubles: int
    final: dict[int, int]
    lost: int

    @property
    def faults(self) -> list[str]:
        """Name what was not as it should be."""
        size = self.size
        wanted = {
            f"{self.most_active} sessions at a time": self.most_active <= size.sessions,
            f"{self.most_starts} starts in a second": self.most_starts <= -(-size.starts_per_s // 1),
            f"{self.doubles} jobs twice at a time": not self.doubles,
            f"final results by count: {self.final}": self.final == {1: size.jobs},
            f"{self.used_share:.1%} of the caps used": self.used_share >= WANTED_SHARE,
        }
        return [what for what, holds in wanted.items() if not holds]


def plan_of(size: Size) -> Plan:
    """Make the plan: two scenarios, one with twice the other's weight."""
    third = size.jobs // 3
    return Plan(
        name="scale",
        scenarios=(
            Scenario(name="ask", turns=(Type(type="where is my order"),), repeat=size.jobs - third, weight=2.0),
            Scenario(name="cancel", turns=(Type(type="cancel my order"),), repeat=third, weight=1.0),
        ),
        load=Load(),
        caps=Caps(sessions=size.sessions, starts_per_s=size.starts_per_s),
        retries=Retries(attempts=20),
        keep=Keep(audio=0, events=0),
    )


async def run(size: Size, folder: Path, *, seed: int = 1, real_workers: bool = False) -> Report:
    """Run a plan of this size under virtual time; call it on a `MockClock` that jumps."""
    world, cpu_s = World(), time.process_time()
    backend = (WorkerBackend if real_workers else ModelBackend)(world, size, seed)
    ledger = Ledger.create(folder, plan_of(size))
    try:
        await Coordinator(ledger.plan, ledger, lease_s=LEASE_S).run(backend)
        finals = Counter(Counter(result.job for result in ledger.results(final_only=True)).values())
        lost = sum(attempt.status == "lost" for attempt in ledger.attempts())
    finally:
        ledger.close()
    virtual_s = trio.current_time()
    world.settle(virtual_s)
    return Report(
        size=size,
        virtual_s=virtual_s,
        cpu_s=time.process_time() - cpu_s,
        most_active=world.most_active,
        most_starts=world.most_starts_in_a_second(),
        used_share=world.used_share(size.sessions, size.starts_per_s),
        attempts=len(world.starts),
        deaths=backend.deaths,
        doubles=len(world.doubles),
        final=dict(finals),
        lost=lost,
    )


# --- the policy alone -------------------------------------------------------------------------------------------------


def decisions(sessions: int, scenarios: int = 20) -> tuple[float, float]:
    """Measure CPU a start while a policy fills, and a replacement (an end and a start) while it is full, in us.

    Args:
        sessions: At a time.
        scenarios: That share the starts.
    """
    names = [f"scenario-{number}" for number in range(scenarios)]
    caps = Caps(sessions=sessions, starts_per_s=1e6, tokens_per_min=1e12, budget_tokens=10**15, budget_usd=1e9)
    rules = Rules(
        load=Load(),
        caps=caps,
        retries=Retries(),
        weights={name: 1.0 + number % 3 for number, name in enumerate(names)},
        expected_tokens=dict.fromkeys(names, 900.0),
        expected_usd=dict.fromkeys(names, 0.01),
    )
    policy = Policy(rules, dict.fromkeys(names, None), now=0.0)
    running: list[tuple[str, Any]] = []
    now, began = 0.0, time.process_time()
    while len(running) < sessions:
        now += 0.001
        running += policy.admit(now, sessions)
    filled = time.process_time()
    ends = [
        Result(attempt_id="", job=job, scenario=scenario, tokens=900, cost_usd=0.01, duration_ms=30_000.0)
        for job, (scenario, _) in enumerate(running)
    ]
    ready, started = time.process_time(), 0
    for job, end in enumerate(ends):
        policy.ended(end, job, now)
        if job % 50 == 49:
            now += 0.001
            started += len(policy.admit(now, 50))
            policy.look_again_at(now)
    return (filled - began) / len(running) * 1e6, (time.process_time() - ready) / started * 1e6


# --- as a command -----------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.farm_scale", description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=Size().sessions)
    parser.add_argument("--workers", type=int, default=Size().workers)
    parser.add_argument("--starts", action="store_true", help="let the cap of starts bound: lives of 10 s")
    parser.add_argument("--steady", action="store_true", help="workers don't fail")
    parser.add_argument("--real-workers", action="store_true", help="workers as they are; sessions only sleep")
    parser.add_argument("--decisions", action="store_true", help="the policy alone")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    if asked.decisions:
        for sessions in (1_000, 10_000, 100_000):
            start_us, replace_us = decisions(sessions)
            print(f"{sessions:>7,} active: {start_us:.1f} us a start, {replace_us:.1f} us an end with its replacement")
        return 0
    size = Size(
        sessions=asked.sessions, workers=asked.workers, starts_per_s=asked.sessions / 50, jobs=3 * asked.sessions
    )
    if asked.starts:
        size = attrs.evolve(size, life_s=10.0)
    if asked.steady or asked.real_workers:
        size = attrs.evolve(size, dies_every_s=None)
    with tempfile.TemporaryDirectory() as folder:
        clock = trio.testing.MockClock(autojump_threshold=0)
        begin = partial(run, size, Path(folder), seed=asked.seed, real_workers=asked.real_workers)
        report = trio.run(begin, clock=clock)
    for name, value in attrs.asdict(report).items():
        print(f"{name:>12}: {value}")
    print(f"{'CPU':>12}: {report.cpu_s / report.attempts * 1e6:.0f} us an attempt, workers' model and ledger included")
    print("as wanted" if not report.faults else "NOT AS WANTED: " + "; ".join(report.faults))
    return 1 if report.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())

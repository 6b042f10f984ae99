"""Some users at once in one Trio run on a mock clock, with every choice from one seed, Trio's own too."""

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256

import attrs
import trio

from .clock import JumpingClock, NoSockets
from .ledger import AppLedger
from .scenario import Scenario
from .service import Served, Service
from .user import User

AFTER_S = 60.0
"""When the last user has gone: the longest that the service takes to find that out."""

HANGS_AFTER_S = 600.0
"""A user who is still there so long after they wanted to leave hangs."""


@attrs.frozen
class Jump:
    """The machine sleeps, with all that runs on it: time passes, and nothing happens.

    Attributes:
        at_s: When.
        seconds: For how long.
    """

    at_s: float
    seconds: float


@attrs.frozen
class Story:
    """What one user's session came to: both ledgers.

    Attributes:
        scenario: What was to happen.
        app: The application's ledger.
        connections: The service's, one for each attempt to connect.
        happened: Faults by kind.
        jumps: When the machine slept.
    """

    scenario: Scenario
    app: AppLedger
    connections: Sequence[Served]
    happened: dict[str, int]
    jumps: Sequence[Jump] = ()


@attrs.frozen
class World:
    """A run that is over.

    Attributes:
        stories: One for each user.
        tasks_left: Tasks that were still there afterwards.
        timers_left: A deadline was still set afterwards.
    """

    stories: Sequence[Story]
    tasks_left: int
    timers_left: bool


def live(scenarios: Sequence[Scenario], seed: str, jumps: Sequence[Jump] = ()) -> World:
    """Run users, all at once.

    Args:
        scenarios: One for each.
        seed: Of the order in which tasks run.
        jumps: When the machine sleeps.
    """
    clock = JumpingClock()
    with _dice(seed):
        return trio.run(_world, scenarios, jumps, clock, clock=clock, strict_exception_groups=True)


async def _world(scenarios: Sequence[Scenario], jumps: Sequence[Jump], clock: JumpingClock) -> World:
    runner = trio._core._run.GLOBAL_RUN_CONTEXT.runner
    runner.io_manager = NoSockets(runner.io_manager)
    before = trio.lowlevel.current_statistics().tasks_living
    users: list[tuple[User, Service]] = []
    longest_s = max(scenario.lasts_s for scenario in scenarios)
    async with trio.open_nursery() as nursery:
        with trio.fail_after(longest_s + HANGS_AFTER_S):
            async with trio.open_nursery() as sleeping:
                sleeping.start_soon(_sleep_now_and_then, jumps, clock)
                await _talks(scenarios, users, nursery)
                sleeping.cancel_scope.cancel()
        await trio.sleep(AFTER_S)
        statistics = trio.lowlevel.current_statistics()
        left = statistics.tasks_living - before
        timers = statistics.seconds_to_next_deadline < math.inf
        nursery.cancel_scope.cancel()
    stories = [
        Story(scenario, user.ledger, service.connections, dict(service.happened), jumps)
        for scenario, (user, service) in zip(scenarios, users, strict=True)
    ]
    return World(stories, left, timers)


async def _sleep_now_and_then(jumps: Sequence[Jump], clock: JumpingClock) -> None:
    for jump in jumps:
        await trio.sleep_until(jump.at_s)
        clock.jump(jump.seconds)


async def _talks(scenarios: Sequence[Scenario], users: list[tuple[User, Service]], nursery: trio.Nursery) -> None:
    async with trio.open_nursery() as talks:
        for scenario in scenarios:
            service = Service(scenario, nursery)
            user = User(scenario, service)
            users.append((user, service))
            talks.start_soon(user.live, name="user")


class _Dice(random.Random):
    """Trio shuffles whatever can run, and mostly one task can."""

    def shuffle(self, tasks: list[trio.lowlevel.Task]) -> None:
        if len(tasks) > 1:
            super().shuffle(tasks)


@contextmanager
def _dice(seed: str) -> Iterator[None]:
    """Seed Trio's choice of the next task, which is public only as what Hypothesis uses, and the module `random`."""
    run = trio._core._run
    before = run._ALLOW_DETERMINISTIC_SCHEDULING, run._r
    state = random.getstate()
    run._ALLOW_DETERMINISTIC_SCHEDULING, run._r = True, _Dice(seed)
    random.seed(seed)
    try:
        yield
    finally:
        run._ALLOW_DETERMINISTIC_SCHEDULING, run._r = before
        random.setstate(state)


def fingerprint(world: World) -> str:
    """Give a hash of both ledgers of all users: two runs that have the same were the same."""
    hashed = sha256()
    for story in world.stories:
        for served in story.connections:
            for entry in served.entries:
                hashed.update(f"{entry.at_s:.6f}{entry.up}{entry.text}".encode())
        for got in story.app.got:
            hashed.update(f"{got.at_s:.6f}{type(got.event).__name__}".encode())
        hashed.update(repr(story.app.waits).encode())
    return hashed.hexdigest()

"""Runs worlds of users one after the other, and holds each story against the invariants."""

from collections.abc import Callable
from random import Random
from typing import Final

from .checks import wrong
from .figures import Figures
from .scenario import Scenario, draw
from .view import View
from .world import Jump, World, live

USERS: Final = 50
"""Users of one world."""

SLEEPY: Final = 0.2
"""Share of the worlds whose machine sleeps now and then."""


def users_of(world: str, count: int = USERS, carrier: str | None = None) -> list[Scenario]:
    """Draw the users of a world.

    Args:
        world: Its seed.
        count: How many they are.
        carrier: What carries their connections; drawn for each when None.
    """
    return [draw(f"{world}:{number}", carrier=carrier) for number in range(count)]


def jumps_of(world: str) -> tuple[Jump, ...]:
    """Draw when a world's machine sleeps."""
    chance = Random(f"{world}:jumps")
    if chance.random() >= SLEEPY:
        return ()
    times = sorted(chance.uniform(0.0, 3300.0) for _ in range(chance.randrange(1, 4)))
    return tuple(Jump(at_s, chance.choice((5.0, 60.0, 300.0))) for at_s in times)


def judge(world: World, figures: Figures) -> None:
    """Hold all stories of a world against the invariants."""
    for story in world.stories:
        view = View.of(story.scenario, story.app, story.connections, story.jumps)
        figures.add(view, story.happened, wrong(view))
    if world.tasks_left or world.timers_left:
        seed = world.stories[0].scenario.seed.rpartition(":")[0]
        figures.wrong.append((seed, f"world: {world.tasks_left} tasks were left, timers: {world.timers_left}"))


def alone(scenario: Scenario) -> list[str]:
    """Run one user alone, on a machine that sleeps as that of their world; give what is wrong."""
    figures = Figures()
    judge(live([scenario], scenario.seed, jumps_of(scenario.seed.rpartition(":")[0])), figures)
    return [what for _, what in figures.wrong]


def run_world(world: str, figures: Figures, count: int = USERS, carrier: str | None = None) -> None:
    """Run a world, and add to the figures."""
    judge(live(users_of(world, count, carrier), world, jumps_of(world)), figures)


def run(
    seed: str,
    hours: float,
    *,
    count: int = USERS,
    carrier: str | None = None,
    told: Callable[[Figures], None] = lambda _: None,
) -> Figures:
    """Run worlds until there are that many session-hours.

    Args:
        seed: Of all of them.
        hours: How many session-hours.
        count: Users of one world.
        carrier: What carries their connections; drawn for each when None.
        told: Told of the figures after each.
    """
    figures, number = Figures(), 0
    while figures.hours < hours:
        run_world(f"{seed}:{number}", figures, max(1, min(count, round(hours - figures.hours))), carrier)
        number += 1
        told(figures)
    return figures

"""Runs worlds of users one after the other, and holds each story against the invariants."""

from collections.abc import Callable
from typing import Final

from .checks import wrong
from .figures import Figures
from .scenario import Scenario, draw
from .view import View
from .world import World, live

USERS: Final = 50
"""Users of one world."""


def users_of(seed: str, number: int, count: int = USERS) -> list[Scenario]:
    """Draw the users of a world."""
    return [draw(f"{seed}:{number}:{user}") for user in range(count)]


def judge(world: World, figures: Figures) -> None:
    """Hold all stories of a world against the invariants."""
    for story in world.stories:
        view = View.of(story.scenario, story.app, story.connections)
        figures.add(view, story.happened, wrong(view))
    if world.tasks_left or world.timers_left:
        seed = world.stories[0].scenario.seed.rpartition(":")[0]
        figures.wrong.append((seed, f"{world.tasks_left} tasks were left, timers: {world.timers_left}"))


def alone(scenario: Scenario) -> list[str]:
    """Run one user alone; give what is wrong."""
    figures = Figures()
    judge(live([scenario], scenario.seed), figures)
    return [what for _, what in figures.wrong]


def run(seed: str, hours: float, *, count: int = USERS, told: Callable[[Figures], None] = lambda _: None) -> Figures:
    """Run worlds until there are that many session-hours.

    Args:
        seed: Of all of them.
        hours: How many session-hours.
        count: Users of one world.
        told: Told of the figures after each.
    """
    figures, number = Figures(), 0
    while figures.hours < hours:
        left = max(1, min(count, round(hours - figures.hours)))
        world_seed = f"{seed}:{number}"
        judge(live(users_of(seed, number, left), world_seed), figures)
        number += 1
        told(figures)
    return figures

"""Makes a failing scenario small: drops what it fails without."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs

from .scenario import Scenario

T = TypeVar("T")


def least(things: Sequence[T], fails: Callable[[Sequence[T]], bool], *, tries: int = 1000) -> list[T]:
    """Find a part of a row that still fails, from which no single thing can be dropped.

    Args:
        things: A row that fails.
        fails: Tells whether a part does.
        tries: How often that may be asked.
    """
    kept = list(things)
    size = max(1, len(kept) // 2)
    while kept and tries > 0:
        at, dropped = 0, False
        while at < len(kept) and tries > 0:
            part = kept[:at] + kept[at + size :]
            tries -= 1
            if fails(part):
                kept, dropped = part, True
            else:
                at += size
        if size == 1 and not dropped:
            break
        size = max(1, size // 2)
    return kept


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool], *, tries: int = 400) -> Scenario:
    """Find a smaller scenario that still fails: fewer faults, fewer deeds, a shorter time, calmer weather."""

    def with_faults(faults: Sequence[object]) -> bool:
        return fails(attrs.evolve(scenario, faults=tuple(faults)))

    def with_deeds(deeds: Sequence[object]) -> bool:
        return fails(attrs.evolve(scenario, deeds=tuple(deeds)))

    before = None
    while before != scenario:
        before = scenario
        scenario = attrs.evolve(scenario, faults=tuple(least(scenario.faults, with_faults, tries=tries)))
        scenario = attrs.evolve(scenario, deeds=tuple(least(scenario.deeds, with_deeds, tries=tries)))
    for simpler in _simpler(scenario):
        if fails(simpler):
            scenario = simpler
    return scenario


def _simpler(scenario: Scenario) -> list[Scenario]:
    calm = type(scenario.weather)()
    return [attrs.evolve(scenario, weather=calm)]

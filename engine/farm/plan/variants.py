"""The forms that a step, a tool or an expectation takes over a scenario's data and matrix, each once."""

from collections.abc import Iterator
from itertools import product
from typing import Any, TypeVar

from engine.farm.plan import rendering
from engine.farm.plan.model import Scenario, Values

T = TypeVar("T")


def variants_of(scenario: Scenario, thing: T, path: str) -> Iterator[T]:
    """Render a part of a scenario with each of its different values.

    Args:
        scenario: Whose.
        thing: A step, a tool, an expectation, or settings.
        path: Of it, for errors.

    Raises:
        ConfigError: A form is not possible; its `field` is a path below `path`.
    """
    names = {found for _, text in rendering.texts(thing, "") for found in rendering.names_in(text)}
    if not names:
        yield rendering.fill(thing, {}, path)
        return
    for values in values_of_names(scenario, names):
        yield rendering.fill(thing, values, path)


def values_of_names(scenario: Scenario, names: set[str]) -> Iterator[Values]:
    """Give the different values that some names have together."""
    chosen = [name for name in scenario.matrix if name in names]
    rows = _different_rows(scenario, sorted(names - set(chosen)))
    for row in rows:
        for values in product(*(scenario.matrix[name] for name in chosen)):
            yield {**row, **dict(zip(chosen, values, strict=True))}


def _different_rows(scenario: Scenario, names: list[str]) -> list[Values]:
    different: dict[str, Any] = {}
    for row in scenario.rows:
        picked = {name: row[name] for name in names if name in row}
        different.setdefault(repr(picked), picked)
    return list(different.values())

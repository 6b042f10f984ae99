"""The sessions of a plan, numbered: matrix x rows x repeat, the same each time, made when they are asked for."""

import math
from collections.abc import Mapping
from typing import Any

from engine.errors import ConfigError
from engine.farm.job import Job
from engine.farm.plan.model import Load, Plan, Scenario, Values


class Jobs:
    """A plan's jobs.

    One cycle is every scenario's rows and choices, repeated as the plan says; a load with a time of its own begins the
    cycle again. A job's number is cycle * jobs of a cycle + place in the plan.

    Args:
        plan: Whose.
    """

    def __init__(self, plan: Plan) -> None:
        self._scenarios = {scenario.name: scenario for scenario in plan.scenarios}
        self._sizes = {name: jobs_in_cycle(scenario) for name, scenario in self._scenarios.items()}
        self._offsets = _offsets(self._sizes)
        self.cycle = sum(self._sizes.values())
        """Jobs of one cycle."""
        self.total: int | None = None if begins_again(plan.load) else self.cycle
        """How many there are; None where they begin again until a time is over."""

    @property
    def open(self) -> Mapping[str, int | None]:
        """Jobs that were never started, of a run that has not begun; by scenario."""
        return {name: None if self.total is None else size for name, size in self._sizes.items()}

    def nth(self, scenario: str, index: int) -> Job:
        """Give the job with this index in its scenario, from 0.

        Raises:
            ConfigError: The plan has no such scenario, or not so many jobs.
        """
        if scenario not in self._scenarios:
            raise ConfigError("scenario", scenario, ", ".join(self._scenarios))
        size = self._sizes[scenario]
        if not 0 <= index < (size if self.total is not None else math.inf):
            raise ConfigError(f"{scenario}.index", index, f"0 to {size - 1}")
        cycle, place = divmod(index, size)
        return Job(
            number=cycle * self.cycle + self._offsets[scenario] + place,
            scenario=scenario,
            index=index,
            values=values_of(self._scenarios[scenario], place),
        )

    def numbered(self, number: int) -> Job:
        """Give the job with this number.

        Raises:
            ConfigError: The plan has not so many jobs.
        """
        if not 0 <= number < (math.inf if self.total is None else self.total):
            raise ConfigError("job", number, f"0 to {self.cycle - 1}")
        cycle, place = divmod(number, self.cycle)
        scenario = next(name for name in reversed(self._offsets) if self._offsets[name] <= place)
        return self.nth(scenario, cycle * self._sizes[scenario] + place - self._offsets[scenario])


def begins_again(load: Load) -> bool:
    """Tell whether jobs begin again when they are through."""
    return load.shape != "once" and (load.duration_s is not None or bool(load.stages))


def choices(scenario: Scenario) -> int:
    """Count the combinations of the matrix."""
    return math.prod(len(values) for values in scenario.matrix.values())


def jobs_in_cycle(scenario: Scenario) -> int:
    """Count the jobs of one cycle."""
    return scenario.repeat * len(scenario.rows) * choices(scenario)


def values_of(scenario: Scenario, place: int) -> Values:
    """Give a job's row and its choice. Choices change fastest, repeats slowest: a run that is cut short has tried all.

    Args:
        scenario: Whose.
        place: Of the job in its scenario's cycle.
    """
    row, choice = divmod(place % (len(scenario.rows) * choices(scenario)), choices(scenario))
    chosen: dict[str, Any] = {}
    for name, values in reversed(tuple(scenario.matrix.items())):
        choice, index = divmod(choice, len(values))
        chosen[name] = values[index]
    return {**scenario.rows[row], **{name: chosen[name] for name in scenario.matrix}}


def _offsets(sizes: Mapping[str, int]) -> dict[str, int]:
    offsets, at = {}, 0
    for name, size in sizes.items():
        offsets[name] = at
        at += size
    return offsets

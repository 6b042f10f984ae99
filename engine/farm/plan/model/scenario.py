"""What one kind of caller does, how often, and what is to come of it."""

from collections.abc import Mapping
from typing import Any

import attrs

from engine.errors import ConfigError
from engine.farm.plan import checks
from engine.farm.plan.checks import choices_of, items, label, labels, mapping, number, optional, text, to_tuple, whole
from engine.farm.plan.model.expectations import Expectation
from engine.farm.plan.model.steps import Step
from engine.farm.plan.model.tools import CannedTool, ToolPlan
from engine.farm.plan.model.values import Json, Values


def _to_choices(value: Any) -> Any:
    return {name: to_tuple(choices) for name, choices in value.items()} if isinstance(value, Mapping) else value


@attrs.frozen(kw_only=True)
class Scenario:
    """What one kind of caller does, how often, and what is to come of it.

    Attributes:
        name: Told everywhere.
        turns: The caller's steps, in order.
        session: Settings of `SessionConfig` (and of `audio`, `engine` below it) that differ from the plan's.
        tools: That the model may call.
        expect: What must hold for a session to pass.
        repeat: Sessions of each row and choice.
        matrix: Names and the values that each takes; every combination is run.
        rows: The data set, read: one mapping a row; one empty row without a data set.
        data: Where the rows came from, for people.
        tags: For thresholds, filters and reports.
        weight: Its share of starts, beside other scenarios.
        deadline_s: Longest that one session may take.
    """

    name: str = attrs.field(validator=label("scenario."))
    turns: tuple[Step, ...] = attrs.field(
        default=(), converter=to_tuple, validator=items("scenario.", Step, "Say, Type, Wait, Silence and Push")
    )
    session: Json = attrs.field(factory=dict, validator=mapping("scenario."))
    tools: tuple[ToolPlan, ...] = attrs.field(
        default=(), converter=to_tuple, validator=items("scenario.", ToolPlan, "CannedTool and FunctionTool")
    )
    expect: tuple[Expectation, ...] = attrs.field(
        default=(), converter=to_tuple, validator=items("scenario.", Expectation, "expectations, as Contains")
    )
    repeat: int = attrs.field(default=1, validator=whole("scenario.", 1, checks.JOBS_MAX, "times"))
    matrix: Mapping[str, tuple[Any, ...]] = attrs.field(
        factory=dict, converter=_to_choices, validator=[mapping("scenario."), choices_of("scenario.")]
    )
    rows: tuple[Values, ...] = attrs.field(
        default=({},), converter=to_tuple, validator=items("scenario.", Mapping, "tables, one a row")
    )
    data: str | None = attrs.field(default=None, validator=optional(text("scenario.", empty=False)))
    tags: tuple[str, ...] = attrs.field(default=(), converter=to_tuple, validator=labels("scenario."))
    weight: float = attrs.field(default=1.0, validator=number("scenario.", 0.001, 1000, "(a share beside others)"))
    deadline_s: float = attrs.field(
        default=300.0, validator=number("scenario.", 0.1, checks.SESSION_DEADLINE_MAX_S, "s")
    )

    def __attrs_post_init__(self) -> None:
        if not self.turns:
            raise ConfigError("scenario.turns", [], "at least one step, as { say = 'hello.wav' }")
        if not self.rows:
            raise ConfigError("scenario.rows", [], "at least one row of data")
        if twice := sorted(set(self.matrix) & set(self.rows[0])):
            raise ConfigError(f"scenario.matrix.{twice[0]}", twice[0], "a name that is no column of the data")
        names = [tool.name for tool in self.tools if isinstance(tool, CannedTool)]
        if found := checks.first_twice(names):
            raise ConfigError("scenario.tools", found[1], "tools of different names")

"""Tools that the model may call: canned answers, and Python functions."""

from typing import Any

import attrs

from engine.farm.plan import forms
from engine.farm.plan.checks import mapping, number, optional, text, written_as
from engine.farm.plan.model.steps import STEP_MAX_S
from engine.farm.plan.model.values import Json


@attrs.frozen(kw_only=True)
class CannedTool:
    """A tool that always answers the same.

    Attributes:
        name: As the model calls it.
        answer: The result: text, or any JSON value.
        description: For the model.
        parameters: JSON Schema of its arguments.
        takes_ms: How long it takes.
    """

    name: str = attrs.field(validator=written_as("tool.", forms.tool_name, forms.TOOL_NAME))
    answer: Any = None
    description: str = attrs.field(default="", validator=text("tool."))
    parameters: Json | None = attrs.field(default=None, validator=optional(mapping("tool.")))
    takes_ms: float = attrs.field(default=0.0, validator=number("tool.", 0, STEP_MAX_S * 1000, "ms"))


@attrs.frozen(kw_only=True)
class FunctionTool:
    """A Python function: `module:name`, or `file.py:name` beside the plan."""

    function: str = attrs.field(validator=written_as("tool.", forms.function, forms.FUNCTION))


ToolPlan = CannedTool | FunctionTool

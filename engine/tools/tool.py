"""A tool: a function, what the model is told of it, and how it is to be run."""

import copy
import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, TypedDict, cast

import attrs

from engine.errors import ConfigError
from engine.tools import bounds
from engine.tools.call import ToolCall, ToolContext

Approve = Callable[[ToolCall], Awaitable[bool | str] | bool | str]
"""Says yes with True; no with False, or with a text that tells the model why."""


@attrs.frozen
class Bound:
    """Arguments that fit, as the function takes them."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Misfit:
    """Arguments that don't fit: what is wrong with them, for the model."""

    problems: tuple[str, ...]


Bind = Callable[[Mapping[str, Any], ToolContext], Bound | Misfit]
"""Checks and converts the arguments of a call."""


def _positive(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not (number and value > 0):
        raise ConfigError(f"tools.{attribute.name}", value, "a number above 0")


def _flag(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"tools.{attribute.name}", value, "True or False")


def _function_or_none(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None and not callable(value):
        raise ConfigError(f"tools.{attribute.name}", value, "a function that takes a ToolCall, or None")


class Settings(TypedDict, total=False):
    """Keyword arguments of `ToolSettings`."""

    deadline_s: float | None
    cancel_on_interruption: bool
    ends_session: bool
    deferred: bool
    approve: Approve | None
    max_result_bytes: int


@attrs.frozen(kw_only=True)
class ToolSettings:
    """How a tool is run.

    Attributes:
        deadline_s: From the call's arrival to its answer, approval included; of a deferred tool, how long its work may
            take. `bounds.TOOL_DEADLINE_S` when None, `bounds.DEFERRED_DEADLINE_S` for a deferred tool.
        cancel_on_interruption: True cancels it when the user cuts in before it has answered.
        ends_session: True ends the session after a call that succeeded, once the model has said goodbye.
        deferred: True answers each call at once, and tells the model the result when it is there.
        approve: Asked before each call, with arguments that fit; async, or plain (in a worker thread). Anything but
            True, and whatever it raises, is a no.
        max_result_bytes: The longest result.
    """

    deadline_s: float | None = attrs.field(default=None, validator=_positive)
    cancel_on_interruption: bool = attrs.field(default=False, validator=_flag)
    ends_session: bool = attrs.field(default=False, validator=_flag)
    deferred: bool = attrs.field(default=False, validator=_flag)
    approve: Approve | None = attrs.field(default=None, validator=_function_or_none)
    max_result_bytes: int = attrs.field(default=bounds.TOOL_RESULT_MAX_BYTES, validator=_positive)

    @property
    def answer_s(self) -> float:
        """How long the model waits for an answer at most."""
        return bounds.TOOL_DEADLINE_S if self.deferred else self.deadline_s or bounds.TOOL_DEADLINE_S

    @property
    def work_s(self) -> float:
        """How long deferred work may take."""
        return self.deadline_s or bounds.DEFERRED_DEADLINE_S if self.deferred else bounds.DEFERRED_DEADLINE_S


@attrs.frozen(kw_only=True)
class Tool:
    """A tool, as `Tools` keeps it.

    Attributes:
        name: How the model calls it.
        description: What the model is told of it.
        parameters: JSON Schema of its arguments.
        function: What is run.
        bind: Checks and converts arguments.
        settings: How it is run.
    """

    name: str
    description: str = attrs.field(repr=False)
    parameters: Mapping[str, Any] = attrs.field(repr=False)
    function: Callable[..., Any] = attrs.field(repr=False)
    bind: Bind = attrs.field(repr=False)
    settings: ToolSettings = attrs.field(factory=ToolSettings, repr=False)

    @property
    def spec(self) -> dict[str, Any]:
        """The tool in the service's flat form, as `SessionConfig(tools=...)` takes it."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": copy.deepcopy(dict(self.parameters)),
        }


_GENERATORS: Final = (inspect.isgeneratorfunction, inspect.isasyncgenfunction)


def check_function(function: Any, field: str) -> Callable[..., Any]:
    """Make sure that something can be a tool.

    Raises:
        ConfigError: It is no function, or one that gives more than one result.
    """
    if not callable(function) or isinstance(function, type):
        raise ConfigError(field, type(function).__name__, "a function")
    if any(check(code_of(function)) for check in _GENERATORS):
        raise ConfigError(field, "a generator", "a function that returns its result: collect it in a list")
    return cast("Callable[..., Any]", function)


def code_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Find the function below partial objects, decorators and callable objects, where its type hints are."""
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    return function if inspect.isroutine(function) else type(function).__call__


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether calling a function gives something to await, rather than the result."""
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)

"""Runs one call: arguments checked, approval asked, the function called, its result made readable."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import trio

from engine.threads import in_thread
from engine.tools import bounds, results
from engine.tools.call import Deferred, Outcome, ToolCall, ToolContext
from engine.tools.tool import Misfit, Tool, is_async

logger = logging.getLogger(__name__)


class Workers:
    """Calls functions: async ones where the application runs, plain ones in worker threads that no one else uses.

    A plain function can't be stopped. When its call is over, its thread is left behind and its result is lost; it
    counts against the threads until it returns.

    Args:
        invoke: Awaits an async function where the application runs, with its arguments.
        threads: How many plain ones run at once.
    """

    def __init__(self, invoke: Callable[..., Awaitable[Any]], threads: int = bounds.TOOL_THREADS) -> None:
        self._invoke = invoke
        self._limiter = trio.CapacityLimiter(threads)
        self._awaited = 0

    @property
    def hung(self) -> int:
        """How many threads run a function that nobody waits for."""
        figures = self._limiter.statistics()
        return figures.borrowed_tokens - (self._awaited - figures.tasks_waiting)

    async def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function and give its result."""
        if is_async(function):
            return await self._invoke(function, *args, **kwargs)
        self._awaited += 1
        try:
            (value,) = await in_thread(partial(_boxed, function, args, kwargs), leave=True, limiter=self._limiter)
        finally:
            self._awaited -= 1
        return await self._invoke(lambda: value) if inspect.isawaitable(value) else value


def _boxed(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any]:
    """Call a plain function; in a box, as Trio takes no function for plain that gives something to await."""
    return (function(*args, **kwargs),)


async def run_call(tool: Tool, call: ToolCall, context: ToolContext, workers: Workers) -> Outcome:
    """Run a call. What goes wrong is an outcome; only what is no `Exception` is raised, as a cancellation."""
    try:
        bound = tool.bind(call.arguments, context)
    except Exception as error:  # noqa: BLE001 - a validator of the application's
        return Outcome("failed", results.raised(tool.name, error), error)
    if isinstance(bound, Misfit):
        return Outcome("refused", results.misfit(tool.name, bound.problems))
    refused = await _approval(tool, call, workers)
    if refused is not None:
        return refused
    work = partial(workers.run, tool.function, *bound.args, **bound.kwargs)
    if tool.settings.deferred:
        return _later(tool, Deferred(work))
    return await run_work(tool, work)


async def run_work(tool: Tool, work: Callable[[], Any]) -> Outcome:
    """Wait for a tool's result."""
    try:
        value = await work()
        return _later(tool, value) if isinstance(value, Deferred) else _outcome_of(tool, value)
    except Exception as error:  # noqa: BLE001 - the application's code may raise anything
        return Outcome("failed", results.raised(tool.name, error), error)


async def run_later(tool: Tool, later: Deferred, workers: Workers) -> Outcome:
    """Wait for the result of deferred work, however often it is put off again."""
    outcome = await run_work(tool, partial(workers.run, later.work))
    while outcome.later is not None:
        outcome = await run_work(tool, partial(workers.run, outcome.later.work))
    return outcome


@contextmanager
def contained(raised: list[Exception]) -> Iterator[None]:
    """Let a cancellation pass, without what a tool raised beside it, as from a nursery of its own.

    Args:
        raised: Takes that.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        faults, rest = group.split(Exception)
        if faults is not None:
            logger.info("a tool raised %s when it was cancelled", type(results.first_of(faults)).__name__)
            raised.append(faults)
        raise (rest or group) from None


def _later(tool: Tool, work: Deferred) -> Outcome:
    return Outcome("done", results.pending(tool.name, work.note), later=work)


def _outcome_of(tool: Tool, value: Any) -> Outcome:
    content = results.content_of(value, tool.settings.max_result_bytes)
    if isinstance(content, results.Unusable):
        return Outcome("failed", results.unusable(tool.name, content), content.exception)
    is_error = isinstance(value, Mapping) and "content" in value and value.get("status") == "error"
    return Outcome("failed" if is_error else "done", content)


async def _approval(tool: Tool, call: ToolCall, workers: Workers) -> Outcome | None:
    """Ask whether a call may be made; None when it may."""
    if tool.settings.approve is None:
        return None
    try:
        answer = await workers.run(tool.settings.approve, call)
    except Exception as error:  # noqa: BLE001 - the application's code may raise anything
        return Outcome("refused", results.declined(tool.name, "approval could not be asked for"), error)
    if answer is True:
        return None
    return Outcome("refused", results.declined(tool.name, answer if isinstance(answer, str) else ""))

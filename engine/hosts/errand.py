"""Errands: functions of the application's, as tools, awaited in its event loop for a task of the Trio thread."""

import asyncio
import contextlib
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
import trio

from engine.errors import LocalMisuse
from engine.hosts.event_loop import EventLoop
from engine.threads import in_thread

CANCEL_DEADLINE_S: Final = 5.0
"""How long the function may take to end when it is cancelled; then it is left to itself."""


class Errand:
    """A function of the application's that is awaited in its event loop, for a task of the Trio thread.

    Args:
        loop: Where.
        context: That it runs in.
        function: Asynchronous.
    """

    def __init__(self, loop: EventLoop, context: contextvars.Context, function: Callable[[], Awaitable[Any]]) -> None:
        self._loop = loop
        self._context = context
        self._function = function
        self._task: asyncio.Task[Any] | None = None
        self._ended = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None

    async def run(self) -> Any:
        """Run it, and cancel it when the task is cancelled.

        Raises:
            LocalMisuse: The loop is closed, or cancelled the function.
            BaseException: What it raised.
        """
        self._token = trio.lowlevel.current_trio_token()
        if not self._loop.post(self._begin):
            raise LocalMisuse("the application's event loop is closed | its functions run there")
        try:
            await self._ended.wait()
        except trio.Cancelled:
            if self._loop.post(self._cancel):
                with trio.move_on_after(CANCEL_DEADLINE_S, shield=True):
                    await self._ended.wait()
            raise
        return self._result()

    def _result(self) -> Any:
        task = self._task
        if task is None or task.cancelled():
            raise LocalMisuse("the application's event loop cancelled the function")
        error = task.exception()
        if error is not None and not isinstance(error, Exception):  # As SystemExit: the loop has raised it already.
            raise LocalMisuse(f"the function ended the application's event loop by {type(error).__name__}")
        return task.result()

    # --- in the loop ------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._task = self._loop.loop.create_task(self._await(), name="engine errand", context=self._context)
        self._task.add_done_callback(self._tell)

    async def _await(self) -> Any:
        return await self._function()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _tell(self, task: "asyncio.Task[Any]") -> None:
        if not task.cancelled():
            task.exception()  # Looked at: it is raised over there.
        if self._token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._ended.set)


def at_home(config: Any) -> Any:
    """Give a session's settings for the Trio thread: the function that gives the key runs where it was made."""
    function = config.client.api_key
    if not callable(function):
        return config
    loop, context = EventLoop.current(), contextvars.copy_context()

    async def ask() -> Any:
        if inspect.iscoroutinefunction(function):
            return await Errand(loop, context.copy(), function).run()
        # A plain one may ask the network, on any host.
        [given] = await in_thread(lambda: [function()], leave=True)
        return await Errand(loop, context.copy(), lambda: given).run() if inspect.isawaitable(given) else given

    return attrs.evolve(config, client=attrs.evolve(config.client, api_key=ask))

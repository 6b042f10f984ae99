"""Calls from an event loop into the Trio thread and back: values, errors and cancellation go over as they are."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar, cast

import anyio
import trio

from engine.errors import DeadlinePassed, SessionEnded
from engine.hosts.engine_thread import EngineThread, lease
from engine.hosts.event_loop import EventLoop

P = ParamSpec("P")
T = TypeVar("T")

HOP_DEADLINE_S: Final = 5.0
"""The longest that a plain call waits for the Trio thread, which answers within a millisecond unless it starves."""

GONE_DEADLINE_S: Final = 5.0
"""The longest that the last one out waits for the thread's end, which takes a millisecond."""


class Call:
    """A function's run in the Trio thread.

    Args:
        function: Asynchronous; it is called in the thread.
        told: Called in the thread when it has ended.
    """

    __slots__ = ("_context", "_function", "_scope", "_told", "ended", "error", "value")

    def __init__(self, function: Callable[[], Awaitable[Any]], told: Callable[[], object]) -> None:
        self._function = function
        self._told = told
        self._context = contextvars.copy_context()
        self._scope = trio.CancelScope()
        self.value: Any = None
        self.error: BaseException | None = None
        self.ended = False
        """It gave a value: `value`."""

    def begin(self) -> None:
        """Begin, in the thread."""
        trio.lowlevel.spawn_system_task(self._run, name="engine call", context=self._context)

    def cancel(self) -> None:
        """Cancel it, in the thread; before it has begun, too."""
        self._scope.cancel()

    def lose(self, why: BaseException | None) -> None:
        """The thread ended under it."""
        if not self.ended and self.error is None:
            self.error = SessionEnded("error")
            self.error.__cause__ = why

    def result(self) -> Any:
        """Give what came of it."""
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # Its traceback holds this frame.
        return self.value

    async def _run(self) -> None:
        try:
            with self._scope:
                self.value = await self._function()
                self.ended = True
        except trio.Cancelled:  # Not by us: the run is over.
            self.error = SessionEnded("error")
            raise
        except BaseException as error:  # noqa: BLE001 - raised where it was called
            self.error = error
        finally:
            self._told()


async def cross(function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call an asynchronous function in the Trio thread, and wait for what comes of it.

    Cancelled, it cancels that, and waits until that has ended: what was done is known then.

    Raises:
        BaseException: What it raised.
    """
    return cast("T", await _crossed(partial(function, *args, **kwargs), None))


async def cross_or_undo(function: Callable[[], Awaitable[T]], undo: Callable[[T], object]) -> T:
    """As `cross`, for what gives something that somebody has to take.

    Args:
        function: Gives it.
        undo: Called in the loop with what it gave when the caller was cancelled all the same.
    """
    return cast("T", await _crossed(function, undo))


async def _crossed(function: Callable[[], Awaitable[Any]], undo: Callable[[Any], object] | None) -> Any:
    host, done = EventLoop.current(), asyncio.Event()
    thread, call = lease(), Call(function, partial(host.post, done.set))
    try:
        try:
            await _ended(call, thread, host, done)
        finally:
            if thread.release():
                await gone(thread, host)
    except asyncio.CancelledError:
        if undo is not None and call.ended:
            undo(call.value)
        raise
    return call.result()


async def _ended(call: Call, thread: EngineThread, host: EventLoop, done: asyncio.Event) -> None:
    lost = partial(_lost, call, thread, host, done)
    thread.when_gone(lost)
    thread.post(call.begin)
    try:
        await done.wait()
    except asyncio.CancelledError:
        thread.post(call.cancel)
        await whatever_comes(done)
        raise
    finally:
        thread.never_mind(lost)


def _lost(call: Call, thread: EngineThread, host: EventLoop, done: asyncio.Event) -> None:
    call.lose(thread.error)
    host.post(done.set)


async def whatever_comes(done: asyncio.Event, limit_s: float | None = None) -> asyncio.CancelledError | None:
    """Wait for something that will come, however often this task is cancelled.

    Returns:
        What cancelled it first, if anything did: whoever was not cancelled before raises that.
    """
    cancelled: asyncio.CancelledError | None = None
    until = None if limit_s is None else asyncio.get_running_loop().time() + limit_s
    with anyio.CancelScope(shield=True):
        while not done.is_set():
            try:
                async with asyncio.timeout_at(until):
                    await done.wait()
            except asyncio.CancelledError as error:
                cancelled = cancelled or error
            except TimeoutError:
                break
    return cancelled


async def gone(thread: EngineThread, host: EventLoop) -> None:
    """Wait until a thread that ends has ended; bounded."""
    done = asyncio.Event()
    thread.when_gone(partial(host.post, done.set))
    cancelled = await whatever_comes(done, GONE_DEADLINE_S)
    if done.is_set():
        thread.join(GONE_DEADLINE_S)
    if cancelled is not None:
        raise cancelled


def hop(thread: EngineThread | None, function: Callable[[], T]) -> T:
    """Call a plain function in the Trio thread and wait for it, as for a look at a session; bounded.

    Args:
        thread: Where the session lives; None where it lives nowhere, so that nobody else has it in hands.
        function: What to call; it never waits.

    Raises:
        DeadlinePassed: The thread did not come to it within `HOP_DEADLINE_S`.
        BaseException: What it raised.
    """
    if thread is None or thread.is_current or not thread.keep():  # Kept, lest it ends before it comes to this.
        return function()
    future: Future[T] = Future()
    thread.post(_fulfil, future, function)
    try:
        return future.result(HOP_DEADLINE_S)
    except TimeoutError as late:
        future.cancel()
        message = f"the engine's thread gave no answer within {HOP_DEADLINE_S:.0f} s | does something hold the GIL?"
        raise DeadlinePassed("hop", HOP_DEADLINE_S, message=message) from late
    finally:
        thread.release()


def _fulfil(future: "Future[T]", function: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # noqa: BLE001 - raised where it was called
        future.set_exception(error)

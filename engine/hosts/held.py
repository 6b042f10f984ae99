"""An asynchronous context manager of Trio's, entered and left from an event loop, in one task of the Trio thread."""

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, TypeVar, cast

import trio

from engine.hosts.crossing import cross, gone
from engine.hosts.engine_thread import EngineThread, lease
from engine.hosts.event_loop import EventLoop

T = TypeVar("T")


class Held(AbstractAsyncContextManager[T]):
    """Holds a context manager open in the thread. What the block raises is not told to it.

    Args:
        manager: It.
    """

    def __init__(self, manager: AbstractAsyncContextManager[T]) -> None:
        self._manager = manager
        self._thread: EngineThread | None = None
        self._scope = trio.CancelScope()
        self._entered, self._left, self._over = trio.Event(), trio.Event(), trio.Event()
        self._value: Any = None
        self._error: BaseException | None = None

    async def __aenter__(self) -> T:
        thread = self._thread = lease()
        try:
            return cast("T", await cross(self._enter))
        except BaseException:
            thread.post(self._scope.cancel)  # It may just have been entered when the caller was cancelled.
            await self._give_back()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await cross(self._leave)
        finally:
            await self._give_back()

    async def _give_back(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None and thread.release():
            await gone(thread, EventLoop.current())

    # --- in the thread ----------------------------------------------------------------------------------------

    async def _enter(self) -> Any:
        trio.lowlevel.spawn_system_task(self._hold, name="engine context")
        try:
            await self._entered.wait()
        except trio.Cancelled:
            self._scope.cancel()
            await self._ended()
            raise
        if self._error is not None:
            raise self._error
        return self._value

    async def _leave(self) -> None:
        self._left.set()
        await self._ended()
        if self._error is not None:
            raise self._error

    async def _ended(self) -> None:
        with trio.CancelScope(shield=True):  # Whoever opens a context in a session bounds its end.
            await self._over.wait()

    async def _hold(self) -> None:
        try:
            with self._scope:
                async with self._manager as self._value:
                    self._entered.set()
                    await self._left.wait()
        except trio.Cancelled:
            raise
        except BaseException as error:  # noqa: BLE001 - raised where it is entered, or left
            self._error = error
        finally:
            self._entered.set()
            self._over.set()

"""What `receive()` gives: an asynchronous iterator over a session's events that may be left at any point.

It is an `AsyncGenerator` by type, as the contract has it, but holds nothing of its own: an event that was not taken
stays in the inbox, so breaking out of a loop needs no `aclosing` and loses nothing.
"""

from collections.abc import AsyncGenerator, Callable
from types import TracebackType

import trio

from engine.events import BidiOutputEvent
from engine.inbox import Inbox


class EventStream(AsyncGenerator[BidiOutputEvent, None]):
    """Events from an inbox.

    Args:
        inbox: Finds the inbox when the first event is asked for.
    """

    def __init__(self, inbox: Callable[[], Inbox]) -> None:
        self._find = inbox
        self._inbox: Inbox | None = None
        self._closed = False

    async def __anext__(self) -> BidiOutputEvent:
        if self._closed:
            await _checkpoint()
            raise StopAsyncIteration
        if self._inbox is None:
            self._inbox = self._find()
        event = await self._inbox.get()
        if event is None:
            self._closed = True
            raise StopAsyncIteration
        return event

    async def asend(self, value: None) -> BidiOutputEvent:  # noqa: ARG002 - nothing can be sent in
        """Give the next event."""
        return await self.__anext__()

    async def athrow(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> BidiOutputEvent:
        """End the iteration with an exception."""
        self._closed = True
        await _shielded_checkpoint()
        error = typ if isinstance(typ, BaseException) else val if isinstance(val, BaseException) else typ()
        raise error.with_traceback(tb)

    async def aclose(self) -> None:
        """End the iteration."""
        self._closed = True
        await _shielded_checkpoint()


async def _checkpoint() -> None:
    """Let others run, on whatever host."""
    if trio.lowlevel.in_trio_task():
        await trio.lowlevel.checkpoint()
    else:
        await _asyncio_checkpoint()


async def _shielded_checkpoint() -> None:
    if trio.lowlevel.in_trio_task():
        await trio.lowlevel.cancel_shielded_checkpoint()


async def _asyncio_checkpoint() -> None:
    import asyncio  # noqa: PLC0415 - who runs on Trio pays for no asyncio

    await asyncio.sleep(0)

"""Work that blocks (sound files, encoding), in a few threads that all calls of a process share."""

from collections.abc import Callable
from typing import Final, TypeVar

import trio

from engine import threads

T = TypeVar("T")

THREADS: Final = 2
"""Threads of one event loop's calls. Encoding and decoding keep a core busy each; more would only take it from the
sessions."""

_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("farm_caller_threads")


async def in_thread(work: Callable[[], T], *, leave: bool = False) -> T:
    """Do work that blocks. Cancelled, it is done all the same before the cancellation is told.

    Args:
        work: What to do.
        leave: Cancelled, leave it to itself: for what may never end, as the import of somebody's module, and what
            nobody misses.
    """
    return await threads.in_thread(work, leave=leave, limiter=_threads())


def _threads() -> trio.CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(THREADS)
        _limiter.set(limiter)
        return limiter

"""Keeps Python's garbage collector from halting all sessions of a process at once.

A full collection looks at every object of every session, and nothing else runs meanwhile. What is frozen is not looked
at: so sessions are frozen as their number grows and once it has stopped growing, and looked at again when most of them
have gone, for what they left behind in cycles is freed only then. With half of them still there that look took a second
and was felt by all.
"""

import gc
from collections.abc import Callable
from typing import Final

import trio

LOOK_EVERY_S: Final = 2.0

FEW_SESSIONS: Final = 50
"""With fewer, a full collection takes some milliseconds more than that of Python itself, and is left alone."""

LEFT: Final = 0.1
"""When no more than this share of the frozen ones is there, they are looked at again."""

GROWTH: Final = 1.25
"""When there are so many times more sessions than at the last freeze, they are frozen too."""


async def tuned_collection(sessions: Callable[[], int]) -> None:
    """Tune it for the process that this runs in, until cancelled. Call it when all is imported.

    Args:
        sessions: Counts those that are open.
    """
    gc.collect()
    gc.freeze()
    frozen = before = 0
    while True:
        await trio.sleep(LOOK_EVERY_S)
        count = sessions()
        frozen = _look(count, frozen, growing=count > before)
        before = count


def _look(count: int, frozen: int, *, growing: bool) -> int:
    """Freeze or thaw where it is time, and say at how many sessions that was."""
    if count >= max(FEW_SESSIONS, frozen * GROWTH if growing else frozen + 1):
        gc.freeze()
        return count
    if count < max(frozen * LEFT, min(frozen, FEW_SESSIONS)):
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        return count if count >= FEW_SESSIONS else 0
    return frozen

"""Work that blocks, in a worker thread; on a clock that leaps, as tests have it, no deadline passes meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import attrs
import trio

T = TypeVar("T")

PATIENCE_S: Final = 5.0
"""So long, in real time, a leaping clock stands for threads when all tasks wait. Then it leaps: a thread that never
ends must be seen to pass its deadline in a test, too."""


async def in_thread(work: Callable[[], T], *, leave: bool = False, limiter: trio.CapacityLimiter | None = None) -> T:
    """Do work that blocks.

    `trio.testing.MockClock(autojump_threshold=0)` leaps to the next deadline as soon as all tasks wait, also for a
    thread: an application that is tested on it would see its tools time out at once, in one run of some.

    Args:
        work: What to do.
        leave: Cancelled, leave the thread to itself and its result: for what may never end, and what nobody misses.
            Else it is waited for all the same before the cancellation is told.
        limiter: How many at once, in place of Trio's own bound.
    """
    with _standing_clock():
        return await trio.to_thread.run_sync(work, abandon_on_cancel=leave, limiter=limiter)


@attrs.define
class _Hold:
    """Who stands by a leaping clock: how many threads work, and when it leapt before they did."""

    threads: int = 0
    threshold: float = 0.0


_hold: trio.lowlevel.RunVar[_Hold] = trio.lowlevel.RunVar("engine_clock_hold")


@contextmanager
def _standing_clock() -> Iterator[None]:
    clock: Any = trio.lowlevel.current_clock()
    if not hasattr(clock, "autojump_threshold"):
        yield
        return
    try:
        hold = _hold.get()
    except LookupError:
        hold = _Hold()
        _hold.set(hold)
    if not hold.threads:
        hold.threshold = clock.autojump_threshold
        clock.autojump_threshold = max(PATIENCE_S, hold.threshold)
    hold.threads += 1
    try:
        yield
    finally:
        hold.threads -= 1
        if not hold.threads:
            clock.autojump_threshold = hold.threshold

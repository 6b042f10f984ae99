"""Tasks that sleep until one of them, or all, are woken: what `trio.lowlevel.ParkingLot` does, for the hot path.

It is false while nobody sleeps, and that is one look at a dictionary: who has something to tell asks it each time.
"""

from typing import Any

import trio
from trio.lowlevel import Abort, Task


class Sleepers(dict[Task, None]):
    """Sleeping tasks, the one that has slept for longest first."""

    __slots__ = ()

    def __init__(self) -> None:
        self.clear()  # Room for eight, which a subclass of `dict` begins with, is given back.

    async def sleep(self) -> None:
        """Sleep until woken. Cancelled, it is as if it had never slept: no call of `wake` is spent on it."""
        task = trio.lowlevel.current_task()
        self[task] = None

        def abort(_: Any) -> Abort:
            del self[task]
            return Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def wake(self) -> None:
        """Wake the first, if there is one."""
        for task in self:
            del self[task]
            trio.lowlevel.reschedule(task)
            return

    def wake_all(self) -> None:
        """Wake all."""
        while self:
            self.wake()

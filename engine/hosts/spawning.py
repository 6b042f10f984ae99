"""Where a session's supervisor lives on Trio: in the nursery that the caller gives, or as a system task of the run."""

from collections.abc import Awaitable, Callable

import trio

from engine.session import Spawn


def spawner(nursery: trio.Nursery | None) -> Spawn:
    """Choose where the supervisor runs.

    A system task ends with the run, whatever the caller forgets: Trio cancels it then, and the supervisor's cleanup is
    bounded. It must not raise; the supervisor reports all it can.

    Args:
        nursery: Where, or None for a system task.
    """

    def spawn(supervise: Callable[[], Awaitable[None]]) -> None:
        if nursery is not None:
            nursery.start_soon(supervise, name="engine session")
        else:
            trio.lowlevel.spawn_system_task(supervise, name="engine session")

    return spawn

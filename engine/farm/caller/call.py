"""`run_call`: one session by plan, from the connection to its result."""

import time
from collections.abc import Callable

from engine.farm.caller.files import FileSink
from engine.farm.caller.watch import Watch
from engine.farm.job import Grant, Result
from engine.farm.plan.model import Plan
from engine.transport.base import Connector


async def run_call(
    plan: Plan,
    grant: Grant,
    *,
    sink: FileSink | None = None,
    key: str = "",
    connector: Connector | None = None,
    watch: Watch | None = None,
    unix_time: Callable[[], float] = time.time,
) -> Result:
    """Have one session, and tell what came of it. Whatever breaks is told by the result.

    Cancelled, it leaves no files behind. It uses threads for files and sound files alone.

    Args:
        plan: Of the run.
        grant: What to try.
        sink: Takes the files; None keeps none.
        key: For the service.
        connector: How to connect; the network when None.
        watch: Told while it runs.
        unix_time: Gives Unix time in s.

    Returns:
        The result, whole but for `worker`.
    """
    raise NotImplementedError

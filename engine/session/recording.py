"""`session.record`: every message both ways goes into a file, from now on or from the first one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from engine.recording import Recorder
from engine.session.supervisor import Supervisor


@asynccontextmanager
async def recorded(supervisor: Supervisor, recorder: Recorder) -> AsyncIterator[Recorder]:
    """Record what goes by for the length of a block.

    Raises:
        ConfigError: The file can't be written.
    """
    async with recorder.recording():
        supervisor.traffic.watch(recorder.observe)
        supervisor.when_over(lambda: _ended(supervisor, recorder))
        try:
            yield recorder
        finally:
            supervisor.traffic.unwatch(recorder.observe)


def _ended(supervisor: Supervisor, recorder: Recorder) -> None:
    lost = supervisor.lost
    recorder.ended(
        supervisor.reason, trio.current_time(), lost=lost is not None, code=lost.code if lost is not None else None
    )

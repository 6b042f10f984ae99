"""`session.record`: every message both ways goes into a file, from now on or from the first one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from engine.errors import ConnectionLost
from engine.recording import Recorder
from engine.session.supervisor import Supervisor


@asynccontextmanager
async def recorded(supervisor: Supervisor, recorder: Recorder) -> AsyncIterator[Recorder]:
    """Record what goes by for the length of a block.

    Raises:
        ConfigError: The file can't be written.
    """
    async with recorder.recording():
        began = trio.current_time()
        supervisor.traffic.watch(recorder.observe)
        supervisor.traffic.when_linked(recorder.linked)
        try:
            yield recorder
        finally:
            supervisor.traffic.unwatch(recorder.observe)
            if supervisor.ended:
                # Not before: after its end a session still sends what waits.
                _mark_end(supervisor, recorder, max(began, supervisor.closed_at or trio.current_time()))
            else:
                recorder.ended("stopped", trio.current_time())


def _mark_end(supervisor: Supervisor, recorder: Recorder, at: float) -> None:
    lost = supervisor.lost
    code = lost.code if isinstance(lost, ConnectionLost) else None
    recorder.ended(supervisor.reason, at, lost=lost is not None, code=code)

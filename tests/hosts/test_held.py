"""Context managers that are held open in the engine's thread."""

import asyncio
import time
from contextlib import asynccontextmanager

from every_host import on_event_loops, until

from engine.hosts.engine_thread import lease
from engine.hosts.held import Held


@on_event_loops
async def test_cancelled_as_it_is_entered_it_is_left():
    did = []

    @asynccontextmanager
    async def manager():
        did.append("entered")
        try:
            yield
        finally:
            did.append("left")

    thread = lease()  # It does not end by itself.
    held = Held(manager())
    entering = asyncio.create_task(held.__aenter__())
    await asyncio.sleep(0)
    while not did:
        time.sleep(0.001)  # noqa: ASYNC251 - the loop must not hear of it
    time.sleep(0.02)  # noqa: ASYNC251
    entering.cancel()
    await asyncio.wait([entering])
    assert entering.cancelled()
    await until(lambda: did == ["entered", "left"])
    thread.release()
    assert thread.join(5)

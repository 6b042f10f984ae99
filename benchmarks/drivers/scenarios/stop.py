"""`stop()` with most of the audio unread: how long it takes."""

import time
from collections.abc import Callable
from typing import Any

import anyio
from client import Client

READ = 100


async def play(make: Callable[[], Client], load: dict[str, Any]) -> dict[str, Any]:
    """Read 100 of `deltas`, then stop."""
    client = make()
    await client.open()
    await client.ask(f"burst {load['deltas']}")
    heard = 0
    async for kind, _ in client.events():
        heard += kind == "audio"
        if heard == READ:
            break
    began = time.monotonic()
    with anyio.move_on_after(load["close_bound_s"]) as scope:
        await client.close()
    took_s = time.monotonic() - began
    return {"stop_s": took_s, "hangs": scope.cancelled_caught, "heard": heard}

"""From `speech_started` on the wire to the application, which takes audio at the pace at which it is heard.

The server notes when it told; the harness subtracts. Stale audio is what comes after the interruption was told.
"""

import time
from collections.abc import Callable
from typing import Any

import anyio
from client import Client
from figures import DELTA_MS

SPEAKS_AFTER_S = 1.0
CLOSE_BOUND_S = 2.0


async def play(make: Callable[[], Client], load: dict[str, Any]) -> dict[str, Any]:
    """Cut in `rounds` times, each in a session of its own, with `queued_s` of audio sent at once."""
    deltas = max(1, int(load["queued_s"] * 1000 / DELTA_MS))
    after_s = SPEAKS_AFTER_S if load["queued_s"] else 0.2
    told_ns: list[int | None] = []
    heard = stale = 0
    for _ in range(load["rounds"]):
        client, told = make(), None
        with anyio.move_on_after(load["round_bound_s"]):
            await client.open()
            await client.ask(f"hold {deltas} {after_s}")
            told, count, late = await listen(client, paced=bool(load["queued_s"]))
            heard, stale = heard + count, stale + late
        told_ns.append(told)
        with anyio.move_on_after(CLOSE_BOUND_S):
            await client.close()
    return {"told_ns": told_ns, "heard": heard, "stale": stale}


async def listen(client: Client, *, paced: bool) -> tuple[int | None, int, int]:
    """Hear an answer until it is over; some peers tell its end before the interruption, and are waited for."""
    told: int | None = None
    heard = stale = 0
    over = False
    async for kind, what in client.events():
        if kind == "audio":
            heard += 1
            stale += told is not None
            if paced:
                await anyio.sleep(DELTA_MS / 1000)
        elif kind == "interrupted" and told is None:
            told = what or time.monotonic_ns()
        elif kind == "done":
            over = True
        if over and told is not None:
            break
    return told, heard, stale

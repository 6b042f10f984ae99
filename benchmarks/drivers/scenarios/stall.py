"""A consumer that stalls in the midst of an answer while the server pours audio: memory, and what it gets after it."""

from collections.abc import Callable
from typing import Any

import anyio
from client import Client
from figures import own_mib

from scenarios.crowd import settled_mib, warm_up


async def play(make: Callable[[], Client], load: dict[str, Any]) -> dict[str, Any]:
    """Take the first of `deltas`, nothing for `stall_s`, then the others."""
    await warm_up(make)
    client = make()
    await client.open()
    before_mib, grown_mib = settled_mib(), 0.0
    await client.ask(f"burst {load['deltas']} {load['ping_s']}")
    delivered, ended = 0, "connection kept"
    try:
        with anyio.fail_after(load["stall_s"] + load["read_bound_s"]):
            async for kind, _ in client.events():
                delivered += kind == "audio"
                if kind == "audio" and delivered == 1:
                    await anyio.sleep(load["stall_s"])
                    grown_mib = own_mib() - before_mib
                elif kind == "done":
                    break
            else:
                ended = "the events ended before the response did"
    except TimeoutError:
        ended = f"not over {load['read_bound_s']:g} s later"
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is a finding
        ended = f"{type(error).__name__}: {error}"[:200]
    return {"grown_mib": grown_mib, "delivered": delivered, "deltas": load["deltas"], "ended": ended}

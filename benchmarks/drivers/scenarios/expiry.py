"""The end of a session's life, `session_expired` and a close with code 1001: what the application is told."""

from collections.abc import Callable
from typing import Any

import anyio
from client import Client

TOLD_BOUND_S = 5.0
SHOWN_CHARACTERS = 100


async def play(make: Callable[[], Client], _: dict[str, Any]) -> dict[str, Any]:
    """Let the server end the session."""
    client = make()
    await client.open()
    told = f"nothing in {TOLD_BOUND_S:g} s"
    with anyio.move_on_after(TOLD_BOUND_S):
        told = await ending(client)
    return {"told": told}


async def ending(client: Client) -> str:
    """Say how the events end."""
    try:
        await client.ask("expire")
        async for _ in client.events():
            pass
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is the finding
        return f"raises {type(error).__name__}: {error}"[:SHOWN_CHARACTERS]
    return "the events end as if all were well"

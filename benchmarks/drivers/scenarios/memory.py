"""Memory of a session that is open and quiet, and of one that has had a short turn."""

from collections.abc import Callable
from typing import Any

from client import Client
from figures import process_mib

from scenarios.crowd import for_all, opened, settled_mib, warm_up


async def turn(client: Client) -> None:
    """Ask, and hear the answer."""
    await client.ask("say")
    async for kind, _ in client.events():
        if kind == "done":
            return


async def play(make: Callable[[], Client], load: dict[str, Any]) -> dict[str, Any]:
    """Open `sessions`."""
    sessions = load["sessions"]
    await warm_up(make)
    before_mib = settled_mib()
    clients = await opened(make, sessions)
    idle_mib = settled_mib()
    await for_all(clients, turn)
    used_mib = settled_mib()
    return {
        "sessions": sessions,
        "idle_kib_a_session": (idle_mib - before_mib) * 1024 / sessions,
        "used_kib_a_session": (used_mib - before_mib) * 1024 / sessions,
        "process_mib": process_mib(),
    }

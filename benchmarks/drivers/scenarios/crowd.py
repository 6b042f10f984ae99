"""Many sessions of one peer in one process: opening them, and memory for each."""

import gc
from collections.abc import Awaitable, Callable, Sequence

import anyio
from client import Client
from figures import own_mib

AT_ONCE = 16
"""Sessions that are opened at the same time."""


async def for_all(clients: Sequence[Client], do: Callable[[Client], Awaitable[None]], at_once: int = AT_ONCE) -> None:
    """Do it with each, some at a time; the first error ends it."""
    waiting = iter(clients)

    async def work() -> None:
        for client in waiting:
            await do(client)

    async with anyio.create_task_group() as tasks:
        for _ in range(min(at_once, len(clients))):
            tasks.start_soon(work)


async def opened(make: Callable[[], Client], number: int) -> list[Client]:
    """Open that many sessions."""
    clients = [make() for _ in range(number)]
    await for_all(clients, lambda client: client.open())
    return clients


def settled_mib() -> float:
    """Read memory after what nobody needs was freed."""
    gc.collect()
    return own_mib()


async def warm_up(make: Callable[[], Client]) -> None:
    """Open and close one session, so that what is loaded once is not counted as a session's."""
    client = make()
    await client.open()
    await client.ask("say")
    async for kind, _ in client.events():
        if kind == "done":
            break
    with anyio.move_on_after(5):
        await client.close()

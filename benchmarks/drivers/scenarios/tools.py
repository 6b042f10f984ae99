"""Parallel calls: the results are given all at once, and the model goes on when it has them all.

The server answers each `response.create` with how many results it had, refuses one while a response is active, as the
service does, and a round is over when it has said that it had all. Whose last request was refused never hears that.
"""

import time
from collections.abc import Callable
from typing import Any

import anyio
from client import Client
from figures import Stopwatch, spread_ms


async def play(make: Callable[[], Client], load: dict[str, Any]) -> dict[str, Any]:
    """Take `rounds` of `calls` each."""
    client = make()
    await client.open()
    calls, rounds = load["calls"], load["rounds"]
    took_ms, unanswered, watch = [], 0, Stopwatch()
    for _ in range(rounds):
        with anyio.move_on_after(load["round_bound_s"]) as scope:
            took_ms.append(await one_round(client, calls))
        if scope.cancelled_caught:
            unanswered += 1
        await anyio.sleep(0.1)
    cpu_ms = 1000 * watch.cpu_s / rounds
    return {"calls": calls, "cpu_ms_a_round": cpu_ms, "rounds": rounds, "unanswered": unanswered} | spread_ms(took_ms)


async def one_round(client: Client, calls: int) -> float:
    """Ask, take the calls, give the results, and wait for the answer that knows of all; the time from the last call."""
    await client.ask(f"tools {calls}")
    names: list[str] = []
    said, began, took_ms = "", 0.0, None
    async with anyio.create_task_group() as tasks:
        async for kind, what in client.events():
            if kind == "call":
                names.append(what[0])
                if len(names) == calls:
                    began = time.monotonic()
                    for name in names:
                        tasks.start_soon(client.give, name, "42")
            elif kind == "text":
                said += what
                # Only the first time: some clients tell the words once more when they are final.
                if took_ms is None and f"had {calls} of {calls}" in said:
                    took_ms = 1000 * (time.monotonic() - began)
            elif kind == "done" and took_ms is not None:
                break
    if took_ms is None:
        raise RuntimeError("the events ended before the answer that knows of all")
    return took_ms

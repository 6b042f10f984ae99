"""Sessions opened and closed: how many a second, CPU for each, and whether memory grows."""

from collections.abc import Callable
from typing import Any

import anyio
from client import Client
from figures import Stopwatch

from scenarios.crowd import settled_mib, warm_up

CLOSE_BOUND_S = 5.0
STAGES = 10


async def play(make: Callable[[], Client], load: dict[str, Any]) -> dict[str, Any]:
    """Open and close `sessions`, `at_once` of them at a time, in ten stages."""
    stage, at_once = max(1, load["sessions"] // STAGES), load["at_once"]
    await warm_up(make)
    watch, kept_mib, cpu_s, wall_s, hung = Stopwatch(), [settled_mib()], 0.0, 0.0, 0
    for _ in range(STAGES):
        watch.restart()
        hung += await churn(make, stage, at_once)
        cpu_s, wall_s = cpu_s + watch.cpu_s, wall_s + watch.wall_s
        kept_mib.append(settled_mib())
    sessions = stage * STAGES
    return {
        "sessions": sessions,
        "sessions_per_s": sessions / wall_s,
        "cpu_ms_a_session": 1000 * cpu_s / sessions,
        "memory_mib": kept_mib,
        "grown_kib_a_session": (kept_mib[-1] - kept_mib[1]) * 1024 / (stage * (STAGES - 1)),
        "closes_hung": hung,
    }


async def churn(make: Callable[[], Client], sessions: int, at_once: int) -> int:
    """Open and close; give how many did not close in time."""
    waiting, hung = iter(range(sessions)), 0

    async def work() -> None:
        nonlocal hung
        for _ in waiting:
            client = make()
            await client.open()
            with anyio.move_on_after(CLOSE_BOUND_S) as scope:
                await client.close()
            hung += scope.cancelled_caught

    async with anyio.create_task_group() as tasks:
        for _ in range(at_once):
            tasks.start_soon(work)
    return hung

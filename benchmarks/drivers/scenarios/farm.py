"""Thousands of sessions in one process, some of them talking at a time, each in its turn, and nothing lost."""

import gc
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import anyio
from client import Client
from figures import DELTA_MS, FRAME, FRAME_MS, Stopwatch, latency_ms, process_mib, spread_ms

from scenarios.crowd import for_all, opened, settled_mib, warm_up

FEEDERS = 4
DRAIN_S = 10.0
FLUSH_S = 0.5


async def play(make: Callable[[], Client], load: dict[str, Any]) -> dict[str, Any]:
    """Let `sessions` be open, and a share of one in `one_in` talk for `turn_s`, until all have."""
    sessions, one_in, turn_s = load["sessions"], load["one_in"], load["turn_s"]
    await warm_up(make)
    before_mib = settled_mib()
    watch = Stopwatch()
    clients = await opened(make, sessions)
    opening_s, idle_mib = watch.wall_s, settled_mib()
    if load.get("freeze"):  # What is open stays: an application of this size tells the garbage collector so.
        gc.freeze()
    passes = Passes()
    farm = Farm(int(turn_s * 1000 / DELTA_MS))
    watch.restart()
    async with anyio.create_task_group() as tasks:
        for client in clients:
            tasks.start_soon(farm.listen, client)
        for turn in range(one_in):
            await farm.talk(clients[turn::one_in], turn_s)
        cpu_s, wall_s = watch.cpu_s, watch.wall_s
        with anyio.move_on_after(DRAIN_S):
            while farm.heard < farm.deltas * sessions:  # noqa: ASYNC110 - an event would be work in the hot path
                await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()
    await anyio.sleep(FLUSH_S)
    return {
        "sessions": sessions,
        "talking": len(clients[::one_in]),
        "opened_in_s": opening_s,
        "cpu_share": cpu_s / wall_s,
        **spread_ms(farm.latencies_ms),
        "lost": farm.deltas * sessions - farm.heard,
        "frames_sent": farm.sent,
        "gc_longest_ms": passes.longest_ms,
        "frozen": bool(load.get("freeze")),
        "idle_kib_a_session": (idle_mib - before_mib) * 1024 / sessions,
        "process_mib": process_mib(),
        "broken": farm.broken[:3],
    }


class Passes:
    """How long the garbage collector stops the process: with many objects alive, that is most of the worst latency."""

    def __init__(self) -> None:
        self.longest_ms, self._began = 0.0, 0.0
        gc.callbacks.append(self._told)

    def _told(self, phase: str, _: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "stop":
            self.longest_ms = max(self.longest_ms, 1000 * (now - self._began))
        self._began = now


class Farm:
    """What all sessions heard and said."""

    def __init__(self, deltas: int) -> None:
        self.deltas = deltas
        self.heard = self.sent = 0
        self.latencies_ms = array("d")
        self.broken: list[str] = []

    async def listen(self, client: Client) -> None:
        """Take what comes, as long as the session lives."""
        try:
            async for kind, what in client.events():
                if kind == "audio":
                    self.heard += 1
                    self.latencies_ms.append(latency_ms(what, time.monotonic_ns()))
        except Exception as error:  # noqa: BLE001 - whatever is raised is a finding
            self.broken.append(f"{type(error).__name__}: {error}")

    async def talk(self, clients: Sequence[Client], seconds: float) -> None:
        """Let these talk: answers come in and the microphones are open."""
        await for_all(clients, lambda client: client.ask(f"talk {self.deltas}"))
        start = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for slot in range(FEEDERS):
                if mine := clients[slot::FEEDERS]:
                    due = start + slot * FRAME_MS / FEEDERS / 1000
                    tasks.start_soon(self.feed, mine, due, int(seconds * 1000 / FRAME_MS))

    async def feed(self, clients: Sequence[Client], due: float, frames: int) -> None:
        """Send that many frames to each, at their pace."""
        for _ in range(frames):
            due += FRAME_MS / 1000
            await anyio.sleep_until(due)
            for client in clients:
                await client.speak(FRAME)
                self.sent += 1

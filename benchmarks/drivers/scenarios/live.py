"""N sessions in real time: a microphone frame each 20 ms out, a delta of 100 ms in; CPU, latency, what was lost.

Sessions are staggered. Each listens in a task of its own; microphones are fed by four tasks, 5 ms apart, so that the
scenario's own work is small, and the same for each peer.
"""

import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import anyio
from client import Client
from figures import DELTA_MS, FRAME, FRAME_MS, Stopwatch, latency_ms, process_mib, spread_ms

from scenarios.crowd import for_all, opened, settled_mib, warm_up

FRAMES_A_DELTA = DELTA_MS // FRAME_MS
ASK_S = 0.01
"""The longest that a peer may take for asking one session; the server speaks longer by that much for each."""

FEEDERS = 4
LEAD_S = 1.0
DRAIN_S = 5.0
FLUSH_S = 0.3
"""What was sent last is on its way; then this process ends, and what it has not sent is lost."""

IN_TIME_SHARE = 0.98


class Crowd:
    """What the sessions of a run saw, inside the measured window and all in all."""

    def __init__(self) -> None:
        self.measuring = False
        self.latencies_ms = array("d")
        self.received = self.done = 0
        self.sent = self.sent_in_window = 0
        self.broken: list[str] = []

    async def listen(self, client: Client) -> None:
        """Take what comes until the response is over."""
        try:
            async for kind, what in client.events():
                if kind == "audio":
                    self.received += 1
                    if self.measuring:
                        self.latencies_ms.append(latency_ms(what, time.monotonic_ns()))
                elif kind == "done":
                    break
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is a finding
            self.broken.append(f"{type(error).__name__}: {error}")
        self.done += 1

    async def feed(self, clients: Sequence[Client], start: float) -> None:
        """Send a frame to each of these every 20 ms; who is late catches up."""
        due = start
        while True:
            due += FRAME_MS / 1000
            await anyio.sleep_until(due)
            for client in clients:
                await client.speak(FRAME)
                self.sent += 1
                self.sent_in_window += self.measuring


async def play(make: Callable[[], Client], load: dict[str, Any]) -> dict[str, Any]:
    """Let `sessions` talk for `seconds`."""
    sessions, seconds = load["sessions"], load["seconds"]
    lead_s = min(LEAD_S, seconds)
    deltas = int((lead_s + seconds + max(lead_s, ASK_S * sessions)) * 1000 / DELTA_MS)
    await warm_up(make)
    before_mib = settled_mib()
    clients = await opened(make, sessions)
    idle_mib = settled_mib()
    crowd, watch = Crowd(), Stopwatch()
    async with anyio.create_task_group() as tasks:
        for client in clients:
            tasks.start_soon(crowd.listen, client)
        await for_all(clients, lambda client: client.ask(f"talk {deltas}"))
        now = anyio.current_time()
        for slot in range(FEEDERS):
            if mine := clients[slot::FEEDERS]:
                tasks.start_soon(crowd.feed, mine, now + slot * FRAME_MS / FEEDERS / 1000)
        await anyio.sleep(lead_s)
        crowd.measuring = True
        watch.restart()
        await anyio.sleep(seconds)
        crowd.measuring, cpu_s, wall_s = False, watch.cpu_s, watch.wall_s
        talking_mib = settled_mib()
        with anyio.move_on_after(ASK_S * sessions + DRAIN_S):
            while crowd.done < sessions:  # noqa: ASYNC110 - an event would be work in the hot path
                await anyio.sleep(0.1)
        tasks.cancel_scope.cancel()
    await anyio.sleep(FLUSH_S)
    in_window = len(crowd.latencies_ms)
    expected_frames = sessions * wall_s * 1000 / FRAME_MS
    return {
        "sessions": sessions,
        "cpu_share": cpu_s / wall_s,
        "cpu_us_per_100_ms": cpu_s / (sessions * wall_s * 1000 / DELTA_MS) * 1e6,
        **spread_ms(crowd.latencies_ms),
        "in_time": bool(
            crowd.sent_in_window >= IN_TIME_SHARE * expected_frames
            and in_window >= IN_TIME_SHARE * expected_frames / FRAMES_A_DELTA
        ),
        "lost": deltas * sessions - crowd.received,
        "frames_sent": crowd.sent,
        "idle_kib_a_session": (idle_mib - before_mib) * 1024 / sessions,
        "talking_kib_a_session": (talking_mib - before_mib) * 1024 / sessions,
        "process_mib": process_mib(),
        "broken": crowd.broken[:3],
    }

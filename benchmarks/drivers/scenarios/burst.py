"""20,000 audio deltas of 100 ms as fast as they go, received as the peer's typed events: CPU time an event.

Then microphone frames, as fast as they go out.
"""

from collections.abc import Callable
from typing import Any

import anyio
from client import Client
from figures import FRAME, Stopwatch


async def play(make: Callable[[], Client], load: dict[str, Any]) -> dict[str, Any]:
    """Receive `deltas`."""
    deltas: int = load["deltas"]
    client = make()
    await client.open()
    watch = Stopwatch()
    await client.ask(f"burst {deltas}")
    received, size = 0, 0
    async for kind, what in client.events():
        if kind == "audio":
            received += 1
            size += len(what)
        elif kind == "done":
            break
    cpu_s, wall_s = watch.cpu_s, watch.wall_s
    return {
        "cpu_us_per_event": cpu_s / max(received, 1) * 1e6,
        "cpu_share": cpu_s / wall_s,
        "events_per_s": received / wall_s,
        "received": received,
        "lost": deltas - received,
        "audio_bytes": size,
    } | await frames_out(client, load.get("frames", 0))


async def frames_out(client: Client, frames: int) -> dict[str, float]:
    """Send frames without a pause; some peers only queue them, so that the queue's emptying counts too."""
    if not frames:
        return {}
    watch = Stopwatch()
    for _ in range(frames):
        await client.speak(FRAME)
    queued_s = watch.wall_s
    while watch.cpu_s < 60:
        before = watch.cpu_s
        await anyio.sleep(0.05)
        if watch.cpu_s - before < 0.005:  # Less than a tenth of the core: the queue is empty.
            break
    return {"frame_cpu_us": watch.cpu_s / frames * 1e6, "frames_queued_s": queued_s}

"""What a process reads of itself: CPU time, memory, and the stamps in the audio that it got."""

import os
import struct
import time
from pathlib import Path
from typing import Any

FRAME_MS = 20
FRAME = bytes(960)
"""20 ms of PCM16 at 24 kHz."""

DELTA_MS = 100
STAMP = struct.Struct("<q")


def latency_ms(pcm: bytes, now_ns: int) -> float:
    """How long ago the server wrote the stamp at the beginning of this audio, in ms.

    `time.monotonic_ns` is one clock for all processes of a machine.
    """
    return float(now_ns - STAMP.unpack_from(pcm)[0]) / 1e6


def own_mib() -> float:
    """Memory that this process has written to: what sessions cost, whatever else maps the same libraries."""
    return _rollup("Private_Dirty:")


def process_mib() -> float:
    """All of this process's memory, with its libraries (RSS)."""
    return _rollup("Rss:")


def _rollup(field: str) -> float:
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    except OSError:  # Not on every system; then RSS has to do for both.
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


class Stopwatch:
    """Wall time and CPU time of this process since it was made, or since `restart`."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._wall, self._cpu = time.monotonic(), time.process_time()

    @property
    def wall_s(self) -> float:
        return time.monotonic() - self._wall

    @property
    def cpu_s(self) -> float:
        return time.process_time() - self._cpu


def quantile(ordered: Any, share: float) -> float:
    """Take a quantile of what is sorted already, and is not empty."""
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))])


def spread_ms(latencies: Any) -> dict[str, float | None]:
    """Sum up latencies in ms; nothing where there are none."""
    ordered = sorted(latencies)
    if not ordered:
        return {"p50_ms": None, "p99_ms": None, "max_ms": None}
    return {"p50_ms": quantile(ordered, 0.5), "p99_ms": quantile(ordered, 0.99), "max_ms": ordered[-1]}

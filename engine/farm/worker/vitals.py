"""How a worker's process fares: its memory, its CPU time, and by how much its event loop comes late."""

import math
import os
import sys
import time
from pathlib import Path
from typing import Final

import attrs
import trio

LOOK_EVERY_S: Final = 0.25
"""How often the event loop is asked how late it is."""


@attrs.frozen(kw_only=True)
class VitalSigns:
    """A look at the process. `lag_ms` is the worst since the look before."""

    memory_bytes: int = 0
    cpu_s: float = 0.0
    lag_ms: float = 0.0


class Vitals:
    """Looks after this process, while `run` runs."""

    def __init__(self) -> None:
        self._lag_ms = 0.0

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            due_at = trio.current_time() + LOOK_EVERY_S
            await trio.sleep_until(due_at)
            self._lag_ms = max(self._lag_ms, (trio.current_time() - due_at) * 1000)

    def take(self) -> VitalSigns:
        """Look, and forget the lag."""
        lag_ms, self._lag_ms = self._lag_ms, 0.0
        return VitalSigns(memory_bytes=memory_of("self"), cpu_s=time.process_time(), lag_ms=lag_ms)


def memory_of(pid: int | str) -> int:
    """Give the resident memory of a process in bytes; 0 where the system doesn't tell, or the process is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return _most_so_far() if pid == "self" else 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _most_so_far() -> int:
    """Systems without /proc tell the most that the process ever had."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return 0
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes


def asleep_s() -> float:
    """Give for how long this machine slept since it started: Trio's clock stands still meanwhile, others' go on."""
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    except (AttributeError, OSError):
        return 0.0


def machine_cores() -> int:
    """Give the cores that this process may use: by its affinity, and by its control group's share of time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        return cores


def machine_memory() -> int:
    """Give this machine's memory in bytes, or what its control group may use of it; 0 where nobody tells."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
    try:
        return min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")))
    except (OSError, ValueError):
        return whole

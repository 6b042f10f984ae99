"""How a process of the farm fares while it is measured: Python's collector, lag of the loop, figures of /proc."""

import gc
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import trio

LOOK_EVERY_S: Final = 0.05

LONG_MS: Final = 50.0
"""Collections of this length are told one by one."""


class Inside:
    """Watches the process that it is made in, from within."""

    def __init__(self) -> None:
        self._pauses_ms: list[float] = []
        self._lags_ms: list[float] = []
        self._long: list[dict[str, float]] = []
        self._began = 0.0
        self._made_at = time.perf_counter()

    async def run(self) -> None:
        """Watch until cancelled."""
        gc.callbacks.append(self._collects)
        try:
            while True:
                due_at = trio.current_time() + LOOK_EVERY_S
                await trio.sleep_until(due_at)
                self._lags_ms.append((trio.current_time() - due_at) * 1000)
        finally:
            gc.callbacks.remove(self._collects)

    def _collects(self, phase: str, about: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._began = now
            return
        pause_ms = (now - self._began) * 1000
        self._pauses_ms.append(pause_ms)
        if pause_ms >= LONG_MS:
            told = {"at_s": round(self._began - self._made_at, 1), "ms": round(pause_ms)}
            self._long.append(told | {name: about[name] for name in ("generation", "collected")})

    def told(self) -> dict[str, Any]:
        """Give the figures since the begin, for JSON."""
        return {
            "gc_longest_ms": max(self._pauses_ms, default=0.0),
            "gc_long": self._long,
            "gc_total_ms": sum(self._pauses_ms),
            "lag_p50_ms": percentile(self._lags_ms, 50),
            "lag_p99_ms": percentile(self._lags_ms, 99),
            "lag_max_ms": max(self._lags_ms, default=0.0),
            "cpu_s": time.process_time(),
        }


def percentile(values: Sequence[float], percent: float) -> float:
    """Give a percentile by the nearest rank; 0 without values."""
    if not values:
        return 0.0
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


@attrs.frozen
class Look:
    """A process at one moment, as the system tells; zeros where it doesn't tell or the process is gone."""

    cpu_s: float = 0.0
    system_cpu_s: float = 0.0
    memory_bytes: int = 0
    files: int = 0


def look(pid: int) -> Look:
    """Look at a process from outside (Linux)."""
    place = Path(f"/proc/{pid}")
    try:
        fields = (place / "stat").read_text().rpartition(")")[2].split()
        pages = int((place / "statm").read_bytes().split()[1])
        files = len(os.listdir(place / "fd"))  # noqa: PTH208 - thousands of names, and none is wanted
    except (OSError, IndexError):
        return Look()
    ticks_a_s = os.sysconf("SC_CLK_TCK")
    user, system = (int(field) / ticks_a_s for field in fields[11:13])
    return Look(user + system, system, pages * os.sysconf("SC_PAGE_SIZE"), files)

"""What a process holds, asked of the kernel and of the interpreter. Shared by the drivers of `benchmarks.footprint`."""

import ctypes
import gc
import resource
import time
from collections import Counter
from pathlib import Path

_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)


def resident_kib() -> dict[str, float]:
    """Give the resident and the proportional set size, before and after the C library gave back what it can."""
    gc.collect()
    before = _rollup()
    if _TRIM is not None:
        _TRIM(0)
    after = _rollup()
    return {"rss": before["Rss"], "pss": before["Pss"], "rss_trimmed": after["Rss"], "pss_trimmed": after["Pss"]}


def _rollup() -> dict[str, float]:
    lines = (line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    return {words[0].rstrip(":"): float(words[1]) for words in lines}


def objects() -> Counter[str]:
    """Count what the garbage collector follows, by class."""
    gc.collect()
    return Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())


def open_files(count: int) -> None:
    """Let the process have so many connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 512), hard))


class Spent:
    """CPU and wall time since it was made."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def us_each(self, count: int) -> dict[str, float]:
        """Give both for each of so many."""
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        return {"cpu_us": cpu / count * 1e6, "wall_us": wall / count * 1e6}

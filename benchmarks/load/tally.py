"""What the load server counts between `reset` and `report`: what it sent and got, its own CPU, how late it was."""

import time
from collections import Counter, defaultdict
from typing import Any, Final

LATE_P99_MS: Final = 20.0
"""Deltas that leave later than this, after the moment that they were due, are the server's fault."""

BUSY_SHARE: Final = 0.9
WAITED_SHARE: Final = 0.05
"""A server that pours and waits for the client less than this share of the time holds the client up."""

MARKS_KEPT: Final = 20_000


class Tally:
    """The counts of one run."""

    def __init__(self) -> None:
        self.open = 0
        self.reset()

    def reset(self) -> None:
        """Begin anew; sessions that are open stay counted as such."""
        self.counts: Counter[str] = Counter()
        self.marks: defaultdict[str, list[int]] = defaultdict(list)
        self.late_ms: list[float] = []
        self.poured_s = self.waited_s = 0.0
        self.most_open = self.open
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def mark(self, name: str) -> None:
        """Keep this moment, by the clock that all processes share."""
        if len(self.marks[name]) < MARKS_KEPT:
            self.marks[name].append(time.monotonic_ns())

    def opened(self) -> None:
        self.open += 1
        self.counts["sessions"] += 1
        self.most_open = max(self.most_open, self.open)

    def closed(self, *, clean: bool) -> None:
        self.open -= 1
        self.counts["closed_cleanly" if clean else "lost"] += 1

    def report(self) -> dict[str, Any]:
        """Sum up."""
        wall_s, cpu_s = time.monotonic() - self._wall, time.process_time() - self._cpu
        late = sorted(self.late_ms)
        late_p99_ms = late[int(0.99 * len(late))] if late else 0.0
        return {
            "counts": dict(self.counts),
            "marks": {name: list(kept) for name, kept in self.marks.items()},
            "most_open": self.most_open,
            "still_open": self.open,
            "cpu_share": cpu_s / wall_s,
            "late_p99_ms": late_p99_ms,
            "late_max_ms": late[-1] if late else 0.0,
            "waited_share": self.waited_s / self.poured_s if self.poured_s else None,
            "limit": self._limit(cpu_s / wall_s, late_p99_ms),
        }

    def _limit(self, cpu_share: float, late_p99_ms: float) -> str | None:
        if late_p99_ms > LATE_P99_MS:
            return f"its deltas left up to {late_p99_ms:.0f} ms late (p99)"
        if self.poured_s > 0.5 and self.waited_s / self.poured_s < WAITED_SHARE:
            return f"it waited for the client {100 * self.waited_s / self.poured_s:.0f} % of the time only"
        if cpu_share > BUSY_SHARE:
            return f"it used {100 * cpu_share:.0f} % of its core"
        return None

"""Runs that never were, for whatever shows runs."""

import random
from functools import cache

from engine.farm.figures import Figures
from engine.farm.snapshot import RunSnapshot, WorkerState

HOSTILE = "<script>alert('x')</script>\x1b[2J\u202e&amp;"
"""What others may call their things."""


@cache
def figures(turns=400, *, slow=1.0, seed=1):
    chance, made = random.Random(seed), Figures()
    for _ in range(turns):
        made.add("time_to_first_audio", chance.gammavariate(9, 50) * slow)
        made.add("response_time", chance.gammavariate(9, 300) * slow)
        made.add("word_error_rate", chance.betavariate(1, 20))
    for _ in range(turns // 3):
        made.add("connect_time", chance.gammavariate(4, 20))
        made.add("session_time", chance.gammavariate(30, 1000))
        made.add("error_rate", float(chance.random() < 0.02))
    return made


def worker(number=1, **changes):
    row = {"active": 24, "ended": 150, "memory_bytes": 57_000_000, "cpu_share": 0.31, "lag_ms": 12.0}
    return WorkerState(name=f"worker-{number}", **{**row, **changes})


def snapshot(**changes):
    row = {
        "run_id": "1f3a9c02",
        "name": "spoken-prompts",
        "phase": "running",
        "held_back": "cap of sessions",
        "elapsed_s": 134.2,
        "left_s": 80.0,
        "jobs": 500,
        "done": {"passed": 300, "failed": 9, "error": 2, "lost": 1},
        "active": 48,
        "waiting": 2,
        "retried": 7,
        "starts_per_s": 8.2,
        "pace_per_s": 10.0,
        "figures": figures(),
        "recent": figures(60, slow=1.2, seed=2),
        "errors": {"connection": 3, "rate_limited": 5, "worker": 1},
        "tokens": 1_234_567,
        "cost_usd": 1.234,
        "unpriced": 12,
        "kept_bytes": 1_200_000_000,
        "workers": (worker(1), worker(2, state="silent", lost=4, starts=2, lag_ms=240.0)),
    }
    return RunSnapshot(**{**row, **changes})

"""What another host than Trio costs: `python -m benchmarks.hosts [--seed PYTHON] [--rounds N]`.

The same scenarios with our engine on Trio, asyncio and uvloop, one process a run, in turn (A B C A B C), and with the
seed, which is asyncio, where a Python that has it is given. CPU is the process's own clock: on asyncio that counts both
threads. Prints medians, and the smallest and largest of all rounds; `--json FILE` keeps each run.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.harness.machine import pinned
from benchmarks.harness.runner import drive
from benchmarks.harness.server import LoadServerHandle

BOUND_S: Final = 60.0

SCENARIOS: Final[dict[str, tuple[str, dict[str, Any], tuple[str, ...]]]] = {
    "burst": ("burst", {"deltas": 20_000, "frames": 5_000}, ("cpu_us_per_event", "frame_cpu_us", "lost")),
    "live 1": ("live", {"sessions": 1, "seconds": 3}, ("cpu_share", "p50_ms", "p99_ms", "lost")),
    "live 20": ("live", {"sessions": 20, "seconds": 3}, ("cpu_share", "p50_ms", "p99_ms", "lost")),
    "live 100": ("live", {"sessions": 100, "seconds": 3}, ("cpu_share", "p50_ms", "p99_ms", "lost")),
    "churn": ("churn", {"sessions": 200, "at_once": 1}, ("cpu_ms_a_session", "sessions_per_s")),
    "barge-in": ("barge_in", {"queued_s": 30, "rounds": 2, "round_bound_s": 10}, ("told_ms", "told_max_ms")),
}
"""Its name here: the driver's scenario, its load, and the figures that are shown."""

Rows = dict[tuple[str, str], list[dict[str, Any]]]


def contenders(seed: str | None) -> Iterator[tuple[str, str, str]]:
    """Give each one's name, its Python and its driver."""
    for host in ("trio", "asyncio", "uvloop"):
        yield host, sys.executable, "engine"
    if seed is not None:
        yield "seed", seed, "seed"


def measure(server: LoadServerHandle, names: Sequence[str], seed: str | None, rounds: int, core: int | None) -> Rows:
    """Run all of it in turn."""
    rows: Rows = {}
    for scenario in names:
        driver_scenario, load, _ = SCENARIOS[scenario]
        for _ in range(rounds):
            for name, python, driver in contenders(seed):
                loop = "asyncio" if name == "seed" else name
                given = {"url": server.url(), "bound_s": BOUND_S, "loop": loop, "core": core, **load}
                server.ask("reset")
                figures = drive(python, driver, driver_scenario, given)
                if scenario == "barge-in" and "told_ns" in figures:
                    figures = told_after(figures, server.ask("report"))
                rows.setdefault((scenario, name), []).append(figures)
                print(f"{scenario:9} {name:8} {json.dumps(figures)[:110]}", file=sys.stderr, flush=True)
    return rows


def told_after(figures: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """Subtract the moment at which the server told of speech from that at which the application heard."""
    pairs = zip(figures["told_ns"], report["marks"].get("interrupted", ()), strict=False)
    late = sorted((at - began) / 1e6 for at, began in pairs if at is not None)
    return {"told_ms": statistics.median(late), "told_max_ms": late[-1]} if late else {"error": "never told"}


def table(rows: Rows) -> str:
    """Show medians, and the range."""
    lines = []
    for (scenario, name), runs in rows.items():
        shown = [f"{key} {spread(runs, key)}" for key in SCENARIOS[scenario][2]]
        lines.append(f"{scenario:9} {name:8} " + "   ".join(shown))
    return "\n".join(lines)


def spread(runs: Sequence[dict[str, Any]], key: str) -> str:
    """Show a figure of several runs."""
    values = [run[key] for run in runs if isinstance(run.get(key), (int, float))]
    if not values:
        return next((f"({run[why]})" for run in runs for why in ("error", "cannot", "hang") if why in run), "-")
    return f"{statistics.median(values):.3g} ({min(values):.3g}..{max(values):.3g})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", help="a Python with strands-agents==1.40.0, anyio and pybase64")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="a scenario; may be repeated")
    parser.add_argument("--json", type=Path, help="file for each run's figures")
    given = parser.parse_args()
    own, server_core = pinned()
    with LoadServerHandle(sys.executable, server_core, tls=False) as server:
        rows = measure(server, given.only or list(SCENARIOS), given.seed, given.rounds, own)
    print(table(rows))
    if given.json is not None:
        kept = [{"scenario": scenario, "host": host, "runs": runs} for (scenario, host), runs in rows.items()]
        given.json.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()

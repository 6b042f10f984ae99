"""What a session costs while nobody speaks, what opening one costs, and what importing does: `--help` tells how.

    python -m benchmarks.footprint memory --seed-python PYTHON   # resident memory a session
    python -m benchmarks.footprint breakdown                     # by the room that asked for it, tasks, classes
    python -m benchmarks.footprint churn --seed-python PYTHON    # CPU of an open and close, memory after many
    python -m benchmarks.footprint import --seed-python PYTHON

The server is a process of its own (`benchmarks.quiet_server`); runs are interleaved; figures are medians.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

DRIVERS: Final = Path(__file__).parent / "drivers"
ENGINE: Final = "engine"
SEED: Final = "seed"
RUN_LIMIT_S: Final = 600
IMPORTS: Final = {
    "engine": (ENGINE, "import engine"),
    "engine, a session": (ENGINE, "from engine import SessionConfig, open_session"),
    "seed": (SEED, "import strands.experimental.bidi.models.openai_realtime"),
    "an empty program": (ENGINE, "pass"),
}
"""What is imported, by whose Python."""

_TIMED: Final = """
import time
cpu, wall = time.process_time(), time.perf_counter()
{}
print(time.process_time() - cpu, time.perf_counter() - wall)
"""


@contextlib.contextmanager
def quiet_server() -> Iterator[int]:
    """Run the server and give its port."""
    command = [sys.executable, "-m", "benchmarks.quiet_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.stdin.close()


def measure(python: str, who: str, *arguments: str) -> Any:
    """Run a driver once: with the server's port, what to do, how often, and settings."""
    command = [python, str(DRIVERS / f"{who}_footprint.py"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=RUN_LIMIT_S)
    return json.loads(done.stdout)


def memory(pythons: dict[str, str], asked: argparse.Namespace) -> None:
    """Hold ever more idle sessions, and tell what each added."""
    with quiet_server() as port:
        runs = _runs(pythons, asked, port, "memory", asked.sessions)
    print("idle sessions, KiB: the process's resident set, and what a session adds to it (proportional set, trimmed)")
    for who, steps in runs.items():
        for place in range(len(steps[0])):
            count = steps[0][place]["sessions"]
            whole = _median(run[place]["rss"] for run in steps)
            print(f"  {who:8}{count:6} sessions{whole:10.0f} KiB", end="")
            for name in ("rss", "pss_trimmed") if count else ():
                each = _median((run[place][name] - run[0][name]) / count for run in steps)
                print(f"{each:9.1f} {name}", end="")
            print()


def churn(pythons: dict[str, str], asked: argparse.Namespace) -> None:
    """Open and close one session after another."""
    with quiet_server() as port:
        runs = _runs(pythons, asked, port, "churn", asked.opened)
    print("one open and close: CPU us, median of tenths (least to most); resident KiB after each tenth")
    for who, parts in runs.items():
        cpu = [part["cpu_us"] for run in parts for part in run["each"]]
        print(f"  {who:8}{_median(cpu):8.0f} us ({min(cpu):.0f} to {max(cpu):.0f})", end="  ")
        print(*(f"{step['rss_trimmed']:.0f}" for step in parts[-1]["steps"]))


def breakdown(pythons: dict[str, str], asked: argparse.Namespace) -> None:
    """Tell who asked for an idle session's memory."""
    with quiet_server() as port:
        told = measure(pythons[ENGINE], ENGINE, str(port), "breakdown", str(asked.held), asked.settings)
    print(
        f"an idle session: {told['bytes']:.0f} bytes in {told['blocks']:.0f} blocks; tasks: {', '.join(told['tasks'])}"
    )
    for title, table in (("room", told["files"]), ("line", told["lines"])):
        print(f"\n{'bytes':>8}{'blocks':>8}  {title}")
        for name, (size, blocks) in sorted(table.items(), key=lambda row: -row[1][0])[: asked.rows]:
            print(f"{size:8.0f}{blocks:8.1f}  {name}")
    print(f"\n{'number':>8}  class that the garbage collector follows")
    for name, number in list(told["classes"].items())[: asked.rows]:
        print(f"{number:8.1f}  {name}")


def imports(pythons: dict[str, str], asked: argparse.Namespace) -> None:
    """Time imports, with byte code that is there already, as an installed package has it."""
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name, (who, _) in IMPORTS.items() if who in pythons}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        for run in range(-1, asked.runs):  # The first one compiles.
            for name, found in figures.items():
                who, statement = IMPORTS[name]
                command = [pythons[who], "-c", _TIMED.format(statement)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
                cpu, wall = map(float, done.stdout.split()[-2:])
                if run >= 0:
                    found.append((cpu, wall))
    print("import, ms: CPU and wall, median")
    for name, found in figures.items():
        cpu, wall = (_median(each[part] * 1e3 for each in found) for part in (0, 1))
        print(f"  {name:20}{cpu:8.1f}{wall:8.1f}")


def _runs(
    pythons: dict[str, str], asked: argparse.Namespace, port: int, what: str, count: object
) -> dict[str, list[Any]]:
    runs: dict[str, list[Any]] = {who: [] for who in pythons}
    for _ in range(asked.runs):
        for who, python in pythons.items():
            runs[who].append(measure(python, who, str(port), what, json.dumps(count), asked.settings))
    return runs


def _median(values: Any) -> float:
    return statistics.median(list(values))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["memory", "breakdown", "churn", "import"])
    parser.add_argument("--seed-python", help="a Python that has strands-agents[bidi-openai]==1.40.0, to compare with")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--sessions", type=int, nargs="+", default=[100, 500, 1000], help="how many are held, in steps")
    parser.add_argument("--opened", type=int, default=2000, help="how many are opened and closed")
    parser.add_argument("--held", type=int, default=100, help="how many the breakdown is of")
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--settings", default="{}", help='EngineSettings as JSON, as {"transport": "trio-websocket"}')
    asked = parser.parse_args()
    pythons = {ENGINE: sys.executable} | ({SEED: asked.seed_python} if asked.seed_python else {})
    {"memory": memory, "breakdown": breakdown, "churn": churn, "import": imports}[asked.what](pythons, asked)


if __name__ == "__main__":
    main()

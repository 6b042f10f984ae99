"""CPU time of the hot path: one audio delta in, one microphone frame out. `python -m benchmarks.hot_path --help`.

The load server is a process of its own; runs are interleaved; figures are medians of CPU time, never wall time.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

DRIVERS = Path(__file__).parent / "drivers"
RUN_LIMIT_S = 120


@contextlib.contextmanager
def load_server(deltas: int) -> Iterator[int]:
    """Run the load server and give its port."""
    command = [sys.executable, "-m", "benchmarks.load_server", str(deltas)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.stdin.close()


def measure(python: str, driver: str, port: int, deltas: int, frames: int) -> dict[str, float]:
    """Run a driver once."""
    command = [python, str(DRIVERS / driver), str(port), str(deltas), str(frames)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=RUN_LIMIT_S)
    figures: dict[str, float] = json.loads(done.stdout)
    if figures["received"] != deltas:
        message = f"{driver} received {figures['received']} of {deltas} deltas"
        raise SystemExit(message)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed-python", help="a Python that has strands-agents[bidi-openai]==1.40.0, to compare with")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--deltas", type=int, default=20_000)
    parser.add_argument("--frames", type=int, default=5_000)
    asked = parser.parse_args()
    drivers = {"engine": (sys.executable, "engine_hot_path.py")}
    if asked.seed_python:
        drivers["strands-agents 1.40.0"] = (asked.seed_python, "seed_hot_path.py")
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in drivers}
    with load_server(asked.deltas) as port:
        for _ in range(asked.runs):
            for name, (python, driver) in drivers.items():
                runs[name].append(measure(python, driver, port, asked.deltas, asked.frames))
    print(f"CPU us an event: median (least to most) of {asked.runs} runs")
    for name, figures in runs.items():
        for key, words in (("delta_us", "100 ms audio delta in"), ("frame_us", "20 ms microphone frame out")):
            values = [run[key] for run in figures]
            print(f"{name:24}{words:28}{statistics.median(values):6.1f} ({min(values):.1f} to {max(values):.1f})")


if __name__ == "__main__":
    main()

"""What one audio delta in and one microphone frame out cost in instructions: figures that no busy machine changes.

`python -m benchmarks.instructions check` counts with valgrind and compares with `benchmarks/regression.toml`; `renew`
writes that file; `show` only counts. Counts differ between versions of Python and of the libraries, so that they are
compared where the file's own are found, and told otherwise. The engine runs over a transport in memory, twice with
different numbers of events: the difference has no start and no end in it.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parent / "regression.toml"
TOLERANCE: Final = 0.05
RUN_BOUND_S: Final = 300
FEW, MANY = 200, 600
"""Events of the two runs whose counts are subtracted."""

VALGRIND: Final = ("valgrind", "--tool=cachegrind", "--cache-sim=no")
LIBRARIES: Final = ("trio", "orjson", "pybase64", "attrs", "cattrs")
PATHS: Final = {"delta_in": "100 ms audio delta in", "frame_out": "20 ms microphone frame out"}

_COUNT: Final = re.compile(r"I\s+refs:\s+([\d,]+)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, and renew or compare; 1 where more is spent than the tolerance allows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["show", "check", "renew"])
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="share (default: %(default)s)")
    asked = parser.parse_args(arguments)
    if shutil.which("valgrind") is None:
        print("valgrind is not installed; compare ratios to the floor: `python -m benchmarks burst --compare`")
        return 0
    counts = {path: counted(path) for path in PATHS}
    if asked.what == "renew":
        FILE.write_text(written(counts))
    print("\n".join(f"{PATHS[path]}: {count:,} instructions" for path, count in counts.items()))
    return compared(counts, asked.tolerance) if asked.what == "check" else 0


def counted(path: str) -> int:
    """Count the instructions of one event."""
    process = [sys.executable, "-m", "benchmarks.counted", path, "1"]
    subprocess.run(process, check=False, timeout=RUN_BOUND_S, cwd=FILE.parents[1])  # What is compiled is so in both.
    few, many = (whole(path, events) for events in (FEW, MANY))
    return round((many - few) / (MANY - FEW))


def whole(path: str, events: int) -> int:
    """Count the instructions of a process that handles so many."""
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run(
            [
                *VALGRIND,
                f"--cachegrind-out-file={out.name}",
                sys.executable,
                "-m",
                "benchmarks.counted",
                path,
                str(events),
            ],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=RUN_BOUND_S,
            cwd=FILE.parents[1],
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONMALLOC": "pymalloc"},
        )
    found = _COUNT.search(done.stderr)
    if done.returncode or found is None:
        words = [line for line in done.stderr.splitlines() if line and not line.startswith("==")]
        raise SystemExit(f"{path} could not be counted: {' | '.join(words[-3:]) or done.stderr[-300:]}")
    return int(found[1].replace(",", ""))


def made_with() -> dict[str, str]:
    """Name the versions that the counts depend on."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "-"
    return found


def written(counts: dict[str, int]) -> str:
    """Write the file's text."""
    lines = ["# Instructions of one event: `python -m benchmarks.instructions renew` writes, `check` compares.", ""]
    lines += ["[made_with]", *(f'{name} = "{value}"' for name, value in made_with().items()), ""]
    lines += ["[instructions]", *(f"{path} = {count}" for path, count in counts.items()), ""]
    return "\n".join(lines)


def compared(counts: dict[str, int], tolerance: float) -> int:
    """Compare with the file: 1 where a count has grown past the tolerance, if the versions are the file's."""
    kept = tomllib.loads(FILE.read_text())
    others = [f"{name} {value}" for name, value in made_with().items() if kept["made_with"].get(name) != value]
    worst = 0.0
    for path, count in counts.items():
        before = kept["instructions"][path]
        worst = max(worst, count / before - 1)
        print(f"{PATHS[path]}: {before:,} before, {100 * (count / before - 1):+.1f} %")
    if others:
        print("not judged, for the file was made with other versions than " + ", ".join(others))
        return 0
    print("ok" if worst <= tolerance else f"more than {100 * tolerance:g} % above: make it cheaper, or renew the file")
    return int(worst > tolerance)


if __name__ == "__main__":
    sys.exit(main())

"""What one core carries: `python -m benchmarks.capacity [--sessions 2000] [--peers a,b]`.

- A farm: so many sessions in one process on one core, one in ten talking at a time, both ways; nothing may be lost.
  Once with Python's garbage collector as it is, once with `gc.freeze()` after all are open, as a farm would call it.
- The most sessions that all talk at once with less than 20 ms added (p99), nothing lost and real time kept, found by
  bisection; each number is tried three times before it is given up, for others use the machine too.
"""

import argparse
import json
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.harness import machine
from benchmarks.harness.contenders import ENGINE, PEERS_FILE, Contender, chosen
from benchmarks.harness.records import Run
from benchmarks.harness.runner import Stage, run_once
from benchmarks.harness.scenario import Figures, Scenario, Variant
from benchmarks.harness.scenarios import LIVE
from benchmarks.harness.server import LoadServerHandle
from benchmarks.harness.settle import settle_live
from benchmarks.harness.table import number, table
from benchmarks.harness.venvs import DEFAULT_FOLDER, server_python

LATENCY_P99_MS: Final = 20.0
TRIES: Final = 3
STEP: Final = 0.05
"""The search ends when bounds lie closer than this share."""

FILES_A_SESSION: Final = 1
SPARE_FILES: Final = 64


def farm_of(sessions: int, one_in: int, turn_s: float, *, freeze: bool) -> tuple[Scenario, Variant]:
    """Describe the farm's run."""
    load = {"sessions": sessions, "one_in": one_in, "turn_s": turn_s, "freeze": freeze}
    variant = Variant(load=load, bound_s=120 + one_in * turn_s * 2 + sessions / 20)
    scenario = Scenario(
        name="farm", title="", told="-", driver="farm", variants=[variant], metrics=[], settle=settle_live
    )
    return scenario, variant


def all_talking(sessions: int, seconds: float) -> Variant:
    """Describe one probe of the search."""
    return Variant(load={"sessions": sessions, "seconds": seconds}, bound_s=90 + sessions / 10)


def holds(run: Run) -> bool:
    """Tell whether so many were carried; where the server was the limit, nobody knows, and that counts as no."""
    figures = run.figures
    return (
        run.outcome == "measured"
        and bool(figures["in_time"])
        and (figures["p99_ms"] or 0.0) < LATENCY_P99_MS
        and not figures["lost"]
        and not figures["mic_lost_ms"]
        and not figures["broken"]
    )


def most(carries: Callable[[int], bool], least: int, limit: int) -> int:
    """Find the largest number that is carried, to within 5 %: doubling, then bisection; 0 if not even the least."""
    if not carries(least):
        return 0
    low, high = least, least
    while high < limit:
        high = min(2 * high, limit)
        if not carries(high):
            break
        low = high
    while high - low > max(1, STEP * low):
        middle = (low + high) // 2
        low, high = (middle, high) if carries(middle) else (low, middle)
    return low


def search(stage: Stage, contender: Contender, seconds: float, limit: int) -> tuple[int, list[Run]]:
    """Find the most sessions of a contender, and give each probe."""
    probes: list[Run] = []

    def carries(sessions: int) -> bool:
        for attempt in range(TRIES):
            run = run_once(stage, LIVE, all_talking(sessions, seconds), contender, attempt)
            probes.append(run)
            print(f"  {contender.name}, {sessions} all talking: {_told(run)}", file=sys.stderr, flush=True)
            if holds(run):
                return True
        return False

    return most(carries, 25, limit), probes


def _told(run: Run) -> str:
    if run.outcome != "measured":
        return f"{run.outcome}: {run.words}"
    figures = run.figures
    limit = f"; the load server was the limit: {run.limit}" if run.limit else ""
    share, p99_ms = 100 * figures["cpu_share"], figures["p99_ms"] or 0.0
    return f"CPU {share:.0f} %, p99 {p99_ms:.1f} ms, lost {figures['lost']}, {'ok' if holds(run) else 'no'}{limit}"


def files_allowed() -> int:
    """Raise the number of open files as far as the system lets us; how many sessions that is enough for."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return (hard - SPARE_FILES) // FILES_A_SESSION


def farm_row(name: str, run: Run) -> list[str]:
    """Write a row of the farm's table."""
    figures: Figures = run.figures
    if run.outcome != "measured":
        return [name, f"*{run.outcome}*: {run.words}", *[""] * 9]
    return [
        name + (", `gc.freeze()` once all are open" if figures["frozen"] else ""),
        number(figures["sessions"], 0),
        number(figures["talking"], 0),
        number(100 * figures["cpu_share"], 1),
        number(figures["p50_ms"] or 0.0, 2),
        number(figures["p99_ms"] or 0.0, 2),
        number(figures["max_ms"] or 0.0, 1),
        number(figures["gc_longest_ms"], 0),
        f"{figures['lost']} deltas, {figures['mic_lost_ms']:.0f} ms of microphone",
        number(figures["idle_kib_a_session"], 1),
        number(figures["process_mib"], 0),
    ]


_FARM_HEAD: Final = (
    "",
    "sessions",
    "talking at a time",
    "CPU (% of a core)",
    "latency p50 (ms)",
    "p99 (ms)",
    "most (ms)",
    "longest pass of the garbage collector (ms)",
    "lost",
    "idle session (KiB)",
    "process (MiB)",
)


def parser() -> argparse.ArgumentParser:
    """Make what reads the command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__.splitlines()[0])
    made.add_argument("--sessions", type=int, default=2000, help="of the farm; 0 for no farm (default: %(default)s)")
    made.add_argument("--one-in", type=int, default=10, help="so many talk at a time (default: one in %(default)s)")
    made.add_argument("--turn-s", type=float, default=3.0, help="how long each talks (default: %(default)s)")
    made.add_argument("--limit", type=int, default=2000, help="of the search; 0 for none (default: %(default)s)")
    made.add_argument("--seconds", type=float, default=5.0, help="of each probe (default: %(default)s)")
    made.add_argument("--peers", default="", help="to search with too, as seed,floor_picows")
    made.add_argument("--peers-file", type=Path, default=PEERS_FILE)
    made.add_argument("--venvs", type=Path, default=DEFAULT_FOLDER)
    made.add_argument("--out", type=Path, default=Path("benchmarks-out"), help="for capacity.json and capacity.md")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    asked = parser().parse_args(arguments)
    allowed = files_allowed()
    wanted = max(asked.sessions, asked.limit)
    if wanted > allowed:
        print(f"this user may open files for {allowed} sessions only (ulimit -n), not {wanted}", file=sys.stderr)
        asked.sessions, asked.limit = min(asked.sessions, allowed), min(asked.limit, allowed)
    about = {"commit": machine.commit(), "machine": machine.described() | {"niceness": machine.favoured()}}
    client_core, server_core = machine.pinned()
    with LoadServerHandle(server_python(asked.venvs), server_core, tls=False) as server:
        page, kept = measured(asked, Stage(server, asked.venvs, client_core))
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "capacity.json").write_text(json.dumps(about | kept, indent=1) + "\n")
    (asked.out / "capacity.md").write_text(page)
    print(page)
    return 0


def measured(asked: argparse.Namespace, stage: Stage) -> tuple[str, dict[str, Any]]:
    """Run the farm and the search; the page and what is kept."""
    import attrs  # noqa: PLC0415 - only for what is written at the end

    names = {ENGINE, f"{ENGINE}-100ms", *(name for name in asked.peers.split(",") if name)}
    contenders = [
        one
        for one in chosen([ENGINE, *asked.peers.split(",")] if asked.peers else [ENGINE], asked.peers_file)
        if one.name in names
    ]
    page, kept = [], dict[str, Any]()
    if asked.sessions:
        farms = [farm_of(asked.sessions, asked.one_in, asked.turn_s, freeze=freeze) for freeze in (False, True)]
        farmers = [one for one in contenders if one.name != f"{ENGINE}-100ms"]
        runs = [run_once(stage, *farm, one, number) for one in farmers for number, farm in enumerate(farms)]
        rows = [farm_row(run.contender, run) for run in runs]
        page.append(f"### {asked.sessions:,} sessions, one in {asked.one_in} talking\n\n" + table(_FARM_HEAD, rows))
        kept["farm"] = [attrs.asdict(run) for run in runs]
        print(page[-1], file=sys.stderr, flush=True)
    if asked.limit:
        found = {one: search(stage, one, asked.seconds, asked.limit) for one in contenders}
        rows = [[one.title, number(count, 0), _best(probes, count)] for one, (count, probes) in found.items()]
        head = ("", f"all talking, p99 below {LATENCY_P99_MS:g} ms", "at that number")
        page.append("### The most sessions that all talk at once\n\n" + table(head, rows))
        kept["search"] = {one.name: [attrs.asdict(run) for run in probes] for one, (_, probes) in found.items()}
    return "\n\n".join(page) + "\n", kept


def _best(probes: Sequence[Run], count: int) -> str:
    return next((_told(run) for run in probes if run.figures.get("sessions") == count and holds(run)), "-")


if __name__ == "__main__":
    sys.exit(main())

"""A farm's run on this machine in real time: `python -m benchmarks.farm_capacity [--sessions 2000] [--workers 2]`.

So many sessions are open at the same time in worker processes, and talk to simulator processes over TCP; one in ten is
in talk at a time: its caller speaks a recording of three seconds, and hears the answer out. The plan is
`benchmarks/farm_capacity.toml` in another size; `engine.farm.run.Run` runs it, as the command line does.

Wanted: nothing is lost. Each job passed at its only try; each turn was answered; the simulators' own ledgers know each
attempt once and no other session, and hold as many microphone frames and audio deltas as the farm's do. Then it tells
what it took: CPU by process, memory, files and bytes a session, latency, lag and pauses, and the run's folder.

It needs Linux (/proc). Sessions are started evenly (`--starts` a second) and are all open for `--seconds`.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from benchmarks.farm_findings import TALK_S, Found, Moment, Size, faults_of, figures_of
from benchmarks.farm_vitals import Inside, look
from benchmarks.farm_worker import TELLS
from engine.blocks import block_nursery
from engine.farm.backends import WorkerSpec
from engine.farm.backends.processes import ProcessesBackend
from engine.farm.ledger import Ledger
from engine.farm.link import Down, Link, OnLink, Up
from engine.farm.plan.load import load_plan
from engine.farm.plan.model import Caps, Plan, Target
from engine.farm.report import write_report
from engine.farm.run import Run

PLAN: Final = Path(__file__).with_suffix(".toml")
WORKER: Final = "benchmarks.farm_worker"
SERVER: Final = "benchmarks.farm_server"

LOOK_EVERY_S: Final = 1.0
ROWS: Final = 40
"""Different moments at which callers speak first."""


def plan_of(size: Size, port: int) -> Plan:
    """Make the plan in this size, for simulators that listen on a port."""
    plan = load_plan(PLAN)
    (caller,) = plan.scenarios
    begin, say, gap, _, end = caller.turns
    rows = tuple(_row(place, size, str(caller.rows[place % 2]["speech"])) for place in range(min(ROWS, size.sessions)))
    turns = (begin, say, *[gap, say] * (size.turns - 1), end)
    repeat = math.ceil(size.sessions / len(rows))
    caller = attrs.evolve(caller, rows=rows, turns=turns, repeat=repeat)
    return attrs.evolve(
        plan,
        scenarios=(caller,),
        target=Target(kind="url", url=f"ws://127.0.0.1:{port}/v1"),
        session={"engine": {"input_frame_ms": size.frame_ms}},
        keep=attrs.evolve(plan.keep, audio=size.keep, events=size.keep),
        caps=Caps(sessions=len(rows) * repeat, starts_per_s=size.starts_per_s),
    )


def _row(place: int, size: Size, speech: str) -> dict[str, Any]:
    """Give a caller its moments: an irrational step spreads them evenly however many there are."""
    free_s = size.cycle_s - TALK_S
    phase_s = round(place * 0.6180339887 % 1.0 * free_s, 3)
    return {"speech": speech, "phase_s": phase_s, "gap_s": free_s, "rest_s": free_s - phase_s}


# --- what the run talks to, and what looks at it ----------------------------------------------------------------------


class Server:
    """A simulator's process."""

    def __init__(self, process: trio.Process) -> None:
        self.pid = process.pid
        self._process = process
        self._rest = b""

    async def line(self) -> str:
        """Read what it tells."""
        assert self._process.stdout is not None
        while b"\n" not in self._rest:
            chunk = await self._process.stdout.receive_some()
            if not chunk:
                raise RuntimeError("a simulator died")
            self._rest += chunk
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode()

    async def seen(self) -> dict[str, Any]:
        """Ask what it saw."""
        assert self._process.stdin is not None
        await self._process.stdin.send_all(b"?")
        told: dict[str, Any] = json.loads(await self.line())
        return told

    async def end(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        await self._process.stdin.aclose()
        with trio.move_on_after(5):
            await self._process.wait()
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def servers(count: int) -> AsyncIterator[tuple[int, list[Server]]]:
    """Have simulators on one port for the time of the block."""
    port, running = 0, list[Server]()
    try:
        for _ in range(count):
            command = [sys.executable, "-m", SERVER, str(port)]
            server = Server(await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            running.append(server)
            port = int(await server.line())
        yield port, running
    finally:
        with trio.CancelScope(shield=True):
            for server in running:
                await server.end()


class CountedLink:
    """A link whose exchanges are counted."""

    def __init__(self, link: Link, counts: Counter[str], talking: dict[str, int]) -> None:
        self.name, self.slots, self.shares_folder = link.name, link.slots, link.shares_folder
        self._link = link
        self._counts = counts
        self._talking = talking

    async def exchange(self, down: Down) -> Up:
        """Exchange, and count it."""
        up = await self._link.exchange(down)
        self._counts["exchanges"] += 1
        self._talking[self.name] = up.talking
        return up

    async def stop(self, grace_s: float) -> None:
        """End the worker."""
        await self._link.stop(grace_s)


class CountedProcesses:
    """The backend of processes, with workers that tell how they fared."""

    def __init__(self, spec: WorkerSpec, counts: Counter[str], talking: dict[str, int]) -> None:
        self._backend = ProcessesBackend(spec, module=WORKER)
        self._counts = counts
        self._talking = talking

    async def run(self, on_link: OnLink) -> None:
        """Run the workers."""

        async def counted(link: Link) -> None:
            await on_link(CountedLink(link, self._counts, self._talking))

        await self._backend.run(counted)


class Looker:
    """Looks at all processes once a second; knows what looking costs."""

    def __init__(self, run: Run, simulators: Sequence[Server], counts: Counter[str], talking: dict[str, int]) -> None:
        self.moments: list[Moment] = []
        self.cpu_s = 0.0
        self._run = run
        self._counts = counts
        self._simulators = [server.pid for server in simulators]
        self._talking = talking

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            began = time.thread_time()
            self._look()
            self.cpu_s += time.thread_time() - began
            await trio.sleep(LOOK_EVERY_S)

    def _look(self) -> None:
        pids = {"worker": _workers(), "simulator": self._simulators, "coordinator": [os.getpid()]}
        by_role = {role: [look(pid) for pid in each] for role, each in pids.items()}
        active, exchanges = self._run.snapshot().active, self._counts["exchanges"]
        self.moments.append(Moment(time.monotonic(), active, sum(self._talking.values()), exchanges, by_role))


def _workers() -> list[int]:
    """Give the pids of our children that are workers."""
    children = [pid for task in Path("/proc/self/task").glob("*/children") for pid in _read(task).split()]
    return [int(pid) for pid in children if WORKER.encode() in _read(Path("/proc", pid.decode(), "cmdline"))]


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError:
        return b""


# --- a run ------------------------------------------------------------------------------------------------------------


async def measure(size: Size, folder: Path) -> Found:
    """Run it."""
    counts: Counter[str] = Counter()
    talking: dict[str, int] = {}
    inside = Inside()
    tells = folder / "workers"
    tells.mkdir()
    os.environ[TELLS] = str(tells)
    out = folder / "run"
    async with servers(size.workers) as (port, simulators):
        plan = plan_of(size, port)
        run = Run(plan, out=out, workers=size.workers, backend=lambda spec: CountedProcesses(spec, counts, talking))
        looker = Looker(run, simulators, counts, talking)
        before_s = time.process_time()
        async with block_nursery() as nursery:
            nursery.start_soon(inside.run)
            nursery.start_soon(looker.run)
            await run.run()
            nursery.cancel_scope.cancel()
        cpu_s = time.process_time() - before_s
        seen = [await server.seen() for server in simulators]
    with Ledger.open(out, write=False) as ledger:
        results, attempts = list(ledger.results()), sum(1 for _ in ledger.attempts())
    return Found(
        size=size,
        moments=looker.moments,
        results=results,
        attempts=attempts,
        seen=seen,
        workers=[json.loads(told.read_text()) for told in sorted(tells.iterdir())],
        coordinator=inside.told() | {"cpu_s": cpu_s},
        looking_cpu_s=looker.cpu_s,
        exchanges=counts["exchanges"],
        ledger_bytes=sum(file.stat().st_size for file in out.glob("ledger.sqlite*")),
        files_bytes=sum(file.stat().st_size for file in (out / "sessions").rglob("*") if file.is_file()),
    )


def report_figures(out: Path) -> dict[str, float]:
    """Write the run's report, and say what that took."""
    began = time.perf_counter()
    page = write_report(out)
    return {"report (s)": time.perf_counter() - began, "report (bytes)": page.stat().st_size}


# --- as a command -----------------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """Make what reads the command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.farm_capacity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--sessions", type=int, default=Size().sessions)
    made.add_argument("--workers", type=int, default=Size().workers, help="processes, and as many simulators")
    made.add_argument("--seconds", type=float, default=Size().seconds, help="for so long all are open")
    made.add_argument("--talking", type=float, default=Size().talking, help="share of sessions in talk at a time")
    made.add_argument("--starts", type=float, default=Size().starts_per_s, help="sessions that start a second")
    made.add_argument("--keep", type=float, default=Size().keep, help="share of sessions whose files are kept")
    made.add_argument("--frame-ms", type=int, default=Size().frame_ms, help="length of a microphone frame")
    made.add_argument("--quick", action="store_true", help="a tenth of the sessions, for 20 s")
    made.add_argument("--out", type=Path, help="a new folder for the run and capacity.json; else nothing is kept")
    return made


def asked_size(asked: argparse.Namespace) -> Size:
    """Read the size; whole rows of callers."""
    sessions = max(1, asked.sessions // 10) if asked.quick else asked.sessions
    if sessions > ROWS:
        sessions -= sessions % ROWS
    return Size(
        sessions=sessions,
        workers=asked.workers,
        seconds=min(20.0, asked.seconds) if asked.quick else asked.seconds,
        talking=asked.talking,
        starts_per_s=asked.starts,
        keep=asked.keep,
        frame_ms=asked.frame_ms,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked, and say what was found."""
    size = asked_size(parser().parse_args(arguments))
    out = parser().parse_args(arguments).out
    if sys.platform != "linux":
        print("it needs Linux: /proc tells what processes take", file=sys.stderr)
        return 2
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as scratch:
        folder = out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found = trio.run(measure, size, folder)
        faults, figures = faults_of(found), figures_of(found)
        told = {"size": attrs.asdict(size), "faults": faults, "figures": figures}
        (folder / "capacity.json").write_text(json.dumps(told, indent=2))
        figures |= report_figures(folder / "run")
    print(
        f"{size.sessions} sessions at a time, {size.workers} workers, {size.workers} simulators, {os.cpu_count()} CPUs"
    )
    for name, value in figures.items():
        print(f"{name:>52}  {value:,.3f}" if value < 100 else f"{name:>52}  {value:,.0f}")
    print("nothing was lost" if not faults else "NOT AS WANTED: " + "; ".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())

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
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from benchmarks.farm_vitals import Inside, Look, look, percentile
from benchmarks.farm_worker import TELLS
from engine.blocks import block_nursery
from engine.farm.backends import WorkerSpec
from engine.farm.backends.processes import ProcessesBackend
from engine.farm.job import Result
from engine.farm.ledger import Ledger
from engine.farm.link import Down, Link, OnLink, Up
from engine.farm.plan.load import load_plan
from engine.farm.plan.model import Caps, Plan, Target
from engine.farm.report import write_report
from engine.farm.run import Run
from engine.simulator import Pace

PLAN: Final = Path(__file__).with_suffix(".toml")
WORKER: Final = "benchmarks.farm_worker"
SERVER: Final = "benchmarks.farm_server"

TALK_S: Final = 6.0
"""What a turn of the plan takes: 3.1 s of speech, 0.5 s of silence, 0.3 s of thought, 2 s of answer."""

FRAME_MS: Final = 40
PACED_MS: Final = Pace().think_ms + Pace().first_delta_ms
"""From the end of speech to the first audio as the simulator is set: what is above is added."""

LOOK_EVERY_S: Final = 1.0
ROWS: Final = 40
"""Different moments at which callers speak first."""


@attrs.frozen(kw_only=True)
class Size:
    """How large a run is.

    Attributes:
        sessions: At a time, and in all.
        workers: Processes; there are as many simulators.
        seconds: For so long all are open.
        talking: Share of sessions that are in talk.
        starts_per_s: Sessions that start a second.
    """

    sessions: int = 2000
    workers: int = 2
    seconds: float = 60.0
    talking: float = 0.1
    starts_per_s: float = 50.0

    @property
    def turns(self) -> int:
        """Turns of a session: so many that it outlives the ramp and the time when all are open."""
        return max(1, math.ceil((self.sessions / self.starts_per_s + self.seconds) / self.cycle_s))

    @property
    def cycle_s(self) -> float:
        """From one turn of a caller to its next."""
        return TALK_S / self.talking


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
        caps=Caps(sessions=len(rows) * repeat, starts_per_s=size.starts_per_s),
    )


def _row(place: int, size: Size, speech: str) -> dict[str, Any]:
    """Give a caller its moments: an irrational step spreads them evenly however many there are."""
    free_s = size.cycle_s - TALK_S
    phase_s = round(place * 0.6180339887 % 1.0 * free_s, 3)
    return {"speech": speech, "phase_s": phase_s, "gap_s": free_s, "rest_s": free_s - phase_s}


# --- what the run talks to, and what looks at it -----------------------------------------------------------------------


class Server:
    """A simulator's process."""

    def __init__(self, process: trio.Process) -> None:
        self.pid = process.pid
        self._process = process
        self._rest = b""

    async def line(self) -> str:
        """Read what it tells."""
        assert self._process.stdout is not None  # noqa: S101 - of `servers`
        while b"\n" not in self._rest:
            chunk = await self._process.stdout.receive_some()
            if not chunk:
                raise RuntimeError("a simulator died")
            self._rest += chunk
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode()

    async def seen(self) -> dict[str, Any]:
        """Ask what it saw."""
        assert self._process.stdin is not None  # noqa: S101
        await self._process.stdin.send_all(b"?")
        told: dict[str, Any] = json.loads(await self.line())
        return told

    async def end(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None  # noqa: S101
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
            server = Server(
                await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
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


@attrs.frozen
class Moment:
    """All processes at one moment.

    Attributes:
        at_s: Of the monotonic clock.
        active: Sessions.
        talking: Of these, in how many somebody speaks just now.
        exchanges: Of coordinator and workers so far.
        by_role: Each process, by `worker`, `simulator`, `coordinator`.
    """

    at_s: float
    active: int
    talking: int
    exchanges: int
    by_role: dict[str, list[Look]]

    def total(self, role: str, figure: str) -> float:
        """Add a figure up over the processes of a role."""
        return float(sum(getattr(each, figure) for each in self.by_role[role]))


class Looker:
    """Looks at all processes once a second; knows what looking costs."""

    def __init__(
        self, run: Run, simulators: Sequence[Server], counts: Counter[str], talking: dict[str, int]
    ) -> None:
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


# --- a run -------------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Found:
    """What a run left behind."""

    size: Size
    moments: list[Moment]
    results: list[Result]
    attempts: int
    seen: list[dict[str, Any]]
    workers: list[dict[str, Any]]
    coordinator: dict[str, Any]
    looking_cpu_s: float
    exchanges: int
    ledger_bytes: int
    files_bytes: int
    report_s: float
    report_bytes: int


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
        run = Run(
            plan, out=out, workers=size.workers, backend=lambda spec: CountedProcesses(spec, counts, talking)
        )
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
    began = time.perf_counter()
    page = write_report(out)
    report_s = time.perf_counter() - began
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
        report_s=report_s,
        report_bytes=page.stat().st_size,
    )


# --- what was lost -----------------------------------------------------------------------------------------------------


def faults_of(found: Found) -> list[str]:
    """Say what is not as wanted."""
    wanted, results = found.size.sessions, found.results
    requests = Counter(name for each in found.seen for name in each["requests"])
    turns = [turn for result in results for turn in result.turns]
    checks = {
        f"results {Counter(result.status for result in results)}, wanted {wanted} that passed": (
            [result.status for result in results] == ["passed"] * wanted
        ),
        f"{found.attempts} attempts": found.attempts == wanted,
        f"the simulators saw {len(requests)} sessions that are not the ledger's": (
            requests == Counter(result.attempt_id for result in results)
        ),
        f"{len(turns)} turns, wanted {wanted * found.size.turns}": len(turns) == wanted * found.size.turns,
        f"turns {Counter(turn.status for turn in turns)}": all(turn.status == "completed" for turn in turns),
        "answers without sound": all(turn.audio_ms > 0 for turn in turns),
        "answers that were not heard out": all(abs(turn.heard_ms - turn.audio_ms) < 1 for turn in turns),
        f"{sum(result.audio_lost_ms for result in results):.0f} ms of audio lost": (
            not any(result.audio_lost_ms for result in results)
        ),
        f"frames sent {frames_sent(results):.0f}, received {_seen(found, 'frames')}": (
            frames_sent(results) == _seen(found, "frames")
        ),
        f"deltas sent {_seen(found, 'deltas')}, received {sum(result.deltas for result in results)}": (
            _seen(found, "deltas") == sum(result.deltas for result in results)
        ),
        f"{_seen(found, 'crashes')} crashes, {_seen(found, 'open')} left open at the simulators": (
            not _seen(found, "crashes") and not _seen(found, "open")
        ),
        f"{most_at_a_time(results)} at a time": most_at_a_time(results) == wanted,
    }
    return [words for words, holds in checks.items() if not holds]


def _seen(found: Found, name: str) -> int:
    return sum(each[name] for each in found.seen)


def frames_sent(results: Iterable[Result]) -> float:
    """Count microphone frames by the audio that the farm's sessions took."""
    return sum(result.audio_in_ms for result in results) / FRAME_MS


def most_at_a_time(results: Sequence[Result]) -> int:
    """Count the most open sessions at any moment, by when each was open."""
    steps = [(result.began_at + (result.connect_ms or 0.0) / 1000, 1) for result in results]
    steps += [(result.began_at + result.duration_ms / 1000, -1) for result in results]
    most = active = 0
    for _, step in sorted(steps):
        active += step
        most = max(most, active)
    return most


# --- what it took --------------------------------------------------------------------------------------------------------


def figures_of(found: Found) -> dict[str, float]:
    """Reckon what the run took."""
    full = [moment for moment in found.moments if moment.active == found.size.sessions]
    empty = next(moment for moment in found.moments if len(moment.by_role["worker"]) == found.size.workers)
    if len(full) < 2:
        return {}
    first, last = full[0], full[-1]
    wall_s = last.at_s - first.at_s
    figures: dict[str, float] = {"all open (s)": wall_s}
    figures["exchanges a second while all are open"] = (last.exchanges - first.exchanges) / wall_s
    figures["in talk at a time, mean"] = sum(moment.talking for moment in full) / len(full)
    figures["in talk at a time, most"] = max(moment.talking for moment in full)
    for role in first.by_role:
        figures |= _of_role(role, first, last, empty, found.size)
    return figures | _opening(found, empty, first) | _of_calls(found) | _of_coordinator(found) | _inside(found)


def _of_role(role: str, first: Moment, last: Moment, empty: Moment, size: Size) -> dict[str, float]:
    wall_s = last.at_s - first.at_s

    def share(figure: str) -> float:
        return (last.total(role, figure) - first.total(role, figure)) / wall_s

    def grown(figure: str) -> float:
        return (last.total(role, figure) - empty.total(role, figure)) / size.sessions

    return {
        f"{role}: CPU while all are open (cores)": share("cpu_s"),
        f"{role}: of that the system's (cores)": share("system_cpu_s"),
        f"{role}: CPU a session while all are open (ms/s)": share("cpu_s") / size.sessions * 1000,
        f"{role}: memory before (MiB)": empty.total(role, "memory_bytes") / 2**20,
        f"{role}: memory at the end (MiB)": last.total(role, "memory_bytes") / 2**20,
        f"{role}: memory a session (KiB)": grown("memory_bytes") / 1024,
        f"{role}: open files a session": grown("files"),
    }


def _opening(found: Found, empty: Moment, first: Moment) -> dict[str, float]:
    """Reckon what a session's opening takes: what the ramp took above what its sessions took once they were open."""
    ramp = [moment for moment in found.moments if empty.at_s <= moment.at_s <= first.at_s]
    full = [moment for moment in found.moments if moment.active == found.size.sessions]
    open_s = sum(
        (after.at_s - before.at_s) * (after.active + before.active) / 2
        for before, after in zip(ramp, ramp[1:], strict=False)
    )
    figures = {}
    for role in ("worker", "simulator"):
        wall_s = full[-1].at_s - full[0].at_s
        a_session = (full[-1].total(role, "cpu_s") - full[0].total(role, "cpu_s")) / wall_s / found.size.sessions
        taken_s = first.total(role, "cpu_s") - empty.total(role, "cpu_s") - a_session * open_s
        figures[f"{role}: CPU to open a session (ms)"] = taken_s / found.size.sessions * 1000
    return figures


def _of_calls(found: Found) -> dict[str, float]:
    results = found.results
    first_ms = [turn.time_to_first_audio_ms or 0.0 for result in results for turn in result.turns]
    connect_ms = [result.connect_ms or 0.0 for result in results]
    lived_s = sum(result.duration_ms for result in results) / 1000
    long_ms = [result.duration_ms - found.size.turns * found.size.cycle_s * 1000 for result in results]
    return {
        "turns": len(first_ms),
        "sessions' length, mean (s)": lived_s / len(results),
        "sessions longer than their steps, p50 (ms)": percentile(long_ms, 50),
        "sessions longer than their steps, most (ms)": max(long_ms),
        "first audio, added, p50 (ms)": percentile(first_ms, 50) - PACED_MS,
        "first audio, added, p95 (ms)": percentile(first_ms, 95) - PACED_MS,
        "first audio, added, p99 (ms)": percentile(first_ms, 99) - PACED_MS,
        "first audio, added, most (ms)": max(first_ms) - PACED_MS,
        "connect, p50 (ms)": percentile(connect_ms, 50),
        "connect, p99 (ms)": percentile(connect_ms, 99),
        "bytes a session sends a second": _seen(found, "received_bytes") / lived_s,
        "bytes a session receives a second": _seen(found, "sent_bytes") / lived_s,
        "messages a session a second": (_seen(found, "received_messages") + _seen(found, "sent_messages")) / lived_s,
        "ledger a session (bytes)": found.ledger_bytes / len(results),
        "kept files, all (bytes)": found.files_bytes,
        "kept files, sessions": sum(bool(result.files) for result in results),
        "report (s)": found.report_s,
        "report (bytes)": found.report_bytes,
    }


def _of_coordinator(found: Found) -> dict[str, float]:
    own_s = found.coordinator["cpu_s"] - found.looking_cpu_s
    run_s = found.moments[-1].at_s - found.moments[0].at_s
    return {
        "coordinator: CPU of the run (s)": own_s,
        "coordinator: CPU a session, all of it (ms)": own_s / found.size.sessions * 1000,
        "coordinator: exchanges": found.exchanges,
        "coordinator: exchanges a second": found.exchanges / run_s,
        "coordinator: CPU an exchange, all of it (ms)": own_s / found.exchanges * 1000,
    }


def _inside(found: Found) -> dict[str, float]:
    """Give the worst process of each role."""
    roles = {"worker": found.workers, "simulator": found.seen, "coordinator": [found.coordinator]}
    names = {
        "loop late, p50 (ms)": "lag_p50_ms",
        "loop late, p99 (ms)": "lag_p99_ms",
        "loop late, most (ms)": "lag_max_ms",
        "longest collection (ms)": "gc_longest_ms",
        "collections, together (ms)": "gc_total_ms",
    }
    return {
        f"{role}: {words}": max((each[name] for each in told), default=0.0)
        for role, told in roles.items()
        for words, name in names.items()
    }


# --- as a command --------------------------------------------------------------------------------------------------------


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
    print(f"{size.sessions} sessions at a time, {size.workers} workers, {size.workers} simulators, {os.cpu_count()} CPUs")
    for name, value in figures.items():
        print(f"{name:>52}  {value:,.3f}" if value < 100 else f"{name:>52}  {value:,.0f}")
    print("nothing was lost" if not faults else "NOT AS WANTED: " + "; ".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())

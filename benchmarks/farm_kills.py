"""A run whose coordinator and workers are killed at random, again and again. `python -m benchmarks.farm_kills --help`.

Wanted: when it is resumed to its end, every job has exactly one final result; the server counts no session that the
ledger does not explain; the cap was never exceeded at the server; and no process is left.

The server is in this process and outlives all kills; the coordinator is a process of its own, and its workers are too.
"""

import argparse
import ast
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from engine.farm.ledger import Ledger
from engine.farm.plan.model import Caps, Keep, Plan, Retries, Scenario, Target, Type, Wait
from engine.farm.run import Run
from engine.simulator import INSTANT, Simulator, SimulatorSettings, serve

LEASE_S: Final = 1.5
GONE_WITHIN_S: Final = 5.0
RUN_BOUND_S: Final = 600.0
STAYS_S: Final = 0.1
"""The server learns of a session's end when it reads the close; on a busy machine the next one may be there before.
Sessions live many times as long, so that one too many would stay."""
WORKER: Final = "process_worker"


@attrs.frozen
class Findings:
    """What came of it.

    Attributes:
        kills: Of coordinators and of workers.
        jobs: Of the plan.
        final: Final results by status.
        doubled: Jobs with more than one final result, or none.
        unexplained: Sessions at the server that the ledger does not know.
        repeated: Attempts that the server saw more than once.
        peak: Most sessions at the server for `STAYS_S`, and the cap.
        lost: Attempts that were ended as lost.
        left: Processes that outlived their coordinator.
    """

    kills: dict[str, int]
    jobs: int
    final: dict[str, int]
    doubled: list[int]
    unexplained: list[str]
    repeated: list[str]
    peak: tuple[int, int]
    lost: int
    left: list[int]

    @property
    def good(self) -> bool:
        """Tell whether all is as wanted."""
        whole = self.final == {"passed": self.jobs} and self.peak[0] <= self.peak[1]
        return whole and not (self.doubled or self.unexplained or self.repeated or self.left)


def plan_for(url: str, *, jobs: int, sessions: int, wait_s: float, folder: Path) -> Plan:
    """Make a plan of short typed talks."""
    turns = (Type(type="hello"), Wait(wait_s=wait_s))
    return Plan(
        name="kills",
        folder=str(folder),
        target=Target(kind="url", url=url),
        session={"output_modalities": ["text"]},
        scenarios=(Scenario(name="talk", turns=turns, repeat=jobs),),
        caps=Caps(sessions=sessions, starts_per_s=200.0),
        # A worker takes all of its sessions with it, so that some jobs are lost many times.
        retries=Retries(attempts=100, wait_s=0.05, wait_max_s=0.1),
        keep=Keep(audio=0.0, events=0.0),
    )


async def ordeal(
    folder: Path, *, kills: int, jobs: int, sessions: int, workers: int, wait_s: float, seed: int
) -> Findings:
    """Run a plan, kill, resume, until it is through."""
    drawn = random.Random(seed)
    settings = SimulatorSettings(pace=INSTANT, ledger_max_events=0, ledger_max_sessions=10**6)
    killed: Counter[str] = Counter()
    left: list[int] = []
    async with serve(settings, host="127.0.0.1") as server, trio.open_nursery() as nursery:
        peaks = [0]
        nursery.start_soon(_watch, server, peaks)
        order = {"url": server.base_url, "jobs": jobs, "sessions": sessions, "wait_s": wait_s, "workers": workers}
        while True:
            over = await _stretch(folder, order, drawn, server, killed, left, kills=kills)
            if over:
                break
        nursery.cancel_scope.cancel()
        requests = [ledger.request_id for ledger in server.sessions]
    return _found(folder, requests, killed, left, jobs=jobs, peak=(peaks[0], sessions))


async def _stretch(  # noqa: PLR0917
    folder: Path,
    order: dict[str, Any],
    drawn: random.Random,
    server: Simulator,
    killed: Counter[str],
    left: list[int],
    *,
    kills: int,
) -> bool:
    """Start a coordinator (or resume), and kill workers of it, and at last itself; say whether it came through."""
    command = [sys.executable, "-m", "benchmarks.farm_kills", "--child", str(folder), repr(order)]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.DEVNULL)
    try:
        with trio.fail_after(RUN_BOUND_S):
            while killed.total() < kills:
                # Every other kill hits sessions; the rest whatever there is, as a coordinator that only begins.
                while killed.total() % 2 == 0 and not server.active_sessions and process.returncode is None:  # noqa: ASYNC110
                    await trio.sleep(0.01)
                with trio.move_on_after(drawn.uniform(0.1, 0.6 if killed.total() % 2 == 0 else 2.5)):
                    await process.wait()
                    break
                workers = children_of(process.pid, WORKER)
                if drawn.random() < 0.5 and workers:
                    killed["worker"] += send(drawn.choice(workers))
                    continue
                processes = children_of(process.pid)
                process.kill()
                killed["coordinator"] += 1
                await process.wait()
                left += await _outlive(processes)
                return False
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        raise RuntimeError(f"the coordinator ended with {process.returncode}")
    return True


async def _outlive(processes: list[int]) -> list[int]:
    with trio.move_on_after(GONE_WITHIN_S):
        while alive(processes):  # noqa: ASYNC110 - no event tells of others' children
            await trio.sleep(0.02)
    return alive(processes)


async def _watch(server: Simulator, peaks: list[int]) -> None:
    """Note the most sessions that there were for `STAYS_S`: one that was closed may be seen beside the next one."""
    seen: deque[tuple[float, int]] = deque()
    while True:
        now = trio.current_time()
        seen.append((now, server.active_sessions))
        while len(seen) > 1 and seen[1][0] <= now - STAYS_S:
            seen.popleft()
        if seen[0][0] <= now - STAYS_S:
            peaks[0] = max(peaks[0], min(count for _, count in seen))
        await trio.sleep(0.002)


def _found(
    folder: Path, requests: list[str], killed: Counter[str], left: list[int], *, jobs: int, peak: tuple[int, int]
) -> Findings:
    with Ledger.open(folder, write=False) as ledger:
        known = {attempt.attempt_id for attempt in ledger.attempts()}
        final = list(ledger.results())
        lost = sum(result.status == "lost" for result in ledger.results(final_only=False))
    of_job = Counter(result.job for result in final)
    return Findings(
        kills=dict(killed),
        jobs=jobs,
        final=dict(Counter(result.status for result in final)),
        doubled=[job for job in range(jobs) if of_job[job] != 1],
        unexplained=[name for name in requests if name not in known],
        repeated=[name for name, count in Counter(requests).items() if count > 1],
        peak=peak,
        lost=lost,
        left=left,
    )


# --- processes --------------------------------------------------------------------------------------------------------


def children_of(pid: int | None = None, having: str = "engine.farm") -> list[int]:
    """Give the pids of a process's children, and of theirs, whose command line holds a text; ours without a pid."""
    parents = dict(_parents())
    found: set[int] = set()
    wanted = {os.getpid() if pid is None else pid}
    while wanted:
        wanted = {child for child, parent in parents.items() if parent in wanted} - found
        found |= wanted
    return sorted(child for child in found if having in _command_of(child))


def _parents() -> Iterable[tuple[int, int]]:
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            yield int(status.parent.name), int(parent)


def alive(pids: Iterable[int]) -> list[int]:
    """Give those that still run."""
    return [pid for pid in pids if _command_of(pid)]


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def send(pid: int, number: int = signal.SIGKILL) -> bool:
    """Send a signal, and say whether the process was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


# --- commands ---------------------------------------------------------------------------------------------------------


def child(folder: Path, order: dict[str, Any]) -> None:
    """Be the coordinator."""
    workers = order.pop("workers")
    plan = plan_for(**order, folder=folder.parent)
    resume = (folder / "ledger.sqlite").exists()
    run = Run(plan, out=folder, workers=workers, backend="processes", resume=resume, lease_s=LEASE_S)
    trio.run(run.run)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.farm_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=600)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--wait-s", type=float, default=1.0, help="how long a talk goes on after its turn")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(Path(args.child[0]), ast.literal_eval(args.child[1]))
        return 0
    print(f"seed {args.seed}")
    with tempfile.TemporaryDirectory() as folder:
        how = {"kills": args.kills, "jobs": args.jobs, "sessions": args.sessions, "workers": args.workers}
        found = trio.run(lambda: ordeal(Path(folder) / "run", **how, wait_s=args.wait_s, seed=args.seed))
    for name, value in attrs.asdict(found).items():
        print(f"{name:>12}: {value}")
    return 0 if found.good else 1


if __name__ == "__main__":
    sys.exit(main())

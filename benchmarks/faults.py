"""Four faults that peers show, measured on ours, and on the seed with `--peers`. `python -m benchmarks.faults --help`.

- `stop()` after 100 of 20,000 unread audio deltas; wanted: at most 100 ms.
- A consumer that stalls for 50 s while 20,000 deltas of 100 ms come and the server pings; wanted: the connection is
  kept, and memory grows by no more than the inbox may hold.
- The user cuts in with 30 s of speech queued, and the listener takes it at the pace at which it is heard; wanted: told
  within the piece that sounds, and no stale speech after it.
- `session_expired` followed by a close with code 1001; wanted: `BidiModelTimeoutError`.

The server is a process of its own, and so is each measured run. All is bounded in time.
"""

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

DRIVERS: Final = Path(__file__).parent / "drivers"
STOP_BOUND_S: Final = 10.0
STOP_WANTED_S: Final = 0.1
BARGE_IN_DELTAS: Final = 300
BARGE_IN_BOUND_S: Final = 45.0
BARGE_IN_WANTED_MS: Final = 150.0
MARGIN_S: Final = 60.0
"""For a run to start, and for reading what waits after a stall."""
RSS_MARGIN: Final = 2.0
"""Memory may grow by the inbox's bound times this: objects and freed memory that the allocator keeps."""


@contextlib.contextmanager
def fault_server(load: dict[str, Any]) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run a server and give its URL and its process, which prints a report for each connection."""
    command = [sys.executable, "-m", "benchmarks.fault_server", json.dumps(load)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip(), server
        finally:
            server.kill()


def measure(python: str, driver: str, fault: str, load: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Run one driver against a server of its own; what hangs is killed."""
    with fault_server(load) as (url, server):
        command = [python, str(DRIVERS / driver), fault, url, str(seconds)]
        try:
            done = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                text=True,
                timeout=seconds + MARGIN_S,
                check=True,
                cwd=DRIVERS.parents[1],
            )
        except subprocess.TimeoutExpired:
            return {"killed_after_s": seconds + MARGIN_S}
        assert server.stdout is not None
        figures: dict[str, Any] = json.loads(done.stdout)
        return figures | {"server": json.loads(server.stdout.readline())}


def tell_stop(figures: list[dict[str, Any]]) -> tuple[str, bool]:
    """Put the runs of `stop` in words, and say whether it is as wanted."""
    times = [run["stop_s"] for run in figures if run.get("stop_s") is not None]
    if len(times) < len(figures):
        return f"hangs: not back after {STOP_BOUND_S:g} s", False
    told = ", ".join(f"{1000 * took_s:.1f}" for took_s in times)
    return f"{told} ms", max(times) <= STOP_WANTED_S


def tell_stall(figures: dict[str, Any]) -> tuple[str, bool]:
    """Put a stall in words."""
    if "killed_after_s" in figures:
        return f"killed after {figures['killed_after_s']:g} s", False
    server = figures["server"]
    inbox = figures.get("inbox", {})
    bound_mib = figures.get("inbox_max_bytes", 0) / 2**20
    told = (
        f"connection {figures['connection']}; memory +{figures['grown_mib']:.1f} MiB; {server['deltas_sent']} deltas "
        f"sent, {figures['delivered']} delivered; {server['pongs']} of {server['pings']} pings answered, the slowest "
        f"after {1000 * server['slowest_pong_s']:.0f} ms"
    )
    if inbox:
        told += (
            f"\n      inbox: bound {bound_mib:.0f} MiB, most {inbox['most_bytes'] / 2**20:.2f} MiB, "
            f"{inbox['events']} events waiting, {inbox['dropped_audio']} pieces of audio dropped"
        )
    kept = figures["connection"] == "alive" and server["pongs"] == server["pings"] > 0
    return told, kept and figures["grown_mib"] <= RSS_MARGIN * bound_mib


def tell_barge_in(figures: dict[str, Any]) -> tuple[str, bool]:
    """Put an interruption in words: a listener that is busy with a piece of 100 ms can't be told before its end."""
    told_at = figures.get("told_at")
    if told_at is None:
        return f"never told in {BARGE_IN_BOUND_S:g} s", False
    late_ms = 1000 * (told_at - figures["server"]["interrupted_at"])
    told = f"told after {late_ms:.0f} ms; {figures['audio']} pieces heard, {figures['stale']} of them after it"
    return told, late_ms <= BARGE_IN_WANTED_MS and not figures["stale"]


def tell_expiry(figures: dict[str, Any]) -> tuple[str, bool]:
    """Put the end of a session in words."""
    raised = figures.get("raised")
    return f"receive() raises {raised}", raised == "BidiModelTimeoutError"


def report(name: str, python: str, driver: str, asked: argparse.Namespace) -> bool:
    """Measure one library, print its figures, and say whether all are as wanted."""
    load = {"deltas": asked.deltas}
    stops = [measure(python, driver, "stop", load, STOP_BOUND_S) for _ in range(asked.runs)]
    stall_load = load | {"ping_interval_s": asked.ping_interval_s, "pong_deadline_s": asked.ping_interval_s}
    queued = {"deltas": BARGE_IN_DELTAS, "interrupt_after_s": 1.0}
    barge_in = measure(python, driver, "barge_in", queued, BARGE_IN_BOUND_S)
    rows = {
        "the user cuts in, 30 s of speech queued": tell_barge_in(barge_in),
        f"stop() after 100 of {asked.deltas} deltas": tell_stop(stops),
        f"consumer stalls {asked.stall_s:g} s": tell_stall(measure(python, driver, "stall", stall_load, asked.stall_s)),
        "session_expired, then close 1001": tell_expiry(measure(python, driver, "expiry", {"expire": True}, 10.0)),
    }
    print(name)
    for fault, (told, wanted) in rows.items():
        print(f"  {'ok ' if wanted else 'BAD'} {fault}: {told}")
    return all(wanted for _, wanted in rows.values())


def main() -> None:
    """Measure and print; the exit status is 1 when ours is not as wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true", help="measure the seed too; makes its environment if needed")
    parser.add_argument("--runs", type=int, default=3, help="of stop() (default: %(default)s)")
    parser.add_argument("--deltas", type=int, default=20_000, help="of 100 ms each (default: %(default)s)")
    parser.add_argument("--stall-s", type=float, default=50.0, help="how long nobody reads (default: %(default)s)")
    parser.add_argument(
        "--ping-interval-s", type=float, default=20.0, help="the service's is 20 (default: %(default)s)"
    )
    asked = parser.parse_args()
    fine = report("engine", sys.executable, "engine_faults.py", asked)
    if asked.peers:
        from tests.peers import environments  # noqa: PLC0415 - only needed here

        report("strands-agents 1.40.0", str(environments.python_of(environments.SEED)), "seed_faults.py", asked)
    raise SystemExit(0 if fine else 1)


if __name__ == "__main__":
    main()

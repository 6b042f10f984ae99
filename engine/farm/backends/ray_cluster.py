"""A Ray cluster for the time of a run: joined, or started on this machine; and what a run asks of it, in Trio."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import trio

from engine.errors import BackendUnavailable
from engine.farm.backends.ray_address import Place, host_and_port, place_of
from engine.farm.backends.ray_folder import RayFolder
from engine.farm.backends.ray_library import (
    installed,
    library,
    lock_the_door,
    not_started,
    nothing_answers,
    unavailable,
)
from engine.farm.backends.ray_member import HERE, Member

T = TypeVar("T")

REACH_S: Final = 5.0
"""How long the head node's port may take to accept a connection."""

JOIN_S: Final = 30.0
"""How long a cluster may take to let us in: half a second, where it does at all."""

START_S: Final = 90.0
"""How long a cluster on this machine may take to start: 3 s here, 16 s on a busy machine."""

LEAVE_S: Final = 20.0
"""How long to wait for Ray to let go of a cluster."""

STORE_BYTES: Final = 128 * 2**20
"""Object store of a cluster that is started here. Results stay below a few MB, and larger files are moved in pieces."""

LOG_CHARS: Final = 2000
"""What is read of Ray's own words, which may say more than its error."""

NONE_HERE: Final = (
    "no Ray cluster runs on this machine | start one with `ray start --head`, name one with `--on ray:HOST:PORT` or "
    "RAY_ADDRESS, or let the run start its own with `--on ray:local`"
)


class Cluster:
    """A cluster that this process has joined.

    Args:
        ray: The library.
    """

    def __init__(self, ray: Any) -> None:
        self.ray = ray

    async def cpus(self) -> int:
        """Count the CPUs of all nodes."""
        return max(1, int((await in_thread(self.ray.cluster_resources)).get("CPU", 0)))

    async def room(self) -> tuple[float, float]:
        """Tell how many CPUs there are, and how many of them nobody uses."""
        there = await in_thread(self.ray.cluster_resources)
        free = await in_thread(self.ray.available_resources)
        return there.get("CPU", 0.0), free.get("CPU", 0.0)

    async def node_lives(self, node_id: str) -> bool:
        """Tell whether Ray takes a node for alive."""
        nodes = await in_thread(self.ray.nodes)
        return any(node["NodeID"] == node_id and node["Alive"] for node in nodes)

    async def put(self, thing: Any) -> Any:
        """Put something into the object store; it stays while the reference is held."""
        return await in_thread(lambda: self.ray.put(thing))


async def in_thread(work: Callable[[], T]) -> T:
    """Ask Ray something that may block."""
    return await trio.to_thread.run_sync(work, abandon_on_cancel=True)


@asynccontextmanager
async def cluster(place: Place, cpus: int, *, logs: Path | None = None) -> AsyncIterator[Cluster]:
    """Join a cluster, or start one, for the time of the block. One that the process has joined already is used.

    Args:
        place: Where it is.
        cpus: Of one that is started, whatever the machine has: a worker takes one.
        logs: Folder for what the workers of one that is started wrote to stderr; made where they wrote something.

    Raises:
        BackendUnavailable: There is none, or it can't be joined.
    """
    if (ray := sys.modules.get("ray")) is not None and ray.is_initialized():
        yield Cluster(ray)
        return
    installed()
    found = None if place.kind == "local" else await _find(place)
    member, within_s = (_starting(cpus, logs), START_S) if found is None else (_joining(found), JOIN_S)
    try:
        with trio.move_on_after(within_s):
            await member.join()
        if not member.is_in:
            raise not_started(f"not there after {within_s:g} s") if found is None else nothing_answers(found, within_s)
        _take_sigterm_back()
        yield Cluster(member.ray)
    finally:
        with trio.move_on_after(LEAVE_S, shield=True):
            await member.leave()


def _joining(address: str) -> Member:
    return Member(library(), {"address": address})


def _starting(cpus: int, logs: Path | None) -> Member:
    """Start a cluster, whatever others there are on this machine, and whichever RAY_ADDRESS names."""
    lock_the_door()
    ray, folder = library(), RayFolder()

    def ended(was_in: bool) -> None:
        if logs is not None:
            folder.save_logs(logs)
        # Where it did not start, Ray names its own logs there; the next run removes them.
        folder.remove() if was_in else folder.leave()

    how = {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": STORE_BYTES, "_temp_dir": folder.path}
    return Member(ray, {"address": HERE, **how}, ended)


async def _find(place: Place) -> str | None:
    """Give the address of the cluster that is meant; None where one is to be started."""
    place = _from_environment(place)
    if place.kind == "local":
        return None
    if place.address is not None:
        await _reach(place.address)
    told = await _probe(place.address or "auto")
    if "address" in told:
        return str(told["address"])
    if "none" in told and place.kind == "any":
        return None
    if "none" in told and place.address is None:
        raise BackendUnavailable(NONE_HERE)
    raise unavailable(place.address or "auto", f"{told.get('none') or told.get('error', '')} {told['log']}")


def _from_environment(place: Place) -> Place:
    named = os.environ.get("RAY_ADDRESS", "")
    if place.address is not None or named in ("", "auto"):
        return place
    return place_of(named if named.startswith("ray://") else f"ray:{named}")


async def _reach(address: str) -> None:
    """Make sure that somebody listens, since Ray takes 80 s to find out that nobody does."""
    why = ""
    with trio.move_on_after(REACH_S):
        try:
            stream = await trio.open_tcp_stream(*host_and_port(address))
        except OSError as refused:
            why = str(refused) or type(refused).__name__
        else:
            await stream.aclose()
            return
    raise nothing_answers(address, REACH_S, why)


async def _probe(address: str) -> dict[str, Any]:
    """Join in a process of its own: where Ray gives up, it ends the process that it is in."""
    command = [sys.executable, "-m", "engine.farm.backends.ray_probe", address]
    with trio.move_on_after(JOIN_S):
        done = await trio.run_process(
            command, capture_stdout=True, capture_stderr=True, check=False, deliver_cancel=_kill
        )
        return _told(done)
    raise nothing_answers(address, JOIN_S, "something else listens there, or the cluster is too busy")


async def _kill(process: trio.Process) -> None:
    # While it waits for an answer, Ray does not hear SIGTERM.
    process.kill()


def _told(done: "subprocess.CompletedProcess[bytes]") -> dict[str, Any]:
    last = done.stdout.strip().rpartition(b"\n")[2]
    try:
        told = json.loads(last)
    except ValueError:
        told = None
    log = done.stderr.decode(errors="replace")[-LOG_CHARS:]
    return {**told, "log": log} if isinstance(told, dict) else {"error": log, "log": ""}


def _take_sigterm_back() -> None:
    """Undo Ray's handler below Python's: it prints a trace, passes the signal on, and aborts the process 3 s later."""
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGTERM)
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)

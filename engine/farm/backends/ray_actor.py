"""What runs on a cluster's node: a worker in a Trio loop of its own, in a thread of Ray's actor."""

import contextlib
import os
import platform
import secrets
import sys
import threading
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from engine.blocks import block_nursery
from engine.farm.backends import WorkerSpec
from engine.farm.backends.ray_files import Mirror, PlanFile, Scratch, is_here
from engine.farm.backends.ray_library import our_version
from engine.farm.job import Grant
from engine.farm.link import Down, Up
from engine.farm.worker.collecting import tuned_collection

LOOP_S: Final = 60.0
"""How long the loop may take to come up: the imports of the engine, and a simulator of its own."""


@attrs.frozen(kw_only=True)
class Look:
    """What a worker is to look for, to tell which of the run's files it sees.

    Attributes:
        folder: The run's.
        mark: Name of a file in it.
        word: What the file says.
        files: Of the plan.
    """

    folder: str
    mark: str
    word: str
    files: tuple[PlanFile, ...] = ()


@attrs.frozen(kw_only=True)
class Hello:
    """How an incarnation of an actor presents itself.

    Attributes:
        incarnation: Its own name; another one after each new start.
        node_id: Ray's name of its node.
        pid: Of its process.
        host: Whose loopback is its loopback.
        engine: The engine's version there.
        sees_folder: It can write into the run's folder.
        sees_files: The plan's files are there, the same.
    """

    incarnation: str
    node_id: str
    pid: int
    host: str
    engine: str
    sees_folder: bool
    sees_files: bool


@attrs.frozen(kw_only=True)
class Begin:
    """What a worker needs to begin; references to the object store, since it may be large and holds the key.

    Attributes:
        name: Of the worker.
        spec: Reference of a `WorkerSpec`.
        files: References of pieces of the plan's files; None where it reads them in place.
        shares_folder: It writes into the run's folder itself.
        own_simulator: It starts one, since it does not reach the run's.
    """

    name: str
    spec: Any
    files: tuple[Any, ...] | None
    shares_folder: bool
    own_simulator: bool


class OtherIncarnation(Exception):
    """The process that was meant is gone; this one took its place."""


def host_of_loopback() -> str:
    """Name the network in which 127.0.0.1 is ours: machine, and container on it."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {Path('/proc/self/ns/net').readlink()}"
    return platform.node()


class RayWorker:
    """The actor: passes on to its Trio loop what the coordinator's link asks. Ray calls its methods in threads."""

    def __init__(self) -> None:
        self._incarnation = secrets.token_hex(8)
        self._up = threading.Event()
        self._failed: BaseException | None = None
        self._worker: Any = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._mirror: Mirror | None = None
        self._base_url: str | None = None

    def hello(self, look: Look) -> Hello:
        """Present itself."""
        ray = sys.modules["ray"]
        return Hello(
            incarnation=self._incarnation,
            node_id=ray.get_runtime_context().get_node_id(),
            pid=os.getpid(),
            host=host_of_loopback(),
            engine=our_version(),
            sees_folder=_reads(Path(look.folder) / look.mark) == look.word,
            sees_files=all(map(is_here, look.files)),
        )

    def begin(self, begin: Begin) -> None:
        """Fetch the plan and its files, and start the loop.

        Raises:
            Exception: Whatever keeps it from starting.
        """
        ray = sys.modules["ray"]
        spec: WorkerSpec = ray.get(begin.spec)
        if begin.files is not None:
            scratch = Scratch()
            for piece in begin.files:
                scratch.add(ray.get(piece))
            self._mirror = scratch.mirror()
            spec = attrs.evolve(spec, plan=self._mirror.plan(spec.plan))
        threading.Thread(target=self._run, args=(begin, spec), name="trio", daemon=True).start()
        if not self._up.wait(LOOP_S):
            raise TimeoutError(f"the worker's loop was not up within {LOOP_S:g} s")
        if self._failed is not None:
            raise self._failed

    def exchange(self, incarnation: str, down: Down) -> Up:
        """Pass a message down, and give what comes up.

        Raises:
            OtherIncarnation: It was meant for the process before this one.
        """
        self._check(incarnation)
        grants = tuple(map(self._here, down.grants))
        up: Up = self._ask(self._worker.exchange, attrs.evolve(down, grants=grants))
        return up if self._mirror is None else self._mirror.up(up)

    def stop(self, incarnation: str, grace_s: float) -> None:
        """End the sessions, at the latest after the grace.

        Raises:
            OtherIncarnation: It was meant for the process before this one.
        """
        self._check(incarnation)
        self._ask(self._worker.stop, grace_s)
        if self._mirror is not None:
            self._mirror.remove()

    def _check(self, incarnation: str) -> None:
        if incarnation != self._incarnation or self._worker is None:
            raise OtherIncarnation

    def _ask(self, method: Any, *args: Any) -> Any:
        return trio.from_thread.run(method, *args, trio_token=self._token)

    def _here(self, grant: Grant) -> Grant:
        if self._base_url is not None:
            grant = attrs.evolve(grant, base_url=self._base_url)
        return grant if self._mirror is None else self._mirror.grant(grant)

    def _run(self, begin: Begin, spec: WorkerSpec) -> None:
        try:
            trio.run(self._live, begin, spec)
        except BaseException as error:  # noqa: BLE001 - told by `begin`, or ends the process
            if not self._up.is_set():
                self._failed = error
                self._up.set()
                return
            # Without its loop it has no sessions. Ray sees that it died, and starts it again.
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)

    async def _live(self, begin: Begin, spec: WorkerSpec) -> None:
        from engine.farm.worker.worker import worker_of  # noqa: PLC0415 - begin() is to say what is missing on this node

        async with _simulator(spec, own=begin.own_simulator) as self._base_url, block_nursery() as nursery:
            self._worker = worker_of(spec, begin.name, shares_folder=begin.shares_folder)
            self._token = trio.lowlevel.current_trio_token()
            nursery.start_soon(self._worker.run)
            nursery.start_soon(tuned_collection, lambda: self._worker.busy)
            self._up.set()


@contextlib.asynccontextmanager
async def _simulator(spec: WorkerSpec, *, own: bool) -> AsyncIterator[str | None]:
    from engine.farm.processes.target import target_of  # noqa: PLC0415

    if not own:
        yield None
        return
    async with target_of(attrs.evolve(spec.plan, target=attrs.evolve(spec.plan.target, servers=1)), 1) as urls:
        yield urls[0]


def _reads(path: Path) -> str | None:
    try:
        return path.read_text("ascii")
    except (OSError, ValueError):
        return None

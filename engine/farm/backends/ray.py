"""Workers as actors of a Ray cluster: Ray places them, moves their files, and starts them again; the rest is ours."""

from pathlib import Path
from typing import Final, Literal

import attrs
import trio

from engine.blocks import block_nursery
from engine.errors import BackendUnavailable
from engine.farm.backends import BackendFactory, WorkerSpec
from engine.farm.backends.ray_actor import RayWorker
from engine.farm.backends.ray_address import Place, place_of
from engine.farm.backends.ray_cluster import Cluster, cluster, in_thread
from engine.farm.backends.ray_keeper import Crew, Keeper
from engine.farm.backends.ray_link import RayActor
from engine.farm.backends.ray_supplies import Supplies, supplies
from engine.farm.link import OnLink
from engine.farm.processes.log_file import LOGS

ROOM_S: Final = 60.0
"""How long a run goes on without any worker, while Ray looks for room: a node that an autoscaler adds takes so long."""

CLEAN_UP_S: Final = 10.0
"""How long to wait for Ray to take an order to end actors."""

HOW: Final = {"num_cpus": 1, "max_restarts": -1, "max_concurrency": 8, "scheduling_strategy": "SPREAD"}
"""Of an actor: a core, started again whenever it dies, its calls in threads, nodes in turn."""


def ray_backend(on: str = "ray", *, workers: int | Literal["auto"] | None = None) -> BackendFactory:
    """Choose a Ray cluster for a run: `Run(plan, backend=ray_backend(...))`.

    Args:
        on: `ray` for the cluster of RAY_ADDRESS, else the one that this machine belongs to, else one that is started
            on this machine for the run; `ray:local` always starts one; `ray:auto` never does; `ray:HOST:PORT` joins
            the cluster whose head node has this address.
        workers: How many; `auto` for one a CPU of the cluster; None for as many as the run says.

    Raises:
        ConfigError: `on` says something else.
    """
    place = place_of(on)
    return lambda spec: RayBackend(spec, place=place, workers=workers)


class RayBackend:
    """Runs workers as actors, one CPU each, spread over the nodes.

    Args:
        spec: What they need to know.
        place: Where the cluster is; as for `--on ray` when None.
        workers: How many; `auto` for one a CPU of the cluster, None for `spec.count`.
        room_s: How long to wait for room while no worker is up.
        shared: Whether nodes see this machine's files. None looks.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        place: Place | None = None,
        workers: int | Literal["auto"] | None = None,
        room_s: float = ROOM_S,
        shared: bool | None = None,
    ) -> None:
        self._spec = spec
        self._place = place or place_of("ray")
        self._workers = workers
        self._room_s = room_s
        self._shared = shared

    async def run(self, on_link: OnLink) -> None:
        """Run the workers until the run is over.

        Raises:
            BackendUnavailable: Ray is not installed, of another version than the cluster, or not reached; no worker
                found room; or workers die as they start.
            FarmError: The plan's files are too large to be sent to nodes.
        """
        async with cluster(self._place, self._count(), logs=Path(self._spec.folder) / LOGS) as ray:
            count = await ray.cpus() if self._workers == "auto" else self._count()
            spec = attrs.evolve(self._spec, count=count)
            async with supplies(ray, spec, shared=self._shared) as goods:
                actors = await in_thread(lambda: _actors(ray, goods, count))
                try:
                    await self._run(ray, spec, goods, actors, on_link)
                finally:
                    with trio.move_on_after(CLEAN_UP_S, shield=True):
                        for actor in actors:
                            await actor.kill(for_good=True)

    def _count(self) -> int:
        return self._workers if isinstance(self._workers, int) else self._spec.count

    async def _run(
        self, ray: Cluster, spec: WorkerSpec, goods: Supplies, actors: list[RayActor], on_link: OnLink
    ) -> None:
        crew = Crew(len(actors), trio.current_time())
        async with block_nursery() as watch:
            watch.start_soon(self._watch_room, ray, crew)
            async with block_nursery() as working:
                for number, actor in enumerate(actors, 1):
                    working.start_soon(Keeper(f"worker-{number}", actor, spec, goods, crew).run, on_link)
            watch.cancel_scope.cancel()

    async def _watch_room(self, ray: Cluster, crew: Crew) -> None:
        """End a run that waits for room too long."""
        while True:
            left_s = crew.none_since + self._room_s - trio.current_time()
            if crew.up == 0 and left_s <= 0:
                raise BackendUnavailable(no_room(*await ray.room(), crew.count, self._room_s))
            await trio.sleep(self._room_s if crew.up else left_s)


def _actors(ray: Cluster, goods: Supplies, count: int) -> list[RayActor]:
    kind = ray.ray.remote(RayWorker).options(**HOW)
    return [RayActor(ray, kind.remote(), goods.look) for _ in range(count)]


def no_room(cpus: float, free: float, count: int, room_s: float) -> str:
    """Say that a cluster is full."""
    return (
        f"none of {count} workers found room on the Ray cluster within {room_s:g} s: {free:g} of its {cpus:g} CPUs are "
        "free, and each worker takes one | end what else runs there (`ray status`), add a node, or use --on ray:local"
    )

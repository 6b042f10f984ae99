"""One worker in the coordinator's own event loop."""

from collections.abc import Callable
from math import inf

import attrs

from engine.blocks import block_nursery
from engine.farm.backends import WorkerSpec
from engine.farm.link import Down, OnLink, Up
from engine.farm.worker.worker import Worker, worker_of

NAME = "worker-1"


class LocalLink:
    """The link to it. It has no lease: when its coordinator is held up, so is it, and they can't lose each other.

    Args:
        worker: In this event loop.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.name = worker.name
        self.slots = worker.slots
        self.shares_folder = worker.shares_folder

    async def exchange(self, down: Down) -> Up:
        """Tell and be told."""
        return await self._worker.exchange(attrs.evolve(down, lease_s=inf))

    async def stop(self, grace_s: float) -> None:
        """End the worker, at the latest after the grace."""
        await self._worker.stop(grace_s)


class LocalBackend:
    """Runs one worker here. It can't be lost: it ends with the coordinator.

    Args:
        spec: What it needs to know.
        make: Makes the worker.
    """

    def __init__(self, spec: WorkerSpec, *, make: Callable[[WorkerSpec, str], Worker] = worker_of) -> None:
        self._worker = make(spec, NAME)

    async def run(self, on_link: OnLink) -> None:
        """Run the worker until the run is over."""
        async with block_nursery() as nursery:
            nursery.start_soon(self._worker.run)
            await on_link(LocalLink(self._worker))
            await self._worker.stop(0.0)
            nursery.cancel_scope.cancel()

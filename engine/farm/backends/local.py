"""One worker in the coordinator's own event loop."""

from collections.abc import Callable

from engine.blocks import block_nursery
from engine.farm.backends import WorkerSpec
from engine.farm.link import OnLink
from engine.farm.worker import Worker, worker_of

NAME = "worker-1"


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
            await on_link(self._worker)
            await self._worker.stop(0.0)
            nursery.cancel_scope.cancel()

"""One worker in the coordinator's own event loop."""

from engine.farm.backends import WorkerSpec
from engine.farm.link import OnLink


class LocalBackend:
    """Runs one worker here.

    Args:
        spec: What it needs to know.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        raise NotImplementedError

    async def run(self, on_link: OnLink) -> None:
        """Run the worker until the run is over."""
        raise NotImplementedError

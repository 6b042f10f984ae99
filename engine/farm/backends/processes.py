"""Workers in processes of this machine, each with an event loop of its own, looked after and started again."""

from engine.farm.backends import WorkerSpec
from engine.farm.link import OnLink


class ProcessesBackend:
    """Runs `spec.count` workers, each in a process.

    Args:
        spec: What they need to know.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        raise NotImplementedError

    async def run(self, on_link: OnLink) -> None:
        """Run them until the run is over.

        Raises:
            BackendUnavailable: One dies as it starts, again and again.
        """
        raise NotImplementedError

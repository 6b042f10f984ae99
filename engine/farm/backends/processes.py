"""Workers in processes of this machine, each with an event loop of its own, looked after and started again."""

import logging
from typing import Final

import trio

from engine.blocks import block_nursery
from engine.errors import BackendUnavailable
from engine.farm.backends import WorkerSpec
from engine.farm.backends.process_link import ProcessLink
from engine.farm.backends.process_worker import Order, Ready
from engine.farm.link import OnLink
from engine.farm.processes.children import Child, NotStarted, started
from engine.farm.processes.frames import Garbled
from engine.farm.processes.log_file import LogFile

START_S: Final = 60.0
"""How long a worker may take until it is there: its imports take a second on a machine at rest."""

DEATHS_MAX: Final = 5
"""So often in a row a worker may die before it has told one result; then it is given up."""

STEADY_S: Final = 30.0
"""A worker that lived so long had no trouble to start."""

AGAIN_S: Final = 0.1
AGAIN_MAX_S: Final = 5.0
"""Wait before a dead worker is started again: twice as long after each death in a row."""

MODULE: Final = "engine.farm.backends.process_worker"

logger = logging.getLogger(__name__)


class _DiedAtStart(Exception):
    """It was not there in time, or at all."""


class ProcessesBackend:
    """Runs `spec.count` workers, each in a process.

    Args:
        spec: What they need to know.
        module: The worker's program.
        again_s: See `AGAIN_S`.
    """

    def __init__(self, spec: WorkerSpec, *, module: str = MODULE, again_s: float = AGAIN_S) -> None:
        self._spec = spec
        self._module = module
        self._again_s = again_s
        self._given_up = 0

    async def run(self, on_link: OnLink) -> None:
        """Run them until the run is over.

        Raises:
            BackendUnavailable: All of them died before they told a result, again and again.
        """
        async with block_nursery() as nursery:
            for number in range(1, self._spec.count + 1):
                nursery.start_soon(self._look_after, f"worker-{number}", on_link)

    async def _look_after(self, name: str, on_link: OnLink) -> None:
        deaths = 0
        while True:
            began_at = trio.current_time()
            try:
                link = await self._live(name, on_link)
            except (_DiedAtStart, NotStarted) as death:
                why, steady = str(death), False
            else:
                if link.lost is None:
                    return
                why, steady = str(link.lost), link.useful
            steady = steady or trio.current_time() - began_at >= STEADY_S
            deaths = 1 if steady else deaths + 1
            logger.warning("%s: %s", name, why)
            if deaths >= DEATHS_MAX:
                self._give_up(name, why)
                return
            await trio.sleep(min(self._again_s * 2.0**deaths, AGAIN_MAX_S))

    def _give_up(self, name: str, why: str) -> None:
        self._given_up += 1
        if self._given_up == self._spec.count:
            message = (
                f"{name} died {DEATHS_MAX} times before it told a result ({why}) | see to what it says, then --resume"
            )
            raise BackendUnavailable(message)

    async def _live(self, name: str, on_link: OnLink) -> ProcessLink:
        """Start a worker, and see it through to its end."""
        async with started(self._module, log=LogFile(self._spec.folder, name)) as child:
            await self._welcome(name, child)
            link = ProcessLink(name, self._spec, child)
            async with block_nursery() as nursery:
                nursery.start_soon(link.watch_memory)
                await on_link(link)
                if link.lost is None:
                    await link.stop(0.0)
                nursery.cancel_scope.cancel()
        return link

    async def _welcome(self, name: str, child: Child) -> None:
        try:
            with trio.fail_after(START_S):
                await child.frames.tell(Order(name=name, spec=self._spec))
                ready = await child.frames.hear(Ready)
        except trio.TooSlowError:
            raise _DiedAtStart(f"not there after {START_S:g} s") from None
        except (trio.BrokenResourceError, Garbled) as error:
            await child.died()
            raise _DiedAtStart(child.last_words or str(error)) from error
        if ready is None:
            await child.died()
            raise _DiedAtStart(child.last_words)

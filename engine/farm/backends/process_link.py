"""The link to a worker's process: frames, and the end of a process that stalls or takes too much memory."""

from typing import Final

import trio

from engine.farm.backends import WorkerSpec
from engine.farm.link import Down, LinkLost, Up
from engine.farm.processes.children import Child
from engine.farm.processes.frames import Garbled
from engine.farm.worker.vitals import memory_of

MEMORY_EVERY_S: Final = 0.5
"""How often a worker's memory is looked at, from outside: one that is stuck can't tell."""

END_S: Final = 2.0
"""How long a worker may take to end by itself when it is told to, beside the grace."""


class ProcessLink:
    """One life of a worker's process. Its losses are confirmed: a process that does not answer is killed first.

    Args:
        name: Of the worker.
        spec: For its slots, and the bound of its memory.
        child: The process.

    Attributes:
        lost: How it was lost; None while it is not.
        useful: It told a result.
    """

    shares_folder = True

    def __init__(self, name: str, spec: WorkerSpec, child: Child) -> None:
        self.name = name
        self.slots = spec.slots
        self.lost: LinkLost | None = None
        self.useful = False
        self._memory_max_bytes = spec.memory_max_bytes
        self._child = child
        self._why = ""

    async def exchange(self, down: Down) -> Up:
        """Tell and be told.

        Raises:
            LinkLost: It is dead, now at the latest.
        """
        try:
            with trio.fail_after(down.linger_s + down.lease_s):
                up = await self._exchange(down)
        except trio.TooSlowError:
            why = f"it said nothing for {down.lease_s:g} s{await self._where()}, and was killed"
            raise await self._end(why + self._child.where_more_is) from None
        except Garbled as error:
            raise await self._end(f"it was killed: {error}{self._child.where_more_is}") from error
        except trio.BrokenResourceError:
            up = None
        if up is None:
            await self._child.died()
            raise await self._end(f"its process died: {self._child.last_words}")
        self.useful = self.useful or bool(up.results)
        return up

    async def _exchange(self, down: Down) -> Up | None:
        await self._child.frames.tell(down)
        return await self._child.frames.hear(Up)

    async def _where(self) -> str:
        """Say where it is stuck; it may be a tool of the plan that blocks the event loop."""
        frame = await self._child.where()
        return f" (stuck in {frame})" if frame else ""

    async def _end(self, why: str) -> LinkLost:
        gone = await self._child.kill()
        self.lost = LinkLost(self._why or why, confirmed=gone)
        return self.lost

    async def watch_memory(self) -> None:
        """Kill the process when it takes too much."""
        while self._memory_max_bytes is not None:
            await trio.sleep(MEMORY_EVERY_S)
            taken = memory_of(self._child.process.pid)
            if taken > self._memory_max_bytes:
                bound = self._memory_max_bytes
                self._why = f"it took {taken >> 20:,} MiB of memory, over its bound of {bound >> 20:,}, and was killed"
                await self._child.kill()
                return

    async def stop(self, grace_s: float) -> None:
        """End it: it cancels what it still has."""
        await self._child.end(grace_s + END_S)

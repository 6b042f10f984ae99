"""The program of a worker in a process of its own: frames on stdin and stdout, and the end with its parent."""

import os
from contextlib import suppress

import attrs
import trio

from engine.blocks import block_nursery
from engine.farm.backends import WorkerSpec
from engine.farm.link import Down
from engine.farm.processes.frames import Frames
from engine.farm.processes.lifeline import pipes_of_mine
from engine.farm.processes.open_files import raise_limit
from engine.farm.worker.collecting import tuned_collection
from engine.farm.worker.worker import Worker, worker_of


@attrs.frozen(kw_only=True)
class Order:
    """The first frame that a worker hears: who it is."""

    name: str
    spec: WorkerSpec


@attrs.frozen(kw_only=True)
class Ready:
    """The first frame that it tells: it is there."""

    pid: int


async def serve(frames: Frames) -> None:
    """Work until the other end is gone; then all sessions are cancelled at once."""
    order = await frames.hear(Order)
    if order is None:
        return
    worker = worker_of(order.spec, order.name)
    async with block_nursery() as nursery:
        nursery.start_soon(worker.run)
        nursery.start_soon(tuned_collection, lambda: worker.busy)
        await frames.tell(Ready(pid=os.getpid()))
        await _answer(frames, worker)
        nursery.cancel_scope.cancel()


async def _answer(frames: Frames, worker: Worker) -> None:
    while (down := await frames.hear(Down)) is not None:
        await frames.tell(await worker.exchange(down))


async def main() -> None:
    """Be a worker."""
    raise_limit()
    with pipes_of_mine() as frames, suppress(trio.BrokenResourceError):  # The parent is gone; so are we.
        await serve(frames)


if __name__ == "__main__":
    trio.run(main)

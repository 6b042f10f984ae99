"""The simulator as a run's target: server processes on loopback, which end with the run, however it ends."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from engine.blocks import block_nursery
from engine.errors import FarmError, TargetLost
from engine.farm.plan.model import Plan
from engine.farm.processes.children import Child, started
from engine.farm.processes.frames import Garbled
from engine.farm.processes.log_file import LogFile
from engine.farm.processes.target_server import Serve, Serving
from engine.farm.worker.vitals import machine_cores

START_S: Final = 60.0
"""How long a server may take until it listens; the local voice takes some seconds."""

MODULE: Final = "engine.farm.processes.target_server"


@asynccontextmanager
async def target_of(
    plan: Plan, workers: int, lost: Callable[[], object] = lambda: None, *, folder: Path | None = None
) -> AsyncIterator[tuple[str, ...]]:
    """Start what a plan's sessions talk to, for the time of the block.

    Args:
        plan: Whose target.
        workers: How many the run has; see `servers_of`.
        lost: Called when a server died, before sessions are ended.
        folder: The run's, where servers' logs go; None keeps their last words alone.

    Yields:
        Base URLs to be used in turn; none where the target is not ours to start.

    Raises:
        FarmError: A server did not start.
        TargetLost: One died while sessions talked to it.
    """
    if plan.target.kind != "simulator":
        yield ()
        return
    async with AsyncExitStack() as stack:
        servers = []
        for number in range(1, servers_of(plan, workers) + 1):
            log = None if folder is None else LogFile(folder, f"simulator-{number}")
            servers.append(await stack.enter_async_context(started(MODULE, log=log)))
        urls = await _listening(servers, _order(plan))
        async with block_nursery() as nursery:
            for server in servers:
                nursery.start_soon(_look_after, server, lost)
            yield urls
            nursery.cancel_scope.cancel()


def servers_of(plan: Plan, workers: int) -> int:
    """Say how many simulators a run starts: as its plan says, else one for each worker, at most one a core."""
    if plan.target.kind != "simulator":
        return 0
    return plan.target.servers or min(workers, machine_cores())


def _order(plan: Plan) -> Serve:
    script = plan.target.script and str(Path(plan.folder) / plan.target.script)
    return Serve(voice=plan.target.voice, script=script, pace=plan.target.pace)


async def _listening(servers: list[Child], order: Serve) -> tuple[str, ...]:
    """Wait until all listen, all at the same time: each takes a second of its own."""
    urls = [""] * len(servers)

    async def ask(at: int) -> None:
        urls[at] = await _base_url(servers[at], order)

    async with block_nursery() as nursery:
        for at in range(len(servers)):
            nursery.start_soon(ask, at)
    return tuple(urls)


async def _base_url(server: Child, order: Serve) -> str:
    try:
        with trio.fail_after(START_S):
            await server.frames.tell(order)
            serving = await server.frames.hear(Serving)
    except trio.TooSlowError:
        raise FarmError(f"the simulator does not listen after {START_S:g} s | see how busy this machine is") from None
    except (trio.BrokenResourceError, Garbled):
        serving = None
    if serving is None:
        await server.died()
        raise FarmError(f"the simulator died as it started ({server.last_words}) | try `realtime-engine simulate`")
    if serving.why_not:
        raise FarmError(f"the simulator can't serve: {serving.why_not}")
    return serving.base_url


async def _look_after(server: Child, lost: Callable[[], object]) -> None:
    await server.process.wait()
    lost()
    await server.died()
    raise TargetLost(f"a simulator died while sessions talked to it ({server.last_words}) | go on with --resume")

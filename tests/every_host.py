"""What tests share that run on every host: Trio, asyncio and asyncio with uvloop, by one coroutine written on anyio."""

import asyncio
import functools
import inspect
import threading
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
import trio
from rooms import KEY, Peer, session_created

from engine import BidiOpenAIRealtimeModel
from engine.hosts.crossing import cross
from engine.simulator import Script, SimulatorSettings
from engine.simulator.settings import INSTANT
from engine.testing import simulator_in_thread

HOSTS = {
    "trio": ("trio", {}),
    "asyncio": ("asyncio", {}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
}
LOOPS = ("asyncio", "uvloop")

PATIENCE_S = 60
"""What hangs fails after this, on each host."""


def run_on(host, function, *args):
    """Run a coroutine function on a host; afterwards nothing of the engine is left."""
    backend, options = HOSTS[host]

    async def bounded():
        with anyio.fail_after(PATIENCE_S):
            return await function(*args)

    try:
        return anyio.run(bounded, backend=backend, backend_options=options)
    finally:
        assert engine_threads() == []


def engine_threads():
    return [thread.name for thread in threading.enumerate() if thread.name == "realtime-engine"]


def on_hosts(*hosts):
    """Make of a coroutine function written on anyio a test for each of some hosts."""

    def decorate(test):
        own = inspect.signature(test)

        @functools.wraps(test)
        def run(host, **given):
            if "host" in own.parameters:
                given["host"] = host
            return run_on(host, functools.partial(test, **given))

        parameters = [each for each in own.parameters.values() if each.name != "host"]
        first = inspect.Parameter("host", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        run.__signature__ = own.replace(parameters=[first, *parameters])
        del run.__wrapped__
        return pytest.mark.parametrize("host", hosts)(run)

    return decorate


on_every_host = on_hosts(*HOSTS)
on_event_loops = on_hosts(*LOOPS)


def on_trio():
    return trio.lowlevel.in_trio_task()


async def in_trio(function, *args):
    """Await a coroutine function of Trio's, as a transport's, where the engine's sessions live."""
    return await (function(*args) if on_trio() else cross(function, *args))


def living():
    """Count the host's tasks."""
    if on_trio():
        return trio.lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


async def settle(times=20):
    """Let what is ready run, here and, on asyncio, in the engine's thread."""
    for _ in range(times):
        await anyio.sleep(0.001)


async def until(condition):
    """Wait for what another thread or task does."""
    while not condition():  # noqa: ASYNC110 - nobody tells of it
        await anyio.sleep(0.002)


class Hand:
    """A server's end, written by hand, for every host: as `rooms.Peer`."""

    def __init__(self, transport):
        self.transport = transport
        self._peer = Peer(transport)

    async def say(self, *messages):
        await in_trio(self._peer.say, *messages)

    async def hear(self, event_type=None):
        return await in_trio(self._peer.hear, event_type)


async def accept(connector):
    """Take the next connection that a session makes."""
    return Hand(await in_trio(connector.accept))


def model(connector=None, *, client=None, engine=None, **provider):
    where = {"api_key": KEY, "base_url": "ws://127.0.0.1:1/v1", **(client or {})}
    given = {**provider, "engine": engine} if engine else provider
    return BidiOpenAIRealtimeModel(provider_config=given, client_config=where, connector=connector)


async def started(subject, connector, **options):
    """Start with a server written by hand; give that."""
    async with anyio.create_task_group() as group:
        group.start_soon(functools.partial(subject.start, **options))
        peer = await accept(connector)
        await peer.say(session_created())
    return peer


@asynccontextmanager
async def simulated(*answers, settings=None, keys=None):
    """Serve in a thread; give the simulator, and settings that lead to it."""
    settings = settings or SimulatorSettings(pace=INSTANT, keys=keys, ledger_max_sessions=3)
    async with simulator_in_thread(settings, Script.of(*answers).responder) as simulator:
        yield simulator, {"base_url": simulator.base_url}


async def everything(subject):
    return [event async for event in subject.receive()]

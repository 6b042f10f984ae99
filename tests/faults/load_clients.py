"""Sessions of one connection with the load server, over sockets and over memory."""

from contextlib import asynccontextmanager

import trio
import trio.testing
from rooms import ONE_LINK

import engine
from benchmarks.fault_server import LoadServer
from engine.transport.network import wrap


def settings(base_url="ws://127.0.0.1:1/v1", **engine_settings):
    return engine.SessionConfig(
        client=engine.ClientSettings(api_key="sk-test", base_url=base_url),
        engine=engine.EngineSettings(**{**ONE_LINK, **engine_settings}),
    )


@asynccontextmanager
async def over_sockets(load, **engine_settings):
    """Give a session and its server's report."""
    server = LoadServer(load)
    async with trio.open_nursery() as nursery:
        config = settings(await server.listen(nursery), **engine_settings)
        async with engine.open_session(config) as session:
            yield session, server.reports[0]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def over_memory(load, **engine_settings):
    """Give a session and its server's report; nothing but the clock of the run tells the time."""
    server = LoadServer(load)
    async with trio.open_nursery() as nursery:
        here, there = trio.testing.memory_stream_pair()
        nursery.start_soon(server.serve_stream, there)

        async def connect(tasks, endpoint):
            return await wrap(tasks, here, endpoint)

        async with engine.open_session(settings(**engine_settings), connector=connect) as session:
            yield session, server.reports[0]
        nursery.cancel_scope.cancel()


async def read_audio(events, count):
    """Read until this many pieces of audio have come."""
    async for event in events:
        count -= isinstance(event, engine.BidiAudioStreamEvent)
        if not count:
            return


async def read_to_the_end_of(events, response_id):
    """Read until a response is over, and give all events to it."""
    read = []
    async for event in events:
        read.append(event)
        if isinstance(event, engine.BidiResponseCompleteEvent) and event.response_id == response_id:
            break
    return read

"""A simulated service for one command: on TCP or in memory, and how to connect to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import attrs
import trio

from engine.config import ClientSettings
from engine.simulator import ResponderFactory, Simulator, serve
from engine.transport.base import Connector, Endpoint, Transport
from engine.transport.network import network, wrap

ANY_KEY: Final = "the-simulator-takes-any-key"


@attrs.frozen
class Service:
    """Whom a session is to talk to.

    Attributes:
        client: Address and key.
        connector: How to get there.
    """

    client: ClientSettings
    connector: Connector


@asynccontextmanager
async def simulated(responders: ResponderFactory | None, *, in_memory: bool) -> AsyncIterator[Service]:
    """Run a simulated service for the time of the block.

    Args:
        responders: What answers; None repeats what it hears.
        in_memory: True for streams in memory, False for TCP on loopback.
    """
    async with serve(None, responders, host=None if in_memory else "127.0.0.1") as server:
        client = ClientSettings(api_key=ANY_KEY, base_url=server.base_url)
        yield Service(client, _in_memory(server) if in_memory else network())


def _in_memory(server: Simulator) -> Connector:
    async def connect(nursery: trio.Nursery, endpoint: Endpoint) -> Transport:
        return await wrap(nursery, server.connect_stream(), endpoint)

    return connect


async def local_voice(*, threads: bool = True) -> ResponderFactory:
    """Load the responder that understands English and has a voice; takes about a second.

    Args:
        threads: False runs its models inline, for virtual time.

    Raises:
        ConfigError: Its libraries are not installed.
    """
    from engine.simulator.local_voice import LocalVoice

    voice = LocalVoice(threads=threads)
    await voice.warm_up()
    return lambda: voice

"""The way to a simulator without a socket."""

import trio

from engine.simulator.server import Simulator
from engine.transport.base import Connector, Endpoint, Transport
from engine.transport.network import wrap


def in_memory(simulator: Simulator, *, lockstep: bool = False) -> Connector:
    """Make a connector that leads to a simulator without a socket: real WebSocket frames over streams in memory.

    Args:
        simulator: The server.
        lockstep: Use streams whose sender waits for the receiver, see `Simulator.connect_stream`.
    """

    async def connect(nursery: trio.Nursery, endpoint: Endpoint) -> Transport:
        stream = simulator.connect_stream(lockstep=lockstep)
        try:
            return await wrap(nursery, stream, endpoint)
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise

    return connect

"""Listens in on a connection: every wire message both ways, from the first one on, without decoding it.

It numbers no connections. The demo has one: its service runs beside it, and its story is over long before a session
is. Of a session that may go on over another connection, `open_session(record=...)` tells which one a message took.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import trio

from engine.transport.base import Connector, Endpoint, Transport, TransportStatistics

Tell = Callable[[Literal["client", "server"], str | bytes], None]


class TappedTransport:
    """A connection that tells what goes over it.

    Args:
        transport: The connection.
        tell: Told each message, after it was sent or received.
    """

    def __init__(self, transport: Transport, tell: Tell) -> None:
        self._transport = transport
        self._tell = tell

    async def send(self, text: str) -> None:
        """Send, and tell."""
        await self._transport.send(text)
        self._tell("client", text)

    async def receive(self) -> Sequence[str | bytes]:
        """Receive, and tell."""
        messages = await self._transport.receive()
        for message in messages:
            self._tell("server", message)
        return messages

    async def ping(self) -> None:
        """Ping."""
        await self._transport.ping()

    async def close(self, deadline_s: float) -> None:
        """Close it."""
        await self._transport.close(deadline_s)

    def statistics(self) -> TransportStatistics:
        """Give its figures."""
        return self._transport.statistics()


def tapped(connector: Connector, tell: Tell) -> Connector:
    """Make a connector whose connections tell what goes over them."""

    async def connect(nursery: trio.Nursery, endpoint: Endpoint) -> Transport:
        return TappedTransport(await connector(nursery, endpoint), tell)

    return connect

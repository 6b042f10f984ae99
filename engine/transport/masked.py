"""Connections whose peer can't make the engine show a key: what comes in, messages and errors, is searched for it."""

from collections.abc import Sequence
from typing import Final

import trio

from engine.errors import ConnectionLost
from engine.secrets import Secrets
from engine.transport.base import Connector, Endpoint, Transport, TransportStatistics

_SPEECH: Final = '{"type":"response.output_audio.delta"'
"""How messages begin that hold speech: most of all bytes, and nothing that is ever shown as text."""


def masking(connector: Connector) -> Connector:
    """Make a connector whose connections let no secret of the endpoint in.

    Args:
        connector: What connects.
    """

    async def connect(nursery: trio.Nursery, endpoint: Endpoint) -> Transport:
        secrets = Secrets.to(endpoint.url, endpoint.headers, endpoint.proxy)
        try:
            transport = await connector(nursery, endpoint)
        except ConnectionLost as lost:
            secrets.mask_error(lost)
            raise
        return MaskedTransport(transport, secrets) if secrets.texts else transport

    return connect


class MaskedTransport:
    """A connection that replaces secrets in what it receives.

    Args:
        transport: The connection.
        secrets: What must not show.
    """

    def __init__(self, transport: Transport, secrets: Secrets) -> None:
        self._transport = transport
        self._secrets = secrets

    async def send(self, text: str) -> None:
        """Send one text frame."""
        try:
            await self._transport.send(text)
        except ConnectionLost as lost:
            self._secrets.mask_error(lost)
            raise

    async def receive(self) -> Sequence[str | bytes]:
        """Give the next messages."""
        try:
            batch = await self._transport.receive()
        except ConnectionLost as lost:
            self._secrets.mask_error(lost)
            raise
        return [self._masked(message) for message in batch]

    async def ping(self) -> None:
        """Send a ping and wait for its answer."""
        try:
            await self._transport.ping()
        except ConnectionLost as lost:
            self._secrets.mask_error(lost)
            raise

    async def close(self, deadline_s: float) -> None:
        """Close in order."""
        await self._transport.close(deadline_s)

    def statistics(self) -> TransportStatistics:
        """Give a snapshot."""
        return self._transport.statistics()

    def _masked(self, message: str | bytes) -> str | bytes:
        if isinstance(message, bytes) or message.startswith(_SPEECH):
            return message
        return self._secrets.masked(message)

"""Connections whose peer can't make the engine show a key: what comes in, messages and errors, is searched for it."""

from collections.abc import Sequence
from typing import Final, cast

import trio

from engine.errors import ConnectionLost
from engine.secrets import Secrets
from engine.transport.base import Connector, Endpoint, PromptTransport, Transport, TransportStatistics

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
        if not secrets.texts:
            return transport
        kind = MaskedPromptTransport if hasattr(transport, "send_nowait") else MaskedTransport
        return kind(transport, secrets)

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
        if all(map(self._is_clean, batch)):
            return batch
        return [message if self._is_clean(message) else self._masked(message) for message in batch]

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

    def _is_clean(self, message: str | bytes) -> bool:
        if isinstance(message, bytes) or message.startswith(_SPEECH):
            return True
        return not any(secret in message for secret in self._secrets.texts)

    def _masked(self, message: str | bytes) -> str | bytes:
        return message if isinstance(message, bytes) else self._secrets.masked(message)


class MaskedPromptTransport(MaskedTransport):
    """The same over a connection that can write at once.

    Args:
        transport: The connection.
        secrets: What must not show.
    """

    def __init__(self, transport: Transport, secrets: Secrets) -> None:
        super().__init__(transport, secrets)
        self._prompt = cast("PromptTransport", transport)

    def send_nowait(self, text: str) -> bool:
        """Send one text frame now."""
        try:
            return self._prompt.send_nowait(text)
        except ConnectionLost as lost:
            self._secrets.mask_error(lost)
            raise

    async def send_many(self, texts: Sequence[str]) -> None:
        """Send text frames."""
        try:
            await self._prompt.send_many(texts)
        except ConnectionLost as lost:
            self._secrets.mask_error(lost)
            raise

"""The one door to the network: what a transport is, and where it leads."""

import ssl
from collections.abc import Sequence
from typing import Protocol

import attrs
import trio

from engine import limits
from engine.errors import shown_url


@attrs.frozen(kw_only=True)
class Endpoint:
    """Where to connect, and as whom.

    Attributes:
        url: `ws://` or `wss://`, path and query included; the query is not shown, for some servers take keys in it.
        headers: Holds the key, so it is never shown.
        ssl_context: For `wss`; the system's certificates when None.
        message_hard_max_bytes: A larger message closes the connection with code 1009.
        proxy: `http://` or `https://` address of an HTTP proxy to tunnel through; its password is not shown.
    """

    url: str = attrs.field(repr=lambda url: repr(shown_url(url)))
    headers: Sequence[tuple[str, str]] = attrs.field(default=(), repr=False)
    ssl_context: ssl.SSLContext | None = attrs.field(default=None, repr=False)
    message_hard_max_bytes: int = limits.MESSAGE_HARD_MAX_BYTES
    proxy: str | None = attrs.field(default=None, repr=lambda url: repr(url and shown_url(url)))


@attrs.frozen
class TransportStatistics:
    """A snapshot of the connection, in bytes as the socket's user sees them (before TLS)."""

    bytes_received: int
    bytes_sent: int


class Transport(Protocol):
    """A live connection. Every failure is a `ConnectionLost`, the library's own exception chained to it."""

    async def send(self, text: str) -> None:
        """Send one text frame."""
        ...

    async def receive(self) -> Sequence[str | bytes]:
        """Give the next messages, at least one; bytes stand for a binary frame."""
        ...

    async def close(self, deadline_s: float) -> None:
        """Close in order: send a close frame and wait for the peer's, at most `deadline_s`; then drop everything.

        Never raises for a peer that is gone, and waits for none that only goes on talking.
        """
        ...

    def statistics(self) -> TransportStatistics:
        """Give a snapshot."""
        ...


class Connector(Protocol):
    """Makes connections."""

    async def __call__(self, nursery: trio.Nursery, endpoint: Endpoint) -> Transport:
        """Connect.

        Args:
            nursery: Runs the transport's own tasks; they end by themselves when the transport is closed.
            endpoint: Where to.

        Raises:
            ConnectionLost: It could not be done; `HandshakeRejected` when the server said no.
        """
        ...

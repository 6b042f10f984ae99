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
    """A snapshot of the connection.

    Attributes:
        bytes_received: As the socket's user sees them, before TLS.
        bytes_sent: Likewise; of a long message, what the socket has taken so far.
        round_trip_s: From the newest answered ping to its answer; None when none was answered. A receiver that is
            behind makes it longer: the answer stands in line with the messages before it.
        round_trip_min_s: The shortest so far: the network's share.
        pings_sent: Those that were written, or are being written: one that waits for a message before it is not.
        pings_answered: Those of them whose answer has come.
        pieces_sent: Of messages that are written in pieces, for they are long, how many the socket has taken.
    """

    bytes_received: int
    bytes_sent: int
    round_trip_s: float | None = None
    round_trip_min_s: float | None = None
    pings_sent: int = 0
    pings_answered: int = 0
    pieces_sent: int = 0


class Transport(Protocol):
    """A live connection. Every failure is a `ConnectionLost`, the library's own exception chained to it.

    The peer's pings are answered while somebody receives, or waits for the answer to a ping of ours. A transport may
    answer them at other times, too.
    """

    async def send(self, text: str) -> None:
        """Send one text frame."""
        ...

    async def receive(self) -> Sequence[str | bytes]:
        """Give the next messages, at least one; bytes stand for a binary frame."""
        ...

    async def ping(self) -> None:
        """Send a ping and wait for its answer, however long that takes: the caller has the deadline. One at a time.

        It waits for the message that is being written, and its answer comes behind what the peer sent before it.
        Cancelled, it leaves nothing behind, and an answer that comes later is ignored; cancelled while it is written
        itself, it breaks the connection, as `send` does.
        """
        ...

    async def close(self, deadline_s: float) -> None:
        """Close in order: send a close frame and wait for the peer's, at most `deadline_s`; then drop everything.

        Never raises for a peer that is gone, and waits for none that only goes on talking.
        """
        ...

    def statistics(self) -> TransportStatistics:
        """Give a snapshot."""
        ...


class PromptTransport(Transport, Protocol):
    """A connection that can also write without waiting. Who sends may look for these, and uses `send` without."""

    def send_nowait(self, text: str) -> bool:
        """Send one text frame now; may be called by any task.

        Where the socket takes only a part of it, the transport writes the rest as soon as it can, and before anything
        else.

        Returns:
            False when nothing was taken, as while another message is being written, or of a long one: then `send` it.

        Raises:
            ConnectionLost: It can't be sent.
        """
        ...

    async def send_many(self, texts: Sequence[str]) -> None:
        """Send text frames, in this order and in one write where the socket takes them; else as `send`."""
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

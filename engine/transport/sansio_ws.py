"""The transport on websockets' sans-I/O protocol: one read of the socket, many frames, one batch. No task of its own.

Whoever waits for something from the peer reads: mostly the one that receives. While nobody receives, it is the one that
waits for the answer to a ping, or that closes.
"""

import itertools
from collections.abc import Sequence
from typing import Final

import trio

from engine import limits
from engine.transport.base import Endpoint, Transport, TransportStatistics
from engine.transport.ending import Ending
from engine.transport.frame_reader import FrameReader
from engine.transport.frame_writer import PIECE_BYTES, FrameWriter
from engine.transport.inbound import Inbound
from engine.transport.lines import Line, line_over
from engine.transport.outbound import ping_frame, text_frame
from engine.transport.pings import Pings
from engine.transport.route import Destination, open_bare_route
from engine.transport.tls_line import secure_line
from engine.transport.upgrade import Upgraded, upgrade

_LAST_LOOKS: Final = 5
"""Rounds of the scheduler in which a peer in this process may answer the goodbye of one who has no time to wait."""


async def connect(nursery: trio.Nursery, endpoint: Endpoint) -> Transport:
    """Connect over the network. See `engine.transport.base.Connector`."""
    stream = await open_bare_route(endpoint)
    try:
        if not (to := Destination.of(endpoint)).is_secure:
            return await wrap(nursery, stream, endpoint)
        # More in one read costs more than it saves: each byte is copied three times.
        records = line_over(stream, limits.RECEIVE_BUFFER_BYTES)
        return await _over(nursery, await secure_line(records, to.host, to.port, endpoint.ssl_context), endpoint)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


async def wrap(nursery: trio.Nursery, stream: trio.abc.Stream, endpoint: Endpoint) -> Transport:
    """Make the WebSocket handshake on a stream that leads to a server already.

    Raises:
        ConnectionLost: It failed; `HandshakeRejected` when the server said no.
    """
    return await _over(nursery, line_over(stream), endpoint)


async def _over(nursery: trio.Nursery, line: Line, endpoint: Endpoint) -> Transport:
    return SansioWebSocket(nursery, line, await upgrade(line, endpoint), endpoint.message_hard_max_bytes)


class SansioWebSocket:
    """A connection on websockets.

    Args:
        nursery: Runs what finishes a message that the socket did not take at once.
        line: The way to the server.
        upgraded: What the handshake has given.
        message_hard_max_bytes: A larger message closes the connection.
    """

    __slots__ = (
        "__weakref__",
        "_ending",
        "_inbound",
        "_line",
        "_numbers",
        "_nursery",
        "_pings",
        "_reader",
        "_was_cut_off",
        "_writer",
    )

    def __init__(self, nursery: trio.Nursery, line: Line, upgraded: Upgraded, message_hard_max_bytes: int) -> None:
        self._nursery = nursery
        self._line = line
        self._numbers = itertools.count()
        self._was_cut_off = False
        self._pings = Pings()
        self._inbound = inbound = Inbound(message_hard_max_bytes)
        self._ending = ending = Ending(inbound, message_hard_max_bytes)
        self._writer = FrameWriter(nursery, line, inbound, ending)
        self._reader = FrameReader(line, inbound, ending, self._pings, self._writer)
        self._writer.bytes_sent, self._reader.bytes_received = upgraded.bytes_sent, upgraded.bytes_received
        inbound.feed(upgraded.rest)
        self._reader.settle()

    @trio.lowlevel.enable_ki_protection
    async def send(self, text: str) -> None:
        """Send one text frame."""
        await trio.lowlevel.checkpoint()
        await self._writer.send(text_frame(text))

    @trio.lowlevel.enable_ki_protection
    async def send_many(self, texts: Sequence[str]) -> None:
        """Send text frames, in one write where the socket takes them."""
        await trio.lowlevel.checkpoint()
        await self._writer.send(b"".join(map(text_frame, texts)))

    @trio.lowlevel.enable_ki_protection
    def send_nowait(self, text: str) -> bool:
        """Send one text frame, if nobody else is writing; see `Transport`."""
        self._ending.check_open()
        if not self._writer.is_free or len(text) > PIECE_BYTES:
            return False
        self._writer.begin(text_frame(text))
        return True

    @trio.lowlevel.enable_ki_protection
    async def receive(self) -> Sequence[str | bytes]:
        """Give the next messages, all that one read has brought."""
        inbound, ending = self._inbound, self._ending
        self._was_cut_off = False
        if inbound.messages:
            await trio.lowlevel.checkpoint()
        try:
            while ending.is_closing or not inbound.messages:
                if ending.is_closing or inbound.is_over:
                    raise ending.lost()
                await self._reader.read()
        except trio.Cancelled:
            self._was_cut_off = True
            raise
        batch, inbound.messages = inbound.messages, []
        self._reader.caught_up()
        return batch

    @trio.lowlevel.enable_ki_protection
    async def ping(self) -> None:
        """Send a ping and wait for its answer; see `Transport.ping`."""
        self._ending.check_open()
        payload = next(self._numbers).to_bytes(8)
        reader = self._reader
        try:
            with self._pings.until_over():
                await trio.lowlevel.checkpoint_if_cancelled()
                reader.awaited = payload
                await self._writer.send(ping_frame(payload), self._pings.begun)
                while reader.awaited == payload:
                    if self._inbound.is_over:  # To read once more would fail at once, without letting others run.
                        raise self._ending.lost()
                    await reader.read_ahead()
                return
        finally:
            if reader.awaited == payload:
                reader.awaited = None
        raise self._ending.lost()

    @trio.lowlevel.enable_ki_protection
    async def close(self, deadline_s: float) -> None:
        """Close in order; see `Transport.close`."""
        try:
            with trio.move_on_after(deadline_s):
                await self._writer.say_goodbye()
                self._ending.is_closing = True
                self._reader.tell()
                if not self._ending.is_torn:  # Else the peer could not read it.
                    await self._hear_goodbye()
        finally:
            self._ending.is_closing = True
            self._pings.over()
            await trio.aclose_forcefully(self._line.stream)
            self._reader.tell()

    async def _hear_goodbye(self) -> None:
        if not self._was_cut_off and not self._nursery.cancel_scope.cancel_called:
            await self._reader.hear_goodbye()
            return
        for _ in range(_LAST_LOOKS):
            await trio.lowlevel.checkpoint()

    def statistics(self) -> TransportStatistics:
        """Give a snapshot."""
        return self._pings.statistics(self._reader.bytes_received, self._writer.bytes_sent, self._writer.pieces_sent)

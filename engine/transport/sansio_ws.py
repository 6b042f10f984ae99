"""The transport on websockets' sans-I/O protocol: one read of the socket, many frames, one batch. No task of its own.

Whoever waits for something from the peer reads: mostly the one that receives. While nobody receives, it is the one that
waits for the answer to a ping, or that closes.
"""

import contextlib
import itertools
from collections.abc import Sequence
from typing import Final

import trio
from websockets.exceptions import PayloadTooBig

from engine import limits
from engine.errors import ConnectionLost, LimitExceeded
from engine.transport.base import Endpoint, Transport, TransportStatistics
from engine.transport.inbound import Inbound
from engine.transport.lines import Line, line_over
from engine.transport.outbound import ping_frame, text_frame
from engine.transport.pings import Pings
from engine.transport.route import Destination, open_bare_route
from engine.transport.tls_line import secure_line
from engine.transport.turns import Turns
from engine.transport.upgrade import Upgraded, upgrade

PIECE_BYTES: Final = 32 * 2**10
"""A longer message, as with an image, is written in pieces: what the socket has taken is known while the rest waits."""

READ_AHEAD_MAX_BYTES: Final = 256 * 2**10
"""What is read ahead of `receive()`, for the answer to a ping that stands behind it."""

_BROKEN: Final = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


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

    def __init__(self, nursery: trio.Nursery, line: Line, upgraded: Upgraded, message_hard_max_bytes: int) -> None:
        self._nursery = nursery
        self._line = line
        self._bound = message_hard_max_bytes
        self._inbound = Inbound(message_hard_max_bytes)
        self._inbound.feed(upgraded.rest)
        self._turns = Turns()
        self._pings = Pings()
        self._numbers = itertools.count()
        self._awaited: bytes | None = None
        self._is_reading = False
        self._was_cut_off = False
        self._is_closing = False
        self._is_torn = False
        self._waiting: trio.lowlevel.ParkingLot | None = None
        self._broken: Exception | None = None
        self._ahead_bytes = 0
        self._bytes_received = upgraded.bytes_received
        self._bytes_sent = upgraded.bytes_sent
        self._pieces_sent = 0

    async def send(self, text: str) -> None:
        """Send one text frame."""
        await trio.lowlevel.checkpoint()
        await self._send(text_frame(text))

    async def send_many(self, texts: Sequence[str]) -> None:
        """Send text frames, in one write where the socket takes them."""
        await trio.lowlevel.checkpoint()
        await self._send(b"".join(map(text_frame, texts)))

    def send_nowait(self, text: str) -> bool:
        """Send one text frame, if nobody else is writing; see `Transport`."""
        self._check_open()
        if self._turns.is_taken or not self._line.is_prompt or len(text) > PIECE_BYTES:
            return False
        self._begin(text_frame(text))
        return True

    async def receive(self) -> Sequence[str | bytes]:
        """Give the next messages, all that one read has brought."""
        inbound = self._inbound
        self._was_cut_off = False
        if inbound.messages:
            await trio.lowlevel.checkpoint()
        try:
            while self._is_closing or not inbound.messages:
                if self._is_closing or inbound.is_over:
                    raise self._lost()
                await self._read()
        except trio.Cancelled:
            self._was_cut_off = True
            raise
        batch, inbound.messages = inbound.messages, []
        if self._ahead_bytes > READ_AHEAD_MAX_BYTES:
            self._tell()
        self._ahead_bytes = 0
        return batch

    async def ping(self) -> None:
        """Send a ping and wait for its answer; see `Transport.ping`."""
        self._check_open()
        payload = next(self._numbers).to_bytes(8)
        try:
            with self._pings.until_over():
                await trio.lowlevel.checkpoint_if_cancelled()
                await self._turns.take()
                try:
                    self._check_open()
                    self._pings.begun()
                    self._awaited = payload
                    await self._write(ping_frame(payload))
                finally:
                    self._turns.give_back()
                while self._awaited == payload:
                    await self._read_ahead()
                return
        finally:
            if self._awaited == payload:
                self._awaited = None
        raise self._lost()

    async def close(self, deadline_s: float) -> None:
        """Close in order; see `Transport.close`."""
        try:
            with trio.move_on_after(deadline_s):
                await self._say_goodbye()
                self._is_closing = True
                self._tell()
                # Whoever was cancelled has no time to hear the answer.
                if not self._was_cut_off and not self._nursery.cancel_scope.cancel_called:
                    await self._hear_goodbye()
        finally:
            self._is_closing = True
            self._pings.over()
            await trio.aclose_forcefully(self._line.stream)
            self._tell()

    def statistics(self) -> TransportStatistics:
        """Give a snapshot."""
        return self._pings.statistics(self._bytes_received, self._bytes_sent, self._pieces_sent)

    # --- reading ------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Read once, or wait until another has: then look again."""
        if self._is_reading:
            await self._news()
            return
        self._is_reading = True
        try:
            if self._inbound.has_more:
                self._inbound.go_on()
                await trio.lowlevel.checkpoint()
            elif (data := self._line.read_nowait()) is not None:
                self._take(data)
                await trio.lowlevel.checkpoint()
            else:
                await self._line.readable()
                if (data := self._line.read_nowait()) is not None:
                    self._take(data)
        except _BROKEN as error:
            self._broken = error
            self._inbound.end()
        finally:
            self._is_reading = False
            self._tell()
        if self._inbound.pongs:
            self._sort_pongs()
        if self._inbound.is_over:
            self._pings.over()
        if self._inbound.replies or self._line.owes:
            self._reply()

    async def _read_ahead(self) -> None:
        """Read for another purpose than `receive()`, which may be far away."""
        if self._ahead_bytes > READ_AHEAD_MAX_BYTES and self._inbound.messages:
            await self._news()
        else:
            await self._read()

    def _take(self, data: bytes) -> None:
        self._bytes_received += len(data)
        self._ahead_bytes += len(data)
        if data:
            self._inbound.feed(data)
        else:
            self._inbound.end()

    def _sort_pongs(self) -> None:
        pongs, self._inbound.pongs = self._inbound.pongs, []
        if self._awaited is not None and self._awaited in pongs:
            self._awaited = None
            self._pings.answered()

    async def _news(self) -> None:
        """Wait until something was read, or the connection is being closed."""
        if self._waiting is None:
            self._waiting = trio.lowlevel.ParkingLot()
        await self._waiting.park()

    def _tell(self) -> None:
        if self._waiting is not None:
            self._waiting.unpark_all()

    async def _hear_goodbye(self) -> None:
        """Read past what comes before the peer's close frame: a bounded part."""
        bound = self._bytes_received + limits.CLOSE_DRAIN_MAX_BYTES
        while not self._inbound.is_over and self._bytes_received <= bound:
            self._inbound.messages.clear()
            await self._read()

    # --- writing ------------------------------------------------------------------------------------------------

    async def _send(self, data: bytes) -> None:
        self._check_open()
        await self._turns.take()
        try:
            self._check_open()
            await self._write(data)
        finally:
            self._turns.give_back()

    async def _say_goodbye(self) -> None:
        if self._cannot_write():
            return
        await self._turns.take()
        try:
            if self._cannot_write():
                return
            await self._write(self._inbound.close(1000))
        except ConnectionLost:
            pass
        finally:
            self._turns.give_back()

    def _reply(self) -> None:
        """Answer pings, or a close frame; whoever is writing does that when done."""
        if not self._turns.is_taken and not self._is_torn:
            with contextlib.suppress(ConnectionLost):  # The receiver goes on: what came before may tell why.
                self._begin(self._replies())

    def _replies(self) -> bytes:
        replies, self._inbound.replies = self._inbound.replies, []
        return b"".join(replies)

    def _begin(self, data: bytes) -> None:
        """Write while nobody else does. Where the socket does not take all at once, a task writes the rest."""
        self._turns.is_taken = True
        try:
            is_done = self._line.write(data)
        except _BROKEN as error:
            self._turns.give_back()
            raise self._failed(error) from error
        if is_done:
            self._bytes_sent += len(data)
            self._turns.give_back()
        else:
            self._nursery.start_soon(self._finish, len(data), name="engine transport, rest of a message")

    @trio.lowlevel.enable_ki_protection
    async def _finish(self, size: int) -> None:
        with contextlib.suppress(ConnectionLost):  # Whoever writes next is told.
            try:
                await self._flush(size)
                await self._write_replies()
            finally:
                self._turns.give_back()

    async def _write(self, data: bytes) -> None:
        """Write all of it; the turn is ours."""
        for at in range(0, len(data), PIECE_BYTES):
            piece = data[at : at + PIECE_BYTES]
            await self._write_piece(piece)
            self._pieces_sent += len(data) > PIECE_BYTES
        await self._write_replies()

    async def _write_replies(self) -> None:
        while self._inbound.replies:
            await self._write_piece(self._replies())

    async def _write_piece(self, data: bytes) -> None:
        try:
            is_done = self._line.write(data)
        except _BROKEN as error:
            raise self._failed(error) from error
        if is_done:
            self._bytes_sent += len(data)
        else:
            await self._flush(len(data))

    async def _flush(self, size: int) -> None:
        """Finish a write. Cut off in it, the connection is of no more use."""
        try:
            await self._line.flush()
        except _BROKEN as error:
            raise self._failed(error) from error
        except BaseException:
            self._is_torn = True
            raise
        self._bytes_sent += size

    # --- the end ------------------------------------------------------------------------------------------------

    def _cannot_write(self) -> bool:
        return self._is_torn or self._broken is not None or not self._inbound.is_open

    def _check_open(self) -> None:
        if self._cannot_write():
            raise self._lost()

    def _failed(self, error: Exception) -> ConnectionLost:
        self._broken = self._broken or error
        return self._lost()

    def _lost(self) -> ConnectionLost:
        """Say how the connection ended."""
        error, told = self._inbound.error, self._inbound.told
        if isinstance(error, PayloadTooBig):
            return _over_bound(self._bound, error)
        if error is not None and not isinstance(error, EOFError):
            why = str(error)
            lost = ConnectionLost(f"the server sent what is no WebSocket frame: {why}", reason=why)
        elif told is not None:
            lost = _ended(told.code, told.reason)
        elif self._is_closing:
            lost = _ended(1000)
        elif error is not None or self._broken is not None:
            lost = _ended(1006)
        else:
            lost = ConnectionLost("the connection broke: a message was cut off while it was written")
        lost.__cause__ = self._broken or error
        return lost


def _ended(code: int, reason: str = "") -> ConnectionLost:
    words = f": {reason}" if reason else ""
    return ConnectionLost(
        f"the connection ended with close code {code:d}{words}", code=int(code), reason=reason or None
    )


def _over_bound(bound: int, error: Exception) -> ConnectionLost:
    over = LimitExceeded("MESSAGE_HARD_MAX_BYTES", bound, bound + 1, "ask for less at once, as with shorter items")
    over.__cause__ = error
    lost = ConnectionLost(f"a message was over the bound of {bound} bytes", code=1009, reason=str(error))
    lost.__cause__ = over
    return lost

"""A stream of bytes that is watched: how much goes over it, when a ping is written, how much is still to be read."""

import contextlib
from collections.abc import Callable, Iterator

import trio

from engine.transport.base import TransportStatistics
from engine.transport.pings import Pings

_PIECE_BYTES = 32 * 2**10
"""A longer message, as with an image, is written in pieces: what the socket has taken is known while the rest waits."""


class WatchedStream(trio.abc.Stream):
    """Counts the bytes of a stream, sees when a ping is written, and can bound what is still read."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._left: int | None = None
        self._on_flood: Callable[[], None] | None = None
        self._on_sent: Callable[[], None] | None = None
        self._pinging: trio.lowlevel.Task | None = None
        self.pings = Pings()
        self.bytes_received = 0
        self.bytes_sent = 0
        self.pieces_sent = 0
        self.sends = 0

    def statistics(self) -> TransportStatistics:
        """Give a snapshot."""
        return self.pings.statistics(self.bytes_received, self.bytes_sent, self.pieces_sent)

    def limit_reading(self, max_bytes: int, on_flood: Callable[[], None]) -> None:
        """Call `on_flood` when more than `max_bytes` come from now on."""
        self._left = max_bytes
        self._on_flood = on_flood

    def after_sending(self, do: Callable[[], None]) -> None:
        """Do this when the next data is sent."""
        self._on_sent = do

    @contextlib.contextmanager
    def pinging(self) -> Iterator[None]:
        """Run a block in which this task writes a ping, once others let it."""
        self._pinging = trio.lowlevel.current_task()
        try:
            yield
        finally:
            self._pinging = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, a long message in pieces."""
        if self._pinging is not None and self._pinging is trio.lowlevel.current_task():
            self.pings.begun()
        if len(data) > _PIECE_BYTES:
            await self._send_in_pieces(memoryview(data))
        else:
            await self._stream.send_all(data)
            self.bytes_sent += len(data)
        self.sends += 1
        if self._on_sent is not None:
            self._on_sent()

    async def _send_in_pieces(self, data: memoryview) -> None:
        for at in range(0, len(data), _PIECE_BYTES):
            piece = data[at : at + _PIECE_BYTES]
            await self._stream.send_all(piece)
            self.bytes_sent += len(piece)
            self.pieces_sent += 1

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive, within the bound."""
        data = await self._stream.receive_some(max_bytes)
        self.bytes_received += len(data)
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0 and self._on_flood is not None:
                self._on_flood()
        return data

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

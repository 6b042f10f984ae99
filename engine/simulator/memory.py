"""Two ends of a connection in memory, with buffers as small as a socket's, so that a slow reader is felt.

Trio has such streams in `trio.testing`, which imports pytest where it is installed.
"""

import operator
from typing import Final

import trio

BUFFER_BYTES: Final = 64 * 2**10
"""What may be under way each way: as much as a socket's buffers hold on a small machine."""

LOCKSTEP_BYTES: Final = 1000
"""Less than most events take."""


class _Pipe:
    """Bytes one way."""

    def __init__(self, max_bytes: int) -> None:
        self.data = bytearray()
        self.max_bytes = max_bytes
        self.writer_closed = False
        self.reader_closed = False
        self.changed = trio.lowlevel.ParkingLot()

    def put(self, data: memoryview) -> int:
        """Add what there is room for, and tell how much that was."""
        fitting = data[: max(0, self.max_bytes - len(self.data))]
        self.data += fitting
        self.changed.unpark_all()
        return len(fitting)

    def get(self, max_bytes: int | None) -> bytes:
        """Take what is there."""
        taken = bytes(self.data[:max_bytes])
        del self.data[:max_bytes]
        self.changed.unpark_all()
        return taken


class _OneTask:
    """Refuses a second task that does the same, as Trio's streams do."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._busy = False

    def __enter__(self) -> None:
        if self._busy:
            raise trio.BusyResourceError(f"another task {self._doing} on this stream")
        self._busy = True

    def __exit__(self, *_: object) -> None:
        self._busy = False


class MemoryStream(trio.abc.Stream):
    """One end; made in pairs by `memory_streams`."""

    def __init__(self, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._in = incoming
        self._out = outgoing
        self._closed = False
        self._sending = _OneTask("sends")
        self._receiving = _OneTask("receives")

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything; waits while the other end does not read.

        Raises:
            trio.BrokenResourceError: The other end is closed.
            trio.ClosedResourceError: This end is closed.
        """
        with self._sending:
            # As on a socket: who is cancelled before it wrote has written nothing, who wrote all is not told of it.
            await trio.lowlevel.checkpoint_if_cancelled()
            self._check_sending()
            rest = memoryview(data)
            while rest := rest[self._out.put(rest) :]:
                await self._out.changed.park()
                self._check_sending()
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room.

        Raises:
            trio.BrokenResourceError: The other end is closed.
            trio.ClosedResourceError: This end is closed.
        """
        with self._sending:
            await trio.lowlevel.checkpoint()
            self._check_sending()
            while len(self._out.data) >= self._out.max_bytes:
                await self._out.changed.park()
                self._check_sending()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive what is there; waits while nothing is, and gives nothing once the other end is closed.

        Raises:
            trio.ClosedResourceError: This end is closed.
            ValueError: `max_bytes` is under 1.
        """
        if max_bytes is not None and operator.index(max_bytes) < 1:
            raise ValueError(f"max_bytes is {max_bytes}, must be at least 1")
        with self._receiving:
            await trio.lowlevel.checkpoint()
            while not self._closed and not self._in.data and not self._in.writer_closed:
                await self._in.changed.park()
            if self._closed:
                raise trio.ClosedResourceError("this end of the stream is closed")
            return self._in.get(max_bytes)

    async def aclose(self) -> None:
        """Close both ways; what was sent before can still be received."""
        self._closed = True
        self._out.writer_closed = self._in.reader_closed = True
        for pipe in (self._in, self._out):
            pipe.changed.unpark_all()
        await trio.lowlevel.checkpoint()

    def _check_sending(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this end of the stream is closed")
        if self._out.reader_closed:
            raise trio.BrokenResourceError("the other end of the stream is closed")


def memory_streams(max_bytes: int = BUFFER_BYTES) -> tuple[MemoryStream, MemoryStream]:
    """Make the two ends of a connection.

    Args:
        max_bytes: What may be under way each way.
    """
    there, back = _Pipe(max_bytes), _Pipe(max_bytes)
    return MemoryStream(back, there), MemoryStream(there, back)

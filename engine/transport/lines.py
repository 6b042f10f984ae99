"""Carries bytes for the WebSocket: over any Trio stream, and faster over a plain socket. One task reads, one writes."""

import os
from collections.abc import Awaitable
from typing import Final, Protocol

import trio

from engine import limits

READ_MAX_BYTES: Final = 256 * 2**10
"""One read of a socket, after a read that was full: of a server that pours out audio."""

BROKEN: Final = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)
"""What a line raises when the connection broke, or was closed here."""


class Line(Protocol):
    """A way for bytes, there and back.

    Attributes:
        is_prompt: True where `write` may finish at once.
        owes: True while it has something of its own to write: `write` does it, of nothing too.
        stream: What it runs over, for whoever closes it.
    """

    is_prompt: bool
    stream: trio.abc.Stream

    @property
    def owes(self) -> bool: ...  # noqa: D102 - told above

    def read_nowait(self) -> bytes | None:
        """Give what has come; None when one has to wait until it is `readable`, nothing at the end.

        Raises:
            trio.BrokenResourceError: The connection broke.
            trio.ClosedResourceError: It was closed here.
        """
        ...

    def readable(self) -> Awaitable[None]:
        """Wait until there may be something to read.

        Raises:
            trio.BrokenResourceError: The connection broke.
            trio.ClosedResourceError: It was closed here.
            OSError: The connection broke.
        """
        ...

    def write(self, data: bytes) -> bool:
        """Begin to write; True when all of it is on its way, else `flush` does the rest.

        Raises:
            trio.BrokenResourceError: The connection broke.
            trio.ClosedResourceError: It was closed here.
        """
        ...

    async def flush(self) -> None:
        """Finish what was begun. Cancelled, it leaves a rest, and the line is of no more use.

        Raises:
            trio.BrokenResourceError: The connection broke.
            trio.ClosedResourceError: It was closed here.
        """
        ...


class StreamLine:
    """Bytes over a Trio stream."""

    is_prompt = False
    owes = False

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._come: bytes | None = None
        self._rest: bytes = b""

    def read_nowait(self) -> bytes | None:
        """Give what has come."""
        data, self._come = self._come, None
        return data

    async def readable(self) -> None:
        """Wait for it."""
        self._come = bytes(await self.stream.receive_some(limits.RECEIVE_BUFFER_BYTES))

    def write(self, data: bytes) -> bool:
        """Keep it for `flush`."""
        self._rest = data
        return False

    async def flush(self) -> None:
        """Write what is kept."""
        rest, self._rest = self._rest, b""
        await self.stream.send_all(rest)


class SocketLine:
    """Bytes over a socket, without Trio's own stream between: that tries to read where it has to wait anyway.

    Args:
        stream: Holds the socket.
        read_max_bytes: The most that one read may bring, after a read that was full.
    """

    is_prompt = True
    owes = False

    def __init__(self, stream: trio.SocketStream, read_max_bytes: int = READ_MAX_BYTES) -> None:
        self._read_max_bytes = read_max_bytes
        self.stream: trio.abc.Stream = stream
        self._socket = stream.socket
        self._is_empty = True
        self._read_bytes = limits.RECEIVE_BUFFER_BYTES
        self._rest: memoryview | None = None

    def read_nowait(self) -> bytes | None:
        """Give what has come. What a read has left empty is not asked again before one has waited."""
        if self._is_empty:
            return None
        try:
            data = os.read(self._fileno(), self._read_bytes)
        except BlockingIOError:
            self._is_empty = True
            return None
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error
        self._is_empty = len(data) < self._read_bytes
        self._read_bytes = limits.RECEIVE_BUFFER_BYTES if self._is_empty else self._read_max_bytes
        return data

    def readable(self) -> Awaitable[None]:
        """Wait for it."""
        self._is_empty = False
        return trio.lowlevel.wait_readable(self._fileno())  # noqa: ASYNC105 - the caller awaits it

    def write(self, data: bytes) -> bool:
        """Give the socket what it takes."""
        taken = self._give(data)
        if taken == len(data):
            return True
        self._rest = memoryview(data)[taken:]
        return False

    async def flush(self) -> None:
        """Give it the rest, as it takes it."""
        rest, self._rest = self._rest, None
        while rest:
            try:
                await trio.lowlevel.wait_writable(self._fileno())
            except OSError as error:
                raise trio.BrokenResourceError(str(error)) from error
            rest = rest[self._give(rest) :]

    def _give(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self._fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error

    def _fileno(self) -> int:
        """Look it up each time: the number of a socket that was closed may be another's by now."""
        number = self._socket.fileno()
        if number < 0:
            raise trio.ClosedResourceError("this socket was closed")
        return number


async def read(line: Line) -> bytes:
    """Wait for bytes; none at the end.

    Raises:
        trio.BrokenResourceError: The connection broke.
        trio.ClosedResourceError: It was closed here.
    """
    while (data := line.read_nowait()) is None:
        try:
            await line.readable()
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error
    return data


def line_over(stream: trio.abc.Stream, read_max_bytes: int = READ_MAX_BYTES) -> Line:
    """Make the fastest line over a stream.

    Args:
        stream: It.
        read_max_bytes: The most that one read may bring, of a socket from which very much comes.
    """
    if os.name == "posix" and isinstance(stream, trio.SocketStream):
        return SocketLine(stream, read_max_bytes)
    return StreamLine(stream)

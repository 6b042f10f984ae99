"""Reads frames from a line, for whoever waits for something from the peer: one reads, the others hear of it."""

from typing import Final

import trio

from engine import limits
from engine.transport.ending import Ending
from engine.transport.frame_writer import FrameWriter
from engine.transport.inbound import Inbound
from engine.transport.lines import BROKEN, Line
from engine.transport.pings import Pings

READ_AHEAD_MAX_BYTES: Final = 256 * 2**10
"""What is read ahead of `receive()`, for the answer to a ping that stands behind it."""


class FrameReader:
    """The frames that come in on one connection.

    Args:
        line: The way to the server.
        inbound: Makes messages of what comes.
        ending: What is known of the connection's end.
        pings: Told of answers, and of the end.
        writer: Answers the peer.

    Attributes:
        bytes_received: All that was read, the handshake included.
        awaited: What the answer to our ping will hold; None once it has come, or while there is none.
    """

    __slots__ = (
        "_ahead_bytes",
        "_ending",
        "_inbound",
        "_is_reading",
        "_line",
        "_pings",
        "_waiting",
        "_writer",
        "awaited",
        "bytes_received",
    )

    def __init__(self, line: Line, inbound: Inbound, ending: Ending, pings: Pings, writer: FrameWriter) -> None:
        self._line = line
        self._inbound = inbound
        self._ending = ending
        self._pings = pings
        self._writer = writer
        self._waiting: trio.lowlevel.ParkingLot | None = None
        self._is_reading = False
        self._ahead_bytes = 0
        self.awaited: bytes | None = None
        self.bytes_received = 0

    async def read(self) -> None:
        """Read once, or wait until another has: then look again."""
        if self._is_reading:
            await self._news()
            return
        self._is_reading = True
        try:
            if self._look():
                await trio.lowlevel.checkpoint()
            else:
                await self._line.readable()
                self._look()
        except BROKEN as error:
            self._ending.broken = self._ending.broken or error
            self._inbound.end()
            self.settle()
        finally:
            self._is_reading = False
            self.tell()

    async def read_ahead(self) -> None:
        """Read for another purpose than `receive()`, which may be far away."""
        if self._ahead_bytes > READ_AHEAD_MAX_BYTES and self._inbound.messages:
            await self._news()
        else:
            await self.read()

    async def hear_goodbye(self) -> None:
        """Read past what comes before the peer's close frame: a bounded part."""
        bound = self.bytes_received + limits.CLOSE_DRAIN_MAX_BYTES
        while not self._inbound.is_over and self.bytes_received <= bound:
            self._inbound.messages.clear()
            await self.read()

    def caught_up(self) -> None:
        """Note that the receiver has taken all that was read."""
        if self._ahead_bytes > READ_AHEAD_MAX_BYTES:
            self.tell()
        self._ahead_bytes = 0

    def tell(self) -> None:
        """Let all who wait for news look again."""
        if self._waiting is not None:
            self._waiting.unpark_all()

    def settle(self) -> None:
        """Do what follows from what was read, but for the messages: before any task can be cancelled."""
        inbound = self._inbound
        if inbound.pongs:
            self._sort_pongs()
        if inbound.is_over:
            self._pings.over()
        if inbound.replies or self._line.owes:
            self._writer.reply()

    def _look(self) -> bool:
        """Read what is there, if there is anything."""
        if self._inbound.has_more:
            self._inbound.go_on()
        elif (data := self._line.read_nowait()) is not None:
            self._take(data)
        else:
            return False
        self.settle()
        return True

    def _take(self, data: bytes) -> None:
        self.bytes_received += len(data)
        self._ahead_bytes += len(data)
        if data:
            self._inbound.feed(data)
        else:
            self._inbound.end()

    def _sort_pongs(self) -> None:
        pongs, self._inbound.pongs = self._inbound.pongs, []
        if self.awaited is not None and self.awaited in pongs:
            self.awaited = None
            self._pings.answered()

    async def _news(self) -> None:
        """Wait until something was read, or the connection is being closed."""
        if self._waiting is None:
            self._waiting = trio.lowlevel.ParkingLot()
        await self._waiting.park()

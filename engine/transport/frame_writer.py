"""Writes frames on a line, one writer at a time, in the order in which they came.

What the socket takes at once costs no task. Where it does not take all, a task of the connection's nursery writes the
rest, and nobody else writes before that is done.
"""

import contextlib
from collections.abc import Callable
from typing import Final

import trio

from engine.errors import ConnectionLost
from engine.transport.ending import Ending
from engine.transport.inbound import Inbound
from engine.transport.lines import BROKEN, Line
from engine.transport.turns import Turns

PIECE_BYTES: Final = 32 * 2**10
"""A longer message, as with an image, is written in pieces: what the socket has taken is known while the rest waits."""


class FrameWriter:
    """The frames that go out on one connection.

    Args:
        nursery: Runs what finishes a frame that the socket did not take at once.
        line: The way to the server.
        inbound: Holds answers to the peer's pings and close frame, which are written between frames of ours.
        ending: What is known of the connection's end.

    Attributes:
        bytes_sent: All that the socket has taken, the handshake included; a piece counts once all of it is taken.
        pieces_sent: Pieces of long writes that the socket has taken.
    """

    __slots__ = ("_ending", "_inbound", "_line", "_nursery", "_turns", "bytes_sent", "pieces_sent")

    def __init__(self, nursery: trio.Nursery, line: Line, inbound: Inbound, ending: Ending) -> None:
        self._nursery = nursery
        self._line = line
        self._inbound = inbound
        self._ending = ending
        self._turns = Turns()
        self.bytes_sent = 0
        self.pieces_sent = 0

    @property
    def is_free(self) -> bool:
        """Tell whether `begin` may be called: nobody is writing, and the line may take a frame at once."""
        return not self._turns.is_taken and self._line.is_prompt

    def begin(self, data: bytes) -> None:
        """Write while nobody else does. Where the socket does not take all at once, a task writes the rest.

        Raises:
            ConnectionLost: It can't be written.
        """
        self._turns.is_taken = True
        try:
            is_done = self._line.write(data)
        except BROKEN as error:
            self._turns.give_back()
            raise self._ending.failed(error) from error
        if is_done:
            self.bytes_sent += len(data)
            self._turns.give_back()
        else:
            self._finish_later(len(data))

    async def send(self, data: bytes, on_turn: Callable[[], None] | None = None) -> None:
        """Write when it is our turn. Cancelled before that, nothing was written; later, the connection is torn.

        Args:
            data: Whole frames.
            on_turn: Told when the turn has come.

        Raises:
            ConnectionLost: It can't be written.
        """
        self._ending.check_open()
        await self._turns.take()
        try:
            self._ending.check_open()
            if on_turn is not None:
                on_turn()
            await self._write(data)
        finally:
            self._turns.give_back()

    async def say_goodbye(self) -> None:
        """Write our close frame, once, behind all that was begun before."""
        if self._ending.cannot_write():
            return
        await self._turns.take()
        try:
            if not self._ending.cannot_write():
                await self._write(self._inbound.close(1000))
        except ConnectionLost:
            pass
        finally:
            self._turns.give_back()

    def reply(self) -> None:
        """Answer pings, or a close frame; whoever is writing does that when done."""
        if not self._turns.is_taken and not self._ending.is_torn:
            with contextlib.suppress(ConnectionLost):  # The receiver goes on: what came before may tell why.
                self.begin(self._replies())

    def _replies(self) -> bytes:
        replies, self._inbound.replies = self._inbound.replies, []
        return b"".join(replies)

    def _finish_later(self, size: int) -> None:
        try:
            self._nursery.start_soon(self._finish, size, name="engine transport, rest of a message")
        except RuntimeError:  # Its nursery is closed: who owns the connection has let it go.
            self._ending.is_torn = True
            self._turns.give_back()
            raise self._ending.lost() from None

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
            await self._write_piece(data[at : at + PIECE_BYTES])
            self.pieces_sent += len(data) > PIECE_BYTES
        await self._write_replies()

    async def _write_replies(self) -> None:
        while self._inbound.replies:
            await self._write_piece(self._replies())

    async def _write_piece(self, data: bytes) -> None:
        try:
            is_done = self._line.write(data)
        except BROKEN as error:
            raise self._ending.failed(error) from error
        if is_done:
            self.bytes_sent += len(data)
        else:
            await self._flush(len(data))

    async def _flush(self, size: int) -> None:
        """Finish a write. Cut off in it, the connection is of no more use."""
        try:
            await self._line.flush()
        except BROKEN as error:
            raise self._ending.failed(error) from error
        except BaseException:
            self._ending.is_torn = True
            raise
        self.bytes_sent += size

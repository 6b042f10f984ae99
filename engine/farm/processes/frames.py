"""Frames on a pipe between a process and its child: a length of four bytes, and JSON."""

import struct
from typing import Final, TypeVar

import trio

from engine.errors import FarmError
from engine.farm.codec import from_json, to_json

FRAME_MAX_BYTES: Final = 64 * 2**20
"""Longest frame that is read. What a worker tells at a time stays far below (`outcomes.UP_MAX_BYTES`)."""

CHUNK_BYTES: Final = 64 * 2**10
"""What a pipe holds on Linux."""

_LENGTH: Final = struct.Struct(">I")

T = TypeVar("T")


class Garbled(FarmError):
    """What came is no frame: the other end wrote something else, or too much."""


class Frames:
    """Reads and writes frames. One task may read while another writes.

    Args:
        incoming: Where frames come from.
        outgoing: Where they go.
    """

    def __init__(self, incoming: trio.abc.ReceiveStream, outgoing: trio.abc.SendStream) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._buffer = bytearray()

    async def tell(self, record: object) -> None:
        """Write a frame.

        Raises:
            trio.BrokenResourceError: Nobody reads any more.
        """
        content = to_json(record)
        await self._outgoing.send_all(_LENGTH.pack(len(content)) + content)

    async def hear(self, kind: type[T]) -> T | None:
        """Read a frame; None at the end of the stream.

        Raises:
            Garbled: It is no frame of this kind.
        """
        # Taken out of the buffer only when all of it is there: a cancelled call loses nothing.
        if not await self._have(_LENGTH.size):
            return None
        (size_bytes,) = _LENGTH.unpack_from(self._buffer)
        if size_bytes > FRAME_MAX_BYTES:
            raise Garbled(f"a frame of {size_bytes:,} bytes is over the bound of {FRAME_MAX_BYTES:,}")
        end = _LENGTH.size + size_bytes
        if not await self._have(end):
            return None
        content = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        try:
            return from_json(content, kind)
        except Exception as error:
            raise Garbled(f"a frame is no {kind.__name__}: {type(error).__name__}") from error

    async def _have(self, size_bytes: int) -> bool:
        """Read until the buffer holds so many bytes; False where the stream ends before."""
        while len(self._buffer) < size_bytes:
            chunk = await self._incoming.receive_some(CHUNK_BYTES)
            if not chunk:
                return False
            self._buffer += chunk
        return True

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
        head = await self._read(_LENGTH.size)
        if head is None:
            return None
        (size_bytes,) = _LENGTH.unpack(head)
        if size_bytes > FRAME_MAX_BYTES:
            raise Garbled(f"a frame of {size_bytes:,} bytes is over the bound of {FRAME_MAX_BYTES:,}")
        content = await self._read(size_bytes)
        if content is None:
            return None
        try:
            return from_json(content, kind)
        except Exception as error:
            raise Garbled(f"a frame is no {kind.__name__}: {type(error).__name__}") from error

    async def _read(self, size_bytes: int) -> bytes | None:
        """Give exactly so many bytes; None where the stream ends before. A cancelled call loses nothing."""
        while len(self._buffer) < size_bytes:
            chunk = await self._incoming.receive_some(CHUNK_BYTES)
            if not chunk:
                return None
            self._buffer += chunk
        content = bytes(self._buffer[:size_bytes])
        del self._buffer[:size_bytes]
        return content

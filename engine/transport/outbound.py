"""Writes frames of a WebSocket client, with websockets' C code for the mask."""

import os
import struct
from collections.abc import Iterator
from typing import Final

from websockets.frames import Frame, Opcode

try:
    from websockets.speedups import apply_mask
except ImportError:  # Where the package has no compiled part.
    from websockets.utils import apply_mask

_TEXT: Final = 0x81
_MASKED: Final = 0x80
_MASKS_BYTES: Final = 4096
"""Random bytes that are taken from the system at a time: 1,024 masks."""

_masks: Iterator[tuple[bytes]] = iter(())


def _forget_masks() -> None:
    global _masks  # noqa: PLW0603 - a process that was forked must not write with the masks of the other
    _masks = iter(())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_masks)


def text_frame(text: str) -> bytes:
    """Write a text frame in one piece.

    Args:
        text: The message.

    Raises:
        UnicodeEncodeError: It holds half a surrogate pair.
    """
    payload = text.encode()
    size = len(payload)
    if size < 126:
        head = bytes((_TEXT, _MASKED | size))
    elif size < 2**16:
        head = b"\x81\xfe" + size.to_bytes(2)
    else:
        head = b"\x81\xff" + size.to_bytes(8)
    mask = _new_mask()
    return b"".join((head, mask, apply_mask(payload, mask)))


def ping_frame(payload: bytes) -> bytes:
    """Write a ping."""
    return Frame(Opcode.PING, payload).serialize(mask=True)


def _new_mask() -> bytes:
    """Give four bytes that nobody can foresee (RFC 6455, 10.3)."""
    global _masks  # noqa: PLW0603 - all connections draw from it
    for (mask,) in _masks:
        return mask
    _masks = struct.iter_unpack("4s", os.urandom(_MASKS_BYTES))
    return next(_masks)[0]

"""Cuts and joins a stream of bytes to frames of one exact size."""

from engine.errors import ConfigError


class Framer:
    """Turns pieces of any size into frames of `frame_bytes`, in order, without a byte lost.

    A piece is kept as it is until a frame is full, then copied once.
    """

    __slots__ = ("_parts", "_rest_bytes", "frame_bytes")

    def __init__(self, frame_bytes: int) -> None:
        if frame_bytes < 1:
            raise ConfigError("frame_bytes", frame_bytes, "1 or more")
        self.frame_bytes = frame_bytes
        self._parts: list[bytes] = []
        self._rest_bytes = 0

    @property
    def rest(self) -> int:
        """How many bytes wait for their frame to be full; always under `frame_bytes`."""
        return self._rest_bytes

    def push(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """Take the next bytes.

        Args:
            data: Any number of bytes. The caller may reuse a `bytearray` afterwards.

        Returns:
            The frames that these bytes completed, oldest first.
        """
        self._parts.append(bytes(data))
        have_bytes = self._rest_bytes + len(self._parts[-1])
        if have_bytes < self.frame_bytes:
            self._rest_bytes = have_bytes
            return []
        joined = b"".join(self._parts)
        if have_bytes > self.frame_bytes:
            return self._cut(joined)
        self._parts.clear()
        self._rest_bytes = 0
        return [joined]

    def _cut(self, joined: bytes) -> list[bytes]:
        size = self.frame_bytes
        end = len(joined) - len(joined) % size
        rest = joined[end:]
        self._parts = [rest] if rest else []
        self._rest_bytes = len(rest)
        return [joined[at : at + size] for at in range(0, end, size)]

    def flush(self) -> bytes:
        """Give what waits, without padding, and forget it; `b""` when nothing waits."""
        rest = b"".join(self._parts)
        self._parts.clear()
        self._rest_bytes = 0
        return rest

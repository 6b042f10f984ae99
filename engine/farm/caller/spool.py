"""The agent's audio on its way to a file: as it came, so that a call that goes on for long holds none of it."""

from io import FileIO
from pathlib import Path
from typing import Final

from engine.farm.caller.threads import in_thread

BLOCK_BYTES: Final = 64 * 2**10
"""What waits in memory before it is written: 1.4 s of speech."""


class Spool:
    """Raw PCM16, appended.

    Args:
        path: The file; made with the first block.
        max_bytes: Past it nothing more is written, and `full` tells.

    Attributes:
        full: Something was left out.
        error: Why nothing more could be written, as "No space left on device"; empty where all is well.
    """

    __slots__ = ("_max_bytes", "_path", "_waiting", "_written", "error", "full")

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._waiting = bytearray()
        self._written = 0
        self.full = False
        self.error = ""

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def add(self, pcm: bytes) -> bool:
        """Take audio; True when it is time to `write`."""
        if self.full or self.error:
            return False
        if self._written + len(self._waiting) + len(pcm) > self._max_bytes:
            self.full = True
            return False
        self._waiting += pcm
        return len(self._waiting) >= BLOCK_BYTES

    async def write(self) -> None:
        """Write what waits."""
        block, self._waiting = self._waiting, bytearray()
        self._written += len(block)
        await in_thread(lambda: self._put(block))

    def close(self) -> None:
        """Write what waits; blocks."""
        if self._waiting:
            self._put(self._waiting)
            self._waiting = bytearray()

    def _put(self, block: bytearray) -> None:
        if self.error:
            return
        try:
            with self._path.open("ab", buffering=0) as file:  # Not held open: sessions are many, and files dear.
                _write_all(file, block)
        except OSError as error:
            self.error = error.strerror or type(error).__name__


def _write_all(file: FileIO, block: bytearray) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]

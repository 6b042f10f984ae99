"""The agent's audio on its way to a file: as it came, so that a call that goes on for long holds none of it."""

from pathlib import Path
from typing import BinaryIO, Final

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

    __slots__ = ("_file", "_max_bytes", "_path", "_waiting", "_written", "error", "full")

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._waiting = bytearray()
        self._written = 0
        self._file: BinaryIO | None = None
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
        """Write what waits, and close the file; blocks."""
        if self._waiting:
            self._put(self._waiting)
            self._waiting = bytearray()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _put(self, block: bytearray) -> None:
        if self.error:
            return
        try:
            if self._file is None:
                self._file = self._path.open("wb")
            self._file.write(block)
            self._file.flush()
        except OSError as error:
            self.error = error.strerror or type(error).__name__

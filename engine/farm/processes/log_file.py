"""What a process of the farm writes to stderr, in a file of the run's folder: all of it, up to a bound."""

import logging
import os
import time
from pathlib import Path
from typing import Final

LOGS: Final = "workers"
"""The logs' folder, in the run's."""

LOG_MAX_BYTES: Final = 8 * 2**20
"""Of one worker over all its starts: at least the last half of it is kept, in `NAME.log` after `NAME.1.log`."""

_HALF_BYTES: Final = LOG_MAX_BYTES // 2

logger = logging.getLogger(__name__)


class LogFile:
    """A worker's log. The file is made when there is something to write.

    Where the disk does not take it, the run goes on without it, and that is told once.

    Args:
        folder: The run's.
        name: Of the worker.
    """

    def __init__(self, folder: Path | str, name: str) -> None:
        self._path = Path(folder) / LOGS / f"{name}.log"
        self._before = self._path.with_name(f"{name}.1.log")
        self._head = ""
        self.has_words = False
        """This start of the worker wrote something, and it is there."""
        self._failed = False

    @property
    def told_as(self) -> str:
        """Give its path in the run's folder."""
        return f"{LOGS}/{self._path.name}"

    def begin(self, pid: int) -> None:
        """Say whose words follow."""
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        self._head = f"--- process {pid}, {when}\n"
        self.has_words = False

    def write(self, chunk: bytes | bytearray) -> None:
        """Add what a process wrote."""
        try:
            self._write(chunk)
        except OSError as error:
            self.has_words = False
            if not self._failed:
                logger.warning("%s can't be written: %s", self._path, error.strerror or error)
            self._failed = True

    def _write(self, chunk: bytes | bytearray) -> None:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        head = self._make_room(len(chunk)) + self._head
        # For its owner alone: tools print what people said.
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
            file.write(head.encode() + chunk)
        self._head = ""
        self.has_words = True

    def _make_room(self, size_bytes: int) -> str:
        """Begin another file where this one is full, and say it where older words are dropped for that."""
        there_bytes = self._path.stat().st_size if self._path.exists() else 0
        if not there_bytes or there_bytes + size_bytes <= _HALF_BYTES:
            return ""
        drops = self._before.exists()
        self._path.replace(self._before)
        return f"--- what stood before {self._before.name} is dropped: a log has {LOG_MAX_BYTES:,} bytes\n" * drops


__all__ = ["LOGS", "LOG_MAX_BYTES", "LogFile"]

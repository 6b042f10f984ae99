"""The folder of a Ray cluster that a run starts: closed to others, gone with the cluster; its workers' logs stay."""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import Final

from engine.farm.processes.log_file import LOG_MAX_BYTES

PREFIX: Final = "rt-ray-"

ROOT: Final = "/tmp"  # noqa: S108 - Ray's own default
"""Paths of sockets are limited to 107 bytes, and Ray adds 64 to the folder's: another place's name may be too long."""

REMOVE_TRIES: Final = 20
REMOVE_EVERY_S: Final = 0.1
"""Ray's processes may write for a moment after they were told to end."""

_LOCK: Final = "lock"
_OF_RAY: Final = "r"
_LOGS: Final = "session_latest/logs"


class RayFolder:
    """One cluster's folder.

    Ray opens what it makes to everybody, and its sockets give out the key of the service: so Ray's own is inside of one
    that is its owner's alone.
    """

    def __init__(self) -> None:
        sweep()
        # Until it is locked, it has a name that another run's sweep passes by.
        unlocked = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=_root()))
        self._lock = _locked(unlocked)
        self._folder = unlocked.rename(unlocked.with_name(unlocked.name.removeprefix(".")))

    @property
    def path(self) -> str:
        """Give what Ray is to take for its `_temp_dir`."""
        return str(self._folder / _OF_RAY)

    def save_logs(self, folder: Path) -> None:
        """Copy what workers wrote to stderr into a folder, which is made where there is something."""
        for log in sorted((self._folder / _OF_RAY / _LOGS).glob("worker-*.err")):
            with contextlib.suppress(OSError):
                _copy_end(log, folder)

    def remove(self) -> None:
        """Remove it, once the cluster has ended."""
        for _ in range(REMOVE_TRIES):
            shutil.rmtree(self._folder, ignore_errors=True)
            if not self._folder.exists():
                break
            time.sleep(REMOVE_EVERY_S)
        self.leave()

    def leave(self) -> None:
        """Leave it to the next run's sweep."""
        os.close(self._lock)


def sweep() -> None:
    """Remove what killed runs left: nobody holds their locks."""
    for folder in _root().glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if not _is_ours(folder):
                continue
            lock = _locked(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _root() -> Path:
    named = Path(os.environ.get("RAY_TMPDIR") or ROOT)
    return named if named.is_dir() else Path(tempfile.gettempdir())


def _is_ours(folder: Path) -> bool:
    """Tell whether this user made it: in a place for all, others may lay links that lead into our own folders."""
    there = folder.lstat()
    return stat.S_ISDIR(there.st_mode) and there.st_uid == os.getuid()


def _locked(folder: Path) -> int:
    """Hold a folder's lock, which the system gives back when this process dies.

    Raises:
        OSError: Somebody holds it, or it can't be had.
    """
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _copy_end(log: Path, folder: Path) -> None:
    """Copy the end of a log: what it died of stands there."""
    size_bytes = log.stat().st_size
    if not size_bytes:
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    place = os.open(folder / f"ray-{log.stem}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(place, "wb") as copy, log.open("rb") as source:
        source.seek(max(0, size_bytes - LOG_MAX_BYTES))
        shutil.copyfileobj(source, copy)


__all__ = ["RayFolder", "sweep"]

"""The run's folder: one run in it, and one who writes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from engine.audio.extras import load
from engine.errors import LedgerUnusable
from engine.farm.ledger.database import FILE, connected_to_read

LOCK: Final = "ledger.lock"
"""Locked while somebody writes the ledger. The system unlocks it when that one dies."""

_OWNER_ONLY: Final = 0o700


class FolderLock:
    """Nobody else may write a folder's ledger, until `release`.

    Raises:
        LedgerUnusable: Somebody does, or the folder can't be written.
    """

    def __init__(self, folder: Path) -> None:
        filelock = load("filelock", "farm")
        # One lock for whatever thread calls; and never one that outlives its process, as a file that merely exists.
        lock = filelock.FileLock(folder / LOCK, thread_local=False, fallback_to_soft=False)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            way_out = "wait for it, or stop it, or give another folder"
            raise LedgerUnusable(str(folder / FILE), f"another run holds it{_holder(folder)}", way_out) from error
        except OSError as error:
            way_out = "give a folder that this user may write"
            raise LedgerUnusable(str(folder / FILE), f"can't be locked: {error.strerror}", way_out) from error
        self._lock = lock

    def release(self) -> None:
        """Let others. It may be called again."""
        self._lock.release()


@contextmanager
def released_on_error(lock: FolderLock) -> Iterator[None]:
    """Release a lock if its block raises."""
    try:
        yield
    except BaseException:
        lock.release()
        raise


def _holder(folder: Path) -> str:
    try:
        with connected_to_read(folder / FILE) as db:
            row = db.execute("SELECT host, pid FROM stint ORDER BY number DESC LIMIT 1").fetchone()
    except LedgerUnusable:
        return ""
    return f" (process {row['pid']} on {row['host']})" if row else ""


def make_folder(folder: Path) -> None:
    """Make the run's folder, for its owner alone, where it is missing.

    Raises:
        LedgerUnusable: It can't be made.
    """
    try:
        folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
    except OSError as error:
        way_out = "give a folder that can be made"
        raise LedgerUnusable(str(folder), f"can't be made: {error.strerror}", way_out) from error


def require_no_run(folder: Path) -> None:
    """Make sure that no run would be mixed up with another.

    Raises:
        LedgerUnusable: One is there.
    """
    if (folder / FILE).exists():
        raise LedgerUnusable(
            str(folder / FILE), "the folder holds a run already", "go on with it by --resume, or give another folder"
        )


def require_run(folder: Path) -> None:
    """Make sure that there is a run.

    Raises:
        LedgerUnusable: None is there.
    """
    if not (folder / FILE).is_file():
        where, why = (
            (folder / FILE, "the folder holds no run") if folder.is_dir() else (folder, "there is no such folder")
        )
        raise LedgerUnusable(str(where), why, "give the folder of a run, as `farm run` makes it")

"""The one door to SQLite: connections as the ledger wants them, and its errors in the words of ours."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from engine.errors import LedgerUnusable
from engine.farm.ledger.schema import APPLICATION_ID, SCHEMA_VERSION, TABLES, VIEWS

FILE: Final = "ledger.sqlite"
"""The ledger's name in the run's folder."""

SYNCHRONOUS: Final = "FULL"
"""Each transaction is on the disk before it counts, so that a machine may lose its power. `NORMAL` would lose the last
seconds then: sessions that were had, and are billed, would be had again."""

BUSY_MAX_S: Final = 10.0
"""How long another program may hold the ledger for writing, as a shell of SQLite's."""

WAL_MAX_BYTES: Final = 16 * 2**20
"""What the write-ahead log is cut back to, once it was longer because of a slow reader."""

_OWNER_ONLY: Final = 0o600
"""A ledger holds what people said."""

_ERRORS: Final = (
    ("SQLITE_FULL", "the disk is full", "make room, then go on with --resume"),
    ("SQLITE_IOERR", "the disk failed", "look at its room, quota and health, then go on with --resume"),
    ("SQLITE_NOTADB", "is no ledger", "give the folder of a run"),
    ("SQLITE_CORRUPT", "is broken", "begin a new run in another folder; `sqlite3 FILE .recover` saves what is whole"),
    ("SQLITE_READONLY", "can't be written", "give a folder that this user may write, or a copy"),
    ("SQLITE_CANTOPEN", "can't be opened", "give a folder that this user may read and write, or a copy"),
    ("SQLITE_PERM", "can't be opened", "give a folder that this user may read and write, or a copy"),
    ("SQLITE_BUSY", "another program is writing it", "close that, then go on with --resume"),
    ("SQLITE_LOCKED", "another program is writing it", "close that, then go on with --resume"),
    ("SQLITE_NOMEM", "memory is short", "free some, then go on with --resume"),
)
"""By the beginning of SQLite's name of the error: what people read, and what they can do."""


@contextmanager
def errors_told(path: Path) -> Iterator[None]:
    """Give SQLite's errors that people can do something about as `LedgerUnusable`; others are faults of ours."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        for beginning, why, way_out in _ERRORS:
            if name.startswith(beginning):
                raise LedgerUnusable(str(path), f"{why} ({name})", way_out) from error
        raise


def _connect(path: Path, options: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?{options}"
    # A thread of its own is not needed: who calls sees to it that calls come one at a time.
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_MAX_S, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    return db


def create_file(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Make a ledger and let its first rows be written. It is there as a whole, or not at all.

    Raises:
        LedgerUnusable: It can't be written.
    """
    unfinished = path.with_name(path.name + ".new")
    try:
        unfinished.unlink(missing_ok=True)
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY))
        with errors_told(path), closing(_connect(unfinished, "mode=rw")) as db:
            db.executescript(
                f"PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL; PRAGMA application_id = {APPLICATION_ID};"
                f"PRAGMA user_version = {SCHEMA_VERSION}; BEGIN; {TABLES} {VIEWS}"
            )
            fill(db)
            db.execute("COMMIT")
        unfinished.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise LedgerUnusable(str(path), f"can't be written: {error.strerror}", "give another folder") from error


def _sync_folder(folder: Path) -> None:
    """See to it that a new name in a folder outlives a loss of power, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def connect_to_write(path: Path, *, synchronous: str = SYNCHRONOUS) -> sqlite3.Connection:
    """Open a ledger for the one who writes it, and look it over.

    Raises:
        LedgerUnusable: It is of another version, broken, or can't be written.
    """
    with errors_told(path):
        db = _connect(path, "mode=rw")
        with closed_on_error(db):
            _check_version(db, path)
            if db.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise LedgerUnusable(
                    str(path), "its file system has no shared memory for SQLite", "give a folder on a local disk"
                )
            db.execute(f"PRAGMA synchronous = {synchronous}")
            db.execute("PRAGMA fullfsync = ON")  # else macOS does not wait for the disk
            db.execute("PRAGMA foreign_keys = ON")
            db.execute(f"PRAGMA journal_size_limit = {WAL_MAX_BYTES}")
            _check_whole(db, path)
    return db


@contextmanager
def closed_on_error(db: sqlite3.Connection) -> Iterator[None]:
    """Close a connection if its block raises."""
    try:
        yield
    except BaseException:
        db.close()
        raise


@contextmanager
def connected_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger to read one state of it, also while it is being written.

    Raises:
        LedgerUnusable: It is of another version, broken, or can't be read.
    """
    with errors_told(path), closing(_open_to_read(path)) as db:
        yield db


def _open_to_read(path: Path) -> sqlite3.Connection:
    try:
        return _begin(_connect(path, "mode=ro"), path)
    except sqlite3.OperationalError:
        # Beside a ledger SQLite wants to write an index of the log. Where there is no log, it needs none.
        if path.with_name(path.name + "-wal").exists():
            raise
    return _begin(_connect(path, "mode=ro&immutable=1"), path)


def _begin(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    with closed_on_error(db):
        _check_version(db, path)
        db.execute("BEGIN")
        db.execute("SELECT run_id FROM run").fetchone()
    return db


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise LedgerUnusable(str(path), "is no ledger", "give the folder of a run")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == SCHEMA_VERSION:
        return
    newer = version > SCHEMA_VERSION
    why = f"is a ledger of version {version}, and this engine {'knows' if newer else 'writes'} version {SCHEMA_VERSION}"
    goes_on = f"go on with, report or `farm export` it by {_writer(db)}{', or a newer one' if newer else ''}"
    raise LedgerUnusable(str(path), why, f"{goes_on}; or begin a new run in another folder")


def _writer(db: sqlite3.Connection) -> str:
    """Name the engine that wrote a ledger of other tables, as far as it tells."""
    try:
        (version,) = db.execute("SELECT engine_version FROM run").fetchone()
    except (sqlite3.Error, TypeError):
        version = ""
    return f"realtime-engine {version}, which wrote it" if version else "the realtime-engine that wrote it"


def _check_whole(db: sqlite3.Connection, path: Path) -> None:
    (problem,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if problem != "ok":
        way_out = "begin a new run in another folder; `sqlite3 FILE .recover` saves what is whole"
        raise LedgerUnusable(str(path), "is broken", way_out)


@contextmanager
def transaction(db: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """Write all of a block, or nothing of it.

    Raises:
        LedgerUnusable: The disk does not take it; the ledger is as before.
    """
    with errors_told(path):
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            # Some errors of the disk have undone it already.
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise


@contextmanager
def part(db: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """Write all of a block or nothing of it, as a part of a transaction.

    Raises:
        LedgerUnusable: The disk does not take it.
    """
    with errors_told(path):
        db.execute("SAVEPOINT part")
        try:
            yield db
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK TO part")
            raise
        db.execute("RELEASE part")


def close_to_keep(db: sqlite3.Connection) -> None:
    """Close a ledger that is written to its end: as one file that can be read anywhere, as from a read-only disk."""
    with suppress(sqlite3.Error):  # somebody reads it, or the disk is full: the log stays beside it then
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA busy_timeout = 0")
        db.execute("PRAGMA journal_mode = DELETE")
    db.close()

"""The durable record of a run: what was leased to whom, and what came of it; written before it counts."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.errors import LocalMisuse
from engine.farm.job import Grant, Result
from engine.farm.ledger import run_row, writing
from engine.farm.ledger.asking import LedgerReading
from engine.farm.ledger.database import (
    FILE,
    close_to_keep,
    closed_on_error,
    connect_to_write,
    connected_to_read,
    create_file,
    part,
    transaction,
)
from engine.farm.ledger.folder import FolderLock, make_folder, released_on_error, require_no_run, require_run
from engine.farm.ledger.records import Resumed, Sample
from engine.farm.ledger.resume import begin_stint
from engine.farm.ledger.rows import made_to_fit
from engine.farm.plan.model import Plan


class Ledger(LedgerReading):
    """A run's ledger: SQLite in the run's folder. Made by `Ledger.create` or `Ledger.open`.

    Its methods block on the disk: call them in a thread, those that write one at a time. Each of these is one
    transaction: when it has returned, it is on the disk; when it raises, nothing of it is.
    """

    def __init__(
        self,
        folder: Path,
        run: run_row.Run,
        *,
        db: sqlite3.Connection | None,
        lock: FolderLock | None,
        unix_time: Callable[[], float],
    ) -> None:
        super().__init__(folder, run)
        self._db = db
        self._lock = lock
        self._unix_time = unix_time
        self._stint: int | None = None
        self._together = False

    @classmethod
    def create(
        cls,
        folder: str | Path,
        plan: Plan,
        *,
        run_id: str | None = None,
        unix_time: Callable[[], float] = time.time,
    ) -> "Ledger":
        """Begin a run's ledger in a folder, which is made where it is missing, and lock it.

        Args:
            folder: Of the run; files of other kinds may be in it.
            plan: What the run goes by.
            run_id: Eight hexadecimal digits; drawn by lot without.
            unix_time: Clock.

        Raises:
            LedgerUnusable: The folder holds a run already, or can't be written.
        """
        folder = Path(folder)
        make_folder(folder)
        run = run_row.new_run(plan, run_id, unix_time())
        lock = FolderLock(folder)
        with released_on_error(lock):
            require_no_run(folder)
            create_file(folder / FILE, lambda db: run_row.write_run(db, folder / FILE, run))
            db = connect_to_write(folder / FILE)
        return cls(folder, run, db=db, lock=lock, unix_time=unix_time)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        write: bool = True,
        plan: Plan | None = None,
        unix_time: Callable[[], float] = time.time,
    ) -> "Ledger":
        """Open a run's ledger: to go on with the run (and lock it), or to read, also while the run writes.

        Args:
            folder: Of the run.
            write: To go on with the run.
            plan: The plan that the run is to go on with. Its name, caps, budget, retries, thresholds and files to keep
                may differ from the run's, and are the run's from now on; what callers do, and whom they call, may not.
            unix_time: Clock.

        Raises:
            LedgerUnusable: No run there, or locked, of another version, broken, not readable, or of another plan.
        """
        folder = Path(folder)
        require_run(folder)
        if not write:
            with connected_to_read(folder / FILE) as reader:
                return cls(folder, run_row.read_run(reader, folder / FILE), db=None, lock=None, unix_time=unix_time)
        lock = FolderLock(folder)
        with released_on_error(lock):
            db = connect_to_write(folder / FILE)
            with closed_on_error(db), transaction(db, folder / FILE):
                run = run_row.read_run(db, folder / FILE)
                if plan is not None:
                    run = run_row.go_on_with(db, folder / FILE, run, plan, unix_time())
        return cls(folder, run, db=db, lock=lock, unix_time=unix_time)

    # --- writing -------------------------------------------------------------------------------------------------

    def begin_session(self) -> Resumed:
        """Begin a stretch of the run: end as `lost` what the last one left under way, and tell where the run stands.

        Raises:
            LocalMisuse: It was begun already, or the ledger was opened to read.
            LedgerUnusable: The disk is full, or failed; so with all that write.
        """
        if self._stint is not None:
            raise LocalMisuse("the stretch was begun already | call begin_session once")
        with transaction(self._writable(), self._path) as db:
            resumed = begin_stint(db, run_id=self.run_id, now=self._unix_time())
        self._stint = resumed.stint
        return resumed

    def lease(self, grants: Sequence[tuple[Grant, str]]) -> None:
        """Write down who gets which grant, before it is sent.

        Raises:
            LocalMisuse: A job is under way already, or has a final result; nothing was written.
        """
        for grant, _ in grants:
            key = writing.require_key(grant.attempt_id, self.run_id)
            if key != writing.Key(grant.job.number, grant.attempt):
                raise LocalMisuse(
                    f"{grant.attempt_id} names another job or attempt than {grant.job.number} and {grant.attempt} | "
                    "make it of these"
                )
        with self._writing() as (db, now):
            writing.write_leases(db, grants, stint=self._stint or 0, now=now)

    def record(self, results: Iterable[Result], final: AbstractSet[str]) -> frozenset[str]:
        """Write results, before they are acknowledged.

        Args:
            results: Of leased attempts.
            final: Attempts among them whose result is their job's last.

        Returns:
            The attempts that ended with this. Others were told before (or are not of this run): they change nothing,
            but for what an attempt took that was given up as lost.

        Raises:
            LocalMisuse: A `stopped` result was to be final; nothing was written.
        """
        with self._writing() as (db, now):
            new = writing.write_results(db, results, final, run_id=self.run_id, now=now)
        return frozenset(result.attempt_id for result in new)

    def settle(self, attempt_ids: Iterable[str]) -> None:
        """Make results final that were written before, as those of `Resumed.waiting` that aren't tried again.

        Raises:
            LocalMisuse: A job has its final result, or is under way, or its try was stopped; nothing was written.
        """
        keys = [writing.require_key(attempt_id, self.run_id) for attempt_id in attempt_ids]
        with self._writing() as (db, _):
            writing.write_finals(db, keys)

    def returned(self, attempt_ids: Iterable[str]) -> None:
        """Take back leases that no worker began: they are no tries, and their numbers are used again."""
        keys = [writing.require_key(attempt_id, self.run_id) for attempt_id in attempt_ids]
        with self._writing() as (db, now):
            writing.write_returns(db, keys, now)

    def note(self, kind: str, text: str) -> None:
        """Write down something that people should know of the run."""
        with self._writing() as (db, now):
            writing.write_note(db, kind, text, now)

    def sample(self, samples: Iterable[Sample]) -> None:
        """Write down figures of this moment."""
        with self._writing() as (db, now):
            writing.write_samples(db, samples, now)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of all that a block writes: one wait for the disk, and all of it or nothing.

        Raises:
            LocalMisuse: As with all that write; and in a block of the same kind.
        """
        if self._together:
            raise LocalMisuse("what is written together can't be divided | leave the inner block out")
        with self._writing():
            self._together = True
            try:
                yield
            finally:
                self._together = False

    def finish(self, why: str) -> None:
        """End the stretch, and close."""
        with self._writing() as (db, _):
            db.execute("UPDATE stint SET why = ? WHERE number = ?", (made_to_fit(why), self._stint))
        self.close()

    def close(self) -> None:
        """Close, and unlock the folder. A ledger that was closed without `finish` looks like a killed run's."""
        if self._reader is not None:
            self._reader.close()
        db, self._db = self._db, None
        if db is not None:
            close_to_keep(db)
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _writable(self) -> sqlite3.Connection:
        if self._db is None:
            raise LocalMisuse("the ledger is closed, or was opened to read | open it with write=True")
        return self._db

    @contextmanager
    def _writing(self) -> Iterator[tuple[sqlite3.Connection, float]]:
        """Open a transaction of the stretch; give the connection and the time."""
        db = self._writable()
        if self._stint is None:
            raise LocalMisuse("the stretch has not begun | call begin_session first")
        now = self._unix_time()
        with part(db, self._path) if self._together else transaction(db, self._path):
            yield db, now
            db.execute("UPDATE stint SET last_at = ? WHERE number = ?", (now, self._stint))

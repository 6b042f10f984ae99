"""The durable record of a run: what was leased to whom, and what came of it; written before it counts."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from engine.farm.figures import Figures
from engine.farm.job import Grant, Result
from engine.farm.ledger.records import Attempt, Counts, Note, Resumed, Sample, Stint
from engine.farm.plan.model import Plan


class Ledger:
    """A run's ledger: SQLite in the run's folder. Made by `Ledger.create` or `Ledger.open`.

    Its methods block on the disk: call them in a thread, one at a time. Each that writes is one transaction: when it
    has returned, it is on the disk; when it raises, nothing of it is.
    """

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

        Raises:
            LedgerUnusable: The folder holds a run already, or can't be written.
        """
        raise NotImplementedError

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
            plan: The plan that the run is to go on with. Its caps, budget, retries, thresholds and files to keep may
                differ from the run's, and are the run's from now on; what callers do, and whom they call, may not.
            unix_time: Clock.

        Raises:
            LedgerUnusable: No run there, or locked, of another version, broken, not readable, or of another plan.
        """
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        """Give the run's folder."""
        raise NotImplementedError

    @property
    def plan(self) -> Plan:
        """Give the plan."""
        raise NotImplementedError

    @property
    def run_id(self) -> str:
        """Give the run's id: eight hexadecimal digits."""
        raise NotImplementedError

    # --- writing -------------------------------------------------------------------------------------------------

    def begin_session(self) -> Resumed:
        """Begin a stretch of the run: end as `lost` what the last one left under way, and tell where the run stands."""
        raise NotImplementedError

    def lease(self, grants: Sequence[tuple[Grant, str]]) -> None:
        """Write down who gets which grant, before it is sent.

        Raises:
            LocalMisuse: A job is under way already, or has a final result; nothing was written.
        """
        raise NotImplementedError

    def record(self, results: Iterable[Result], final: Set[str]) -> frozenset[str]:
        """Write results, before they are acknowledged.

        Args:
            results: Of leased attempts, `worker` filled in.
            final: Attempts among them whose result is their job's last.

        Returns:
            The attempts that ended with this. Others were told before (or are not of this run): they change nothing.
        """
        raise NotImplementedError

    def settle(self, attempt_ids: Iterable[str]) -> None:
        """Make results final that were written before, as those of `Resumed.waiting` that aren't tried again."""
        raise NotImplementedError

    def returned(self, attempt_ids: Iterable[str]) -> None:
        """Take back leases that no worker began: they are no tries, and their numbers are used again."""
        raise NotImplementedError

    def note(self, kind: str, text: str) -> None:
        """Write down something that people should know of the run."""
        raise NotImplementedError

    def sample(self, samples: Iterable[Sample]) -> None:
        """Write down figures of this moment."""
        raise NotImplementedError

    def finish(self, why: str) -> None:
        """End the stretch, and close."""
        raise NotImplementedError

    def close(self) -> None:
        """Close, and unlock the folder. A ledger that was closed without `finish` looks like a killed run's."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- reading -------------------------------------------------------------------------------------------------

    def counts(self) -> Counts:
        """Tell where the run stands."""
        raise NotImplementedError

    def results(self, *, final_only: bool = True, scenario: str | None = None) -> Iterator[Result]:
        """Give results one by one, by job and attempt."""
        raise NotImplementedError

    def of_job(self, number: int) -> tuple[Result, ...]:
        """Give the results of one job, by attempt; the last one may be final."""
        raise NotImplementedError

    def attempts(self) -> Iterator[Attempt]:
        """Give all attempts, by job and attempt."""
        raise NotImplementedError

    def figures(self, scenario: str | None = None, tag: str | None = None) -> Figures:
        """Give the metrics of final results: of all, of one scenario, or of scenarios with a tag."""
        raise NotImplementedError

    def sessions_table(self) -> Iterator[dict[str, Any]]:
        """Give final results as flat rows, by job: the columns of table `sessions` of the export."""
        raise NotImplementedError

    def notes(self) -> tuple[Note, ...]:
        """Give the notes, by time."""
        raise NotImplementedError

    def samples(self) -> Iterator[Sample]:
        """Give the samples, by time."""
        raise NotImplementedError

    def stints(self) -> tuple[Stint, ...]:
        """Give the run's stretches."""
        raise NotImplementedError

"""What a ledger is asked: where the run stands, what came of its sessions, and what they came to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.farm.figures import Figures
from engine.farm.job import Result
from engine.farm.ledger import reading, run_row
from engine.farm.ledger.database import FILE, connected_to_read
from engine.farm.ledger.figures import FiguresByScenario, FiguresReader
from engine.farm.ledger.records import Attempt, Counts, Note, Sample, Stint
from engine.farm.ledger.tables import session_rows
from engine.farm.plan.model import Plan


class LedgerReading:
    """The half of a ledger that is read; each question on a connection of its own.

    What is being written meanwhile, and by which thread, does not matter to it.

    Args:
        folder: The run's.
        run: Its row.
    """

    def __init__(self, folder: Path, run: run_row.Run) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._run = run
        self._figures = FiguresByScenario()
        self._reader: FiguresReader | None = None

    @property
    def folder(self) -> Path:
        """Give the run's folder."""
        return self._folder

    @property
    def plan(self) -> Plan:
        """Give the plan."""
        return self._run.plan

    @property
    def run_id(self) -> str:
        """Give the run's id: eight hexadecimal digits."""
        return self._run.run_id

    @property
    def created_at(self) -> float:
        """Give the unix time at which the run began, in s."""
        return self._run.created_at

    def counts(self) -> Counts:
        """Tell where the run stands."""
        with connected_to_read(self._path) as db:
            return reading.read_counts(db)

    def results(self, *, final_only: bool = True, scenario: str | None = None) -> Iterator[Result]:
        """Give results one by one, by job and attempt."""
        conditions = [reading.FINAL] * final_only + [reading.OF_SCENARIO] * (scenario is not None)
        with connected_to_read(self._path) as db:
            yield from reading.read_results(db, *conditions, scenario=scenario)

    def of_job(self, number: int) -> tuple[Result, ...]:
        """Give the results of one job, by attempt; the last one may be final."""
        with connected_to_read(self._path) as db:
            return tuple(reading.read_results(db, reading.OF_JOB, job=number))

    def attempts(self) -> Iterator[Attempt]:
        """Give all attempts, by job and attempt."""
        with connected_to_read(self._path) as db:
            yield from reading.read_attempts(db)

    def figures(self, scenario: str | None = None, tag: str | None = None) -> Figures:
        """Give the metrics of final results: of all, of one scenario, or of scenarios with a tag.

        Each scenario's results are read once, and again when there are more.
        """
        names = [
            each.name
            for each in self.plan.scenarios
            if scenario in (None, each.name) and (tag is None or tag in each.tags)
        ]
        with connected_to_read(self._path) as db:
            return self._figures.read(db, names)

    def figures_reader(self) -> FiguresReader:
        """Fix which results are meant, those that are final now; their metrics are read later, in another thread.

        One at a time; `close` closes it.
        """
        self._reader = FiguresReader(self._path, [each.name for each in self.plan.scenarios])
        return self._reader

    def sessions_table(self) -> Iterator[dict[str, Any]]:
        """Give final results as flat rows, by job: the columns of table `sessions` of the export."""
        with connected_to_read(self._path) as db:
            yield from session_rows(db)

    def notes(self) -> tuple[Note, ...]:
        """Give the notes, by time."""
        with connected_to_read(self._path) as db:
            return reading.read_notes(db)

    def samples(self) -> Iterator[Sample]:
        """Give the samples, by time."""
        with connected_to_read(self._path) as db:
            yield from reading.read_samples(db)

    def stints(self) -> tuple[Stint, ...]:
        """Give the run's stretches."""
        with connected_to_read(self._path) as db:
            return reading.read_stints(db)

"""The metrics of a run's final results, read once: thresholds and reports ask for them by scenario and by tag."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from engine.farm.figures import Figures
from engine.farm.ledger.database import connected_to_read
from engine.farm.ledger.reading import FINAL, OF_SCENARIO, read_results

_STATE: Final = """
SELECT (SELECT count(final_attempt) FROM job), (SELECT count(*) FROM note WHERE kind = 'late')
"""
"""What tells one state of the final results from another: none is taken back, and what is told late has a note."""


class FiguresByScenario:
    """Figures of a ledger's final results, kept as long as these are the same."""

    def __init__(self) -> None:
        self._state: tuple[int, ...] = ()
        self._known: dict[str, Figures] = {}

    def read(self, db: sqlite3.Connection, scenarios: Iterable[str]) -> Figures:
        """Give those of some scenarios together."""
        state = tuple(db.execute(_STATE).fetchone())
        if state != self._state:
            self._state, self._known = state, {}
        together = Figures()
        together.merge(self._known.get(name) or self._read(db, name) for name in scenarios)
        return together

    def _read(self, db: sqlite3.Connection, scenario: str) -> Figures:
        figures = self._known[scenario] = Figures()
        for result in read_results(db, FINAL, OF_SCENARIO, bare=True, scenario=scenario):
            figures.add_result(result)
        return figures


class FiguresReader:
    """Metrics of the final results as they stand when this is made, to be read in a thread while the run goes on.

    Args:
        path: Of the ledger.
        scenarios: Whose results.

    Raises:
        LedgerUnusable: It can't be read.
    """

    def __init__(self, path: Path, scenarios: Sequence[str]) -> None:
        self._scenarios = scenarios
        self._reading = ExitStack()
        self._db = self._reading.enter_context(connected_to_read(path))
        self._given_up = False

    def read(self) -> Figures | None:
        """Read them, once; None where that was given up.

        Raises:
            LedgerUnusable: It can't be read any more.
        """
        figures = Figures()
        with self._reading:
            for name in self._scenarios:
                for result in read_results(self._db, FINAL, OF_SCENARIO, bare=True, scenario=name):
                    if self._given_up:
                        return None
                    figures.add_result(result)
        return figures

    def give_up(self) -> None:
        """End `read` soon, from another thread."""
        self._given_up = True

    def close(self) -> None:
        """Let go of the ledger, where nobody reads. It may be called again."""
        self._reading.close()

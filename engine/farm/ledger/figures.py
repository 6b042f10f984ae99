"""The metrics of a run's final results, read once: thresholds and reports ask for them by scenario and by tag."""

import sqlite3
from collections.abc import Iterable
from typing import Final

from engine.farm.figures import Figures
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

"""What came of a run, in SQLite: every job, lease, attempt, result and turn; resumed, read and exported from here."""

from engine.farm.ledger.export import export
from engine.farm.ledger.figures import FiguresReader
from engine.farm.ledger.ledger import Ledger
from engine.farm.ledger.records import Attempt, Counts, Note, Resumed, Sample, Stint, Waiting

__all__ = ["Attempt", "Counts", "FiguresReader", "Ledger", "Note", "Resumed", "Sample", "Stint", "Waiting", "export"]

"""`realtime-engine farm report`, `compare` and `export`: what a run left, as pages and tables."""

from pathlib import Path
from typing import Literal

from rich.text import Text

from engine.cli.console import CommandConsole
from engine.farm import report as reports
from engine.farm.ledger import export as write
from engine.printable import one_line


def report(run: Path, out: Path | None) -> None:
    """Write a run's report, and tell where it is.

    Raises:
        LedgerUnusable: There is no run in the folder, or it can't be read.
    """
    _tell([str(reports.write_report(run, out=out))])


def compare(run: Path, other: Path, out: Path | None) -> None:
    """Print what changed from one run to another, and write it as a page where it is asked for.

    Raises:
        LedgerUnusable: One of them can't be read.
    """
    found = reports.compare(run, other)
    _tell(reports.comparison_lines(found))
    if out is not None:
        _tell(["", str(reports.write_comparison(found, out))])


def export(run: Path, format: Literal["csv", "jsonl", "parquet"], out: Path | None) -> None:
    """Write a run's tables, and tell where they are.

    Raises:
        LedgerUnusable: There is no run in the folder, or it can't be read.
    """
    _tell([str(path) for path in write(run, out, format=format)])


def _tell(lines: list[str]) -> None:
    console = CommandConsole(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text(one_line(line)))

"""What `realtime-engine farm run` says at the end: thresholds, figures, what went wrong, and where all of it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
from rich.table import Table
from rich.text import Text

from engine.cli.console import CommandConsole
from engine.errors import EngineError
from engine.farm.job import Result
from engine.farm.ledger import Ledger
from engine.farm.live.screen import Facts, marks_of, text, threshold_cells
from engine.farm.live.view import Tone, View, judged_row, view_of
from engine.farm.live.words import duration
from engine.farm.report import write_report
from engine.farm.report.formatting import clipped, counted
from engine.farm.run import RunSummary

FAILURES_SHOWN: Final = 3
"""Sessions that went wrong and are named; the report has all of them."""

NARROW: Final = 64
"""Characters of a line below which the table of latencies has one percentile only."""

WHY_MOST_CHARACTERS: Final = 160
"""Of why one went wrong."""


def tell(console: CommandConsole, summary: RunSummary) -> None:
    """Print what came of a run."""
    view = view_of(summary.snapshot)
    console.print(Text("  ").join(_head(view, summary)))
    if summary.open_jobs:
        console.print(text(f"{counted(summary.open_jobs, 'session')} still to run", "yellow"))
    console.print(Facts(view.facts))
    console.print(Facts(view.spent))
    if view.errors:
        console.print(Facts(view.errors, Text("tries that broke: ", "red")))
    if view.latencies:
        console.print(_latencies(view, narrow=console.width < NARROW))
    for line in _failures(summary):
        console.print(line, soft_wrap=True)
    if summary.thresholds:
        console.print(_thresholds(summary, marks_of(console)))


def tell_report(console: CommandConsole, summary: RunSummary) -> None:
    """Write the report, and tell where it is and how to listen; what it fails for does not touch the run."""
    try:
        page = write_report(summary.folder)
    except (EngineError, OSError) as error:
        console.print(text(f"report   can't be written: {error}", "yellow"), soft_wrap=True)
        return
    console.print(text(f"report   {page}"), soft_wrap=True)
    console.print(text("listen   open it in a browser, choose a session, and press play"), soft_wrap=True)


def _head(view: View, summary: RunSummary) -> Iterator[Text]:
    yield text(view.name, "bold")
    yield text(f"run {summary.run_id}", "dim")
    yield text(f"{summary.why} after {duration(summary.snapshot.elapsed_s)}", "cyan")


def _latencies(view: View, *, narrow: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("")
    for head in ("p95",) if narrow else ("p50", "p95", "p99", "values"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in view.latencies:
        table.add_row(*map(text, (row.name, row.p95) if narrow else (row.name, row.p50, row.p95, row.p99, row.count)))
    return table


def _thresholds(summary: RunSummary, marks: dict[Tone, str]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    goes_on = summary.stopped and summary.open_jobs != 0
    for judged in summary.thresholds:
        row = judged_row(judged, over=not goes_on)
        # Of a run that was stopped before there was anything to judge, nothing is said.
        shown = attrs.evolve(row, tone="") if goes_on and judged.value is None else row
        table.add_row(*threshold_cells(shown, marks))
    return table


# --- what went wrong ----------------------------------------------------------------------------------------------


def _failures(summary: RunSummary) -> Iterator[Text]:
    """Name the first sessions that went wrong, each with why, and what to listen to."""
    wrong = sum(number for status, number in summary.done.items() if status != "passed")
    if not wrong:
        return
    shown = 0
    for result in Ledger.open(summary.folder, write=False).results():
        if result.status in {"passed", "stopped"}:
            continue
        yield text(f"call {result.job}  {result.scenario}: {clipped(_why(result), WHY_MOST_CHARACTERS)}", "yellow")
        yield from (text(f"         {path}", "dim") for path in _audio(summary.folder, result))
        shown += 1
        if shown == FAILURES_SHOWN:
            break
    if wrong > shown:
        yield text(f"… and {wrong - shown:,} more: see the report", "dim")


def _why(result: Result) -> str:
    if result.error:
        return result.error
    failed = next((verdict for verdict in result.verdicts if not verdict.held), None)
    if failed is None:
        return result.status
    return failed.expected + (f", found: {failed.found}" if failed.found else "")


def _audio(folder: Path, result: Result) -> Iterator[Path]:
    return (folder / file.path for file in result.files if file.kind == "audio")

"""A run on a terminal: one screen that is drawn anew in place, as wide and as high as there is room for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Self

import attrs
from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from engine.farm.live.view import Fact, LatencyRow, ThresholdRow, Tone, View, WorkerRow, view_of
from engine.farm.plan.model import Threshold
from engine.farm.snapshot import RunSnapshot
from engine.printable import one_line

STYLES: Final[dict[Tone, str]] = {"": "", "good": "green", "warn": "yellow", "bad": "bold red"}
MARKS: Final[dict[Tone, str]] = {"": "·", "good": "✓", "warn": "!", "bad": "✗"}
PLAIN_MARKS: Final[dict[Tone, str]] = {"": "-", "good": "+", "warn": "!", "bad": "x"}
"""For terminals that know ASCII alone."""

_WIDE: Final = 80
"""Columns from which all figures have room; narrower screens leave some out."""

_BETWEEN: Final = " · "

_BAR_MIN: Final = 8
"""A bar of fewer columns tells nothing."""


class RunScreen:
    """Shows a run on a terminal.

    Args:
        console: A terminal.
        thresholds: Of the plan.
    """

    def __init__(self, console: Console, thresholds: Sequence[Threshold] = ()) -> None:
        self._console = console
        self._thresholds = thresholds
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        """Take the lower part of the terminal."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was: what remains is told by the summary."""
        self._live.stop()

    def show(self, snapshot: RunSnapshot) -> None:
        """Draw a run as it stands."""
        self._live.update(RunPicture(view_of(snapshot, self._thresholds)), refresh=True)


@attrs.frozen
class RunPicture:
    """A run, for rich. What finds no room on the terminal is left out from below, and counted.

    Attributes:
        view: What to show.
        height: Lines; None for as many as the console has.
    """

    view: View
    height: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Draw it."""
        room = (self.height or console.height) - 1
        for part in _top(self.view, options.max_width):
            room -= len(console.render_lines(part, options, pad=False))
            yield part
        for block in _blocks(self.view, marks_of(console), wide=options.max_width >= _WIDE):
            for part, lines in block.fitted(room):
                room -= lines
                yield part


def text(words: object, style: str = "") -> Text:
    """Give words of others as one line that steers nothing."""
    return Text(one_line(words), style=style)


# --- the top ----------------------------------------------------------------------------------------------------------


def _top(view: View, width: int) -> Iterator[RenderableType]:
    run = text(f"run {view.run_id}", "dim")
    yield Text("  ").join([text(view.name, "bold"), run, text(view.state, "cyan")])
    yield _progress(view, width)
    yield Facts(view.facts)
    yield Facts((*view.spent, Fact("starts", view.pace)))
    if view.held_back:
        yield text(f"held back by: {view.held_back}", "yellow")
    if view.errors:
        yield Facts(view.errors, Text("tries that broke: ", "red"))


def _progress(view: View, width: int) -> RenderableType:
    share = "" if view.progress is None else f", {view.progress:.0%}"
    words = text(f"{view.done} done{share} · {view.time}")
    room = width - len(words) - 2
    if room < _BAR_MIN:
        return words
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(width=min(40, room))
    bar = ProgressBar(total=1.0, completed=view.progress or 0.0, complete_style="cyan", finished_style="green")
    row.add_row(bar, words)
    return row


@attrs.frozen
class Facts:
    """Figures with their names in a row, each in one piece where lines are broken.

    Attributes:
        shown: The figures.
        before: Said first.
    """

    shown: Iterable[Fact]
    before: Text = attrs.field(factory=Text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Fill lines with them."""
        line = self.before
        for piece in map(_fact, self.shown):
            if not line.cell_len or line is self.before:
                line = line + piece
            elif line.cell_len + len(_BETWEEN) + piece.cell_len <= options.max_width:
                line = Text.assemble(line, (_BETWEEN, "dim"), piece)
            else:
                yield line
                line = piece
        yield line


def _fact(fact: Fact) -> Text:
    return Text.assemble(text(f"{fact.name} ", "dim"), text(fact.value, STYLES[fact.tone] or "bold"))


# --- the tables -------------------------------------------------------------------------------------------------------


@attrs.frozen
class _Block:
    """A table that is cut where the screen ends.

    Attributes:
        rows: All of them.
        heads: Names of the columns; empty for none.
        cells: Gives a row's words, a style each.
        left_out: Rows that are not even here.
    """

    rows: Sequence[Any]
    heads: tuple[str, ...]
    cells: Callable[[Any], Iterable[Text]]
    left_out: int = 0

    def fitted(self, room: int) -> Iterator[tuple[RenderableType, int]]:
        """Give what has room, with the lines that it takes."""
        lines = room - 1 - bool(self.heads)
        if not self.rows or lines < 1:
            return
        more = self.left_out
        shown = self.rows
        if len(shown) + bool(more) > lines:
            shown = shown[: lines - 1]
            more += len(self.rows) - len(shown)
        yield Text(), 1
        if shown:
            yield self._table(shown), len(shown) + bool(self.heads)
        if more:
            yield Text(f"… and {more:,} more", style="dim"), 1

    def _table(self, rows: Sequence[Any]) -> Table:
        table = Table(box=None, pad_edge=False, show_header=bool(self.heads), header_style="dim", padding=(0, 2, 0, 0))
        cells = [tuple(self.cells(row)) for row in rows]
        for number, head in enumerate(self.heads or ("", "")):
            right = bool(self.heads) and number > 0
            widest = max(row[number].cell_len for row in cells)
            # What is too wide is cut in the last column of words, never in a figure.
            keep = widest if right or not (self.heads or number) else None
            table.add_column(head, no_wrap=True, justify="right" if right else "left", min_width=keep)
        for row in cells:
            table.add_row(*row)
        return table


def marks_of(console: Console) -> dict[Tone, str]:
    """Give the marks that a terminal can show."""
    return MARKS if console.encoding.startswith("utf") else PLAIN_MARKS


def _blocks(view: View, marks: dict[Tone, str], *, wide: bool) -> Iterator[_Block]:
    yield _Block(view.thresholds, (), partial(threshold_cells, marks=marks))
    yield _Block(
        view.latencies,
        ("", "now p50", "p95", "all p50", "p95", "p99", "values") if wide else ("", "now p95", "all p95"),
        _latency_cells if wide else lambda row: (text(row.name), text(row.now_p95), text(row.p95)),
    )
    yield _Block(
        view.workers,
        ("worker", "", "active", "ended", "lost", "starts", "memory", "CPU", "late")
        if wide
        else ("worker", "", "active", "memory", "CPU"),
        _worker_cells if wide else lambda row: (*_worker_name(row), *map(text, (row.active, row.memory, row.cpu))),
        view.workers_left_out,
    )


def threshold_cells(row: ThresholdRow, marks: dict[Tone, str]) -> tuple[Text, ...]:
    """Give how a threshold stands, and its words."""
    return text(f"{marks[row.tone]} {row.value}", STYLES[row.tone]), text(row.text)


def _latency_cells(row: LatencyRow) -> Iterable[Text]:
    words = (row.now_p50, row.now_p95, row.p50, row.p95, row.p99, row.count)
    return text(row.name), *map(text, words)


def _worker_name(row: WorkerRow) -> tuple[Text, Text]:
    return text(row.name), text(row.state, STYLES[row.tone])


def _worker_cells(row: WorkerRow) -> Iterable[Text]:
    lost = text(row.lost, "" if row.lost == "0" else STYLES["bad"])
    words = (row.starts, row.memory, row.cpu)
    late = text(row.lag, STYLES[row.tone] if row.state == "up" else "")
    return *_worker_name(row), text(row.active), text(row.ended), lost, *map(text, words), late

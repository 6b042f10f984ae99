"""Shows a conversation while it goes on: who, words as they come, what is worth a note. Without a terminal, lines."""

from collections import deque
from typing import Any, Final, Self

import attrs
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from engine.demo.printable import one_line, printable

STYLES: Final = {
    "caller": "cyan",
    "you": "cyan",
    "agent": "green",
    "tool": "yellow",
    "link": "magenta",
    "error": "bold red",
}


@attrs.define
class Entry:
    """One line of the transcript.

    Attributes:
        at_s: When it began.
        who: `caller`, `agent`, `tool`, `link` or `error`.
        words: So far.
        note: Said below the words.
        over: True when nothing more comes.
    """

    at_s: float
    who: str
    words: str = ""
    note: str = ""
    over: bool = False


class Screen:
    """Prints entries in the order in which they began, each when it is over; on a terminal, what goes on moves.

    Args:
        console: Where to.

    Attributes:
        foot: Shown below what goes on, on a terminal.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.foot: RenderableType | None = None
        self._open: deque[Entry] = deque()
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        """Begin to show what goes on."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Print what is there."""
        for entry in self._open:
            entry.over = True
        self._refresh()
        if self._live is not None:
            self._live.stop()

    def begin(self, at_s: float, who: str, words: str = "") -> Entry:
        """Begin an entry."""
        entry = Entry(at_s, who, words)
        self._open.append(entry)
        self._refresh()
        return entry

    def say(self, entry: Entry, words: str) -> None:
        """Add words to it."""
        entry.words += words
        self._refresh()

    def end(self, entry: Entry, *, words: str | None = None, note: str = "") -> None:
        """Nothing more comes."""
        entry.words = entry.words if words is None else words
        entry.note = note or entry.note
        entry.over = True
        self._refresh()

    def _refresh(self) -> None:
        over = []
        while self._open and self._open[0].over:
            over.append(self._open.popleft())
        if self._live is not None:
            # First, so that what is printed above does not stand below as well.
            below = () if self.foot is None else (self.foot,)
            self._live.update(Group(*map(_row, self._open), *below), refresh=not over)
        for entry in over:
            self._print(entry)

    def _print(self, entry: Entry) -> None:
        if self._live is not None:
            self.console.print(_row(entry))
        else:
            # A pipe has no width to wrap at: one entry a line, so that other programs can read it.
            note = f"  [{one_line(entry.note)}]" if entry.note else ""
            line = f"{entry.at_s:6.1f} s  {entry.who:<6}  {one_line(entry.words)}{note}"
            self.console.print(Text(line), soft_wrap=True)


def _row(entry: Entry) -> Any:
    style = STYLES.get(entry.who, "")
    row = Table.grid(padding=(0, 2))
    row.add_column(width=8, justify="right", style="dim")
    row.add_column(width=6, style=style)
    row.add_column(ratio=1)
    words = Text(printable(entry.words) or "…", style="" if entry.words else "dim")
    row.add_row(f"{entry.at_s:.1f} s", entry.who, words)
    if entry.note:
        row.add_row("", "", Text(printable(entry.note), style="dim italic"))
    return row

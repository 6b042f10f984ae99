"""Draws a run on the terminal in a thread: one that is slow, or stopped by Ctrl-S, must keep no session waiting."""

import logging
from collections import deque
from typing import Final, Protocol

import trio
from rich.text import Text

from engine.cli.console import CommandConsole
from engine.farm.snapshot import RunSnapshot
from engine.printable import one_line

logger = logging.getLogger(__name__)

LAST_S: Final = 2.0
"""So long the end waits for a terminal that takes nothing."""


class Viewer(Protocol):
    """Whoever is shown the run."""

    def show(self, snapshot: RunSnapshot) -> None:
        """Take a run as it stands."""
        ...


def print_line(console: CommandConsole, words: str) -> None:
    """Print others' words as one line, as long as it is."""
    console.print(Text(one_line(words)), soft_wrap=True)


class Painter:
    """Draws the newest picture, and prints each line; what comes while the terminal is busy waits for it.

    A terminal that goes away is drawn on no more, and the run goes on; a pipe that nobody reads ends it, as everywhere.

    Args:
        console: Where lines are printed.
        viewer: What draws there.
    """

    def __init__(self, console: CommandConsole, viewer: Viewer) -> None:
        self._console = console
        self._viewer = viewer
        self._lines: deque[str] = deque()
        self._newest: deque[RunSnapshot] = deque(maxlen=1)
        self._news = trio.Event()
        self._thread = trio.CapacityLimiter(1)

    def show(self, snapshot: RunSnapshot) -> None:
        """Draw a run as it stands, unless a newer picture comes first."""
        self._newest.append(snapshot)
        self._news.set()

    def tell(self, words: str) -> None:
        """Print a line."""
        self._lines.append(words)
        self._news.set()

    async def run(self) -> None:
        """Draw, until cancelled.

        Raises:
            BrokenPipeError: Nobody reads what is printed.
        """
        while True:
            await self._news.wait()
            await self._next()

    async def last(self) -> None:
        """Draw what is still to be drawn, when `run` has ended.

        Raises:
            BrokenPipeError: As in `run`.
        """
        with trio.CancelScope(shield=True), trio.move_on_after(LAST_S):
            await self._next()

    async def _next(self) -> None:
        self._news = trio.Event()
        # One at a time: `last` also waits for a thread that was left alone when `run` was cancelled.
        await trio.to_thread.run_sync(self._paint, abandon_on_cancel=True, limiter=self._thread)

    def _paint(self) -> None:
        try:
            while self._lines:
                print_line(self._console, self._lines.popleft())
            while self._newest:
                self._viewer.show(self._newest.popleft())
        except BrokenPipeError:
            raise
        except OSError as error:
            self._console.quiet = True
            logger.warning("the run is drawn no more: %s", error)
        except Exception:  # what it looks like must not end the run
            logger.exception("the run could not be drawn")

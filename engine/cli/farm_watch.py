"""A run and those who watch it: the terminal, the page, telemetry, and whoever presses Ctrl-C."""

import logging
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

import trio

from engine.cli.console import CommandConsole
from engine.cli.farm_paint import Painter, Viewer, print_line
from engine.farm.live.board import Board
from engine.farm.live.lines import RunLines
from engine.farm.live.screen import RunScreen
from engine.farm.live.serving import serve_page
from engine.farm.live.telemetry import open_run_telemetry
from engine.farm.live.words import duration
from engine.farm.plan.model import Plan
from engine.farm.run import Run, RunSummary
from engine.farm.snapshot import RunSnapshot

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
"""Distance of the pictures: one on a terminal takes 5 to 17 ms of CPU, and a person reads no faster."""

WIDE_COLUMNS: Final = 200
"""Width where there is no terminal: lines are not broken for a log."""

SIGNALS: Final = {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGHUP": "the terminal is gone"}
"""What ends a run in order, by the system's name, and in words."""


def signals_in_words() -> dict[int, str]:
    """Give the signals that end a run, but for those that are to be ignored, as under `nohup`."""
    known = {getattr(signal, name): words for name, words in SIGNALS.items() if hasattr(signal, name)}
    return {number: words for number, words in known.items() if signal.getsignal(number) != signal.SIG_IGN}


def console_of() -> CommandConsole:
    """Give the console that the command prints on."""
    console = CommandConsole(highlight=False)
    if not console.is_terminal:
        console.width = WIDE_COLUMNS
    return console


class Watch:
    """Runs a plan while others look.

    Args:
        run: The run.
        console: Where it is shown.
        plan: Its plan.
        folder: Of the run.
        grace_s: How long sessions may go on after the first Ctrl-C.
        web: Port of the page; None for none.
        web_host: Its address.
    """

    def __init__(
        self,
        run: Run,
        console: CommandConsole,
        plan: Plan,
        folder: Path,
        *,
        grace_s: float,
        web: int | None,
        web_host: str,
    ) -> None:
        self._run = run
        self._console = console
        self._thresholds = plan.thresholds
        self._grace_s = grace_s
        self._web = web
        self._web_host = web_host
        self._signals = signals_in_words()
        self._head = [f"run in   {folder}"]
        self.at_once = False
        """True when it was ended by a second Ctrl-C."""

    async def run(self) -> RunSummary:
        """Run it to its end.

        Raises:
            KeyboardInterrupt: A third Ctrl-C did not wait for the end of the second.
            ConfigError: The page can't be served there, or a setting is not possible.
            FarmError: The run can't begin or go on.
        """
        # Signals first, so that Ctrl-C never falls between two things.
        with trio.open_signal_receiver(*self._signals) as signals:
            async with AsyncExitStack() as stack:
                viewers = await self._viewers(stack)
                shown = self._screen() if self._moves() else self._lines()
                painter = Painter(self._console, shown)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._obey, signals, nursery.cancel_scope, painter, name="farm signals")
                    nursery.start_soon(self._paint, painter, shown, stack, name="farm painter")
                    nursery.start_soon(self._look, [*viewers, painter], name="farm viewers")
                    summary = await self._run.run()
                    nursery.cancel_scope.cancel()
                    _show([*viewers, painter], summary.snapshot)
                    _close(viewers, f"The run is over: {summary.why}. Its folder: {summary.folder}")
                    await painter.last()
                    return summary
        raise KeyboardInterrupt

    async def _viewers(self, stack: AsyncExitStack) -> list[Viewer]:
        viewers: list[Viewer] = []
        if self._web is not None:
            board = Board(self._thresholds)
            page = await stack.enter_async_context(serve_page(board, self._web, self._web_host))
            self._head.append(f"page     {page.url}")
            if page.token is not None:
                warning = "Who has this address can look. It goes over the network as it is: see the docs for TLS."
                self._head.append(f"         {warning}")
            viewers.append(board)
        # It is not closed: the last figures are read when the program ends.
        telemetry = open_run_telemetry()
        if telemetry is not None:
            viewers.append(telemetry)
        return viewers

    def _moves(self) -> bool:
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def _screen(self) -> RunScreen:
        return RunScreen(self._console, self._thresholds)

    def _lines(self) -> RunLines:
        return RunLines(partial(print_line, self._console), self._thresholds)

    async def _paint(self, painter: Painter, shown: RunScreen | RunLines, stack: AsyncExitStack) -> None:
        """Show nothing of a run that can't begin but why."""
        await self._run.opened.wait()
        for line in self._head:
            print_line(self._console, line)
        if isinstance(shown, RunScreen):
            stack.enter_context(shown)
        await painter.run()

    async def _look(self, viewers: Sequence[Viewer]) -> None:
        while True:
            _show(viewers, self._run.snapshot())
            await trio.sleep(LOOK_EVERY_S)

    async def _obey(self, signals: AsyncIterator[int], scope: trio.CancelScope, painter: Painter) -> None:
        """Let the first Ctrl-C end the run gently, the second at once; a third does not wait for that either."""
        why = self._signals[await anext(signals)]
        active = self._run.snapshot().active
        self._run.finish(why)
        sessions = f", {active:,} session{'' if active == 1 else 's'} may end within {duration(self._grace_s)}"
        painter.tell(f"{why}: nothing more starts{sessions if active else ''}; again ends it at once")
        why = self._signals[await anext(signals)]
        self.at_once = True
        self._run.stop(why)
        painter.tell(f"{why}: all sessions are being ended")
        await anext(signals)
        scope.cancel()


def _show(viewers: Sequence[Viewer], snapshot: RunSnapshot) -> None:
    for viewer in viewers:
        try:
            viewer.show(snapshot)
        except Exception:  # what it looks like must not end the run
            logger.exception("%s could not show the run", type(viewer).__name__)


def _close(viewers: Sequence[Viewer], words: str) -> None:
    for board in viewers:
        if isinstance(board, Board):
            board.close(words)

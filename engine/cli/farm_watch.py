"""A run and those who watch it: the terminal, the page, telemetry, and whoever presses Ctrl-C."""

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Protocol

import trio
from rich.text import Text

from engine.cli.console import CommandConsole
from engine.config import is_loopback
from engine.farm.live.board import Board
from engine.farm.live.lines import RunLines
from engine.farm.live.screen import RunScreen
from engine.farm.live.serving import serve_page
from engine.farm.live.telemetry import open_run_telemetry
from engine.farm.live.words import duration
from engine.farm.plan.model import Plan
from engine.farm.run import Run, RunSummary
from engine.farm.snapshot import RunSnapshot
from engine.printable import one_line

LOOK_EVERY_S: Final = 0.5
"""Distance of the pictures: a person reads no faster."""

WIDE_COLUMNS: Final = 200
"""Width where there is no terminal: lines are not broken for a log."""

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Viewer(Protocol):
    """Whoever is shown the run."""

    def show(self, snapshot: RunSnapshot) -> None:
        """Take a run as it stands."""
        ...


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
        self._folder = folder
        self._grace_s = grace_s
        self._web = web
        self._web_host = web_host
        self._screen: RunScreen | None = None
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
        with trio.open_signal_receiver(*SIGNALS) as signals:
            async with AsyncExitStack() as stack:
                self._print(f"run in   {self._folder}")
                viewers = await self._viewers(stack)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._obey, signals, nursery.cancel_scope, name="farm signals")
                    nursery.start_soon(self._look, viewers, name="farm viewers")
                    summary = await self._run.run()
                    nursery.cancel_scope.cancel()
                    self._show_last(viewers, summary)
                    return summary
        raise KeyboardInterrupt

    async def _viewers(self, stack: AsyncExitStack) -> list[Viewer]:
        viewers: list[Viewer] = []
        if self._web is not None:
            board = Board(self._thresholds)
            page = await stack.enter_async_context(serve_page(board, self._web, self._web_host))
            self._print(f"page     {page.url}")
            if page.token is not None and not is_loopback(self._web_host):
                self._print(
                    "         Who has this address can look. It goes over the network as it is: see the docs for TLS."
                )
            viewers.append(board)
        telemetry = open_run_telemetry()
        if telemetry is not None:
            stack.callback(telemetry.close)
            viewers.append(telemetry)
        viewers.append(stack.enter_context(self._screen_of()) if self._moves() else self._lines())
        return viewers

    def _moves(self) -> bool:
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def _screen_of(self) -> RunScreen:
        self._screen = RunScreen(self._console, self._thresholds)
        return self._screen

    def _lines(self) -> RunLines:
        return RunLines(self._print, self._thresholds)

    def _print(self, words: str) -> None:
        self._console.print(Text(one_line(words)), soft_wrap=True)

    async def _look(self, viewers: Sequence[Viewer]) -> None:
        while True:
            snapshot = self._run.snapshot()
            for viewer in viewers:
                viewer.show(snapshot)
            await trio.sleep(LOOK_EVERY_S)

    def _show_last(self, viewers: Sequence[Viewer], summary: RunSummary) -> None:
        for viewer in viewers:
            viewer.show(summary.snapshot)
            if isinstance(viewer, Board):
                viewer.close(f"The run is over: {summary.why}. Its folder: {summary.folder}")

    async def _obey(self, signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
        """Let the first Ctrl-C end the run gently, the second at once; a third does not wait for that either."""
        await anext(signals)
        active = self._run.snapshot().active
        self._run.finish("Ctrl-C")
        sessions = f"{active:,} session{'' if active == 1 else 's'} may end within {duration(self._grace_s)}"
        self._print(f"Ctrl-C: nothing more starts, {sessions}; again ends them at once")
        await anext(signals)
        self.at_once = True
        self._run.stop("Ctrl-C")
        self._print("Ctrl-C again: all sessions are being ended")
        await anext(signals)
        scope.cancel()

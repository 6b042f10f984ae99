"""`realtime-engine farm check`: explains a plan before it runs."""

from pathlib import Path

from rich.text import Text

from engine.cli.console import CommandConsole
from engine.farm.plan.explain import WIDTH, explain
from engine.farm.plan.load import load_plan
from engine.printable import one_line


def check(path: Path) -> None:
    """Print what a plan will do, take and cost.

    Raises:
        ConfigError: It can't be read, or can't work.
    """
    console = CommandConsole(highlight=False)
    # Where there is no terminal, the console takes 80 characters for granted; a file may have longer lines.
    width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    for line in explain(load_plan(path)).lines_within(width):
        console.print(Text(one_line(line)), soft_wrap=True)

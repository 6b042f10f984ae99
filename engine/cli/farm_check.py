"""`realtime-engine farm check`: explains a plan before it runs."""

from pathlib import Path

from rich.text import Text

from engine.cli.console import CommandConsole
from engine.farm.plan.explain import explain
from engine.farm.plan.load import load_plan
from engine.printable import one_line


def check(path: Path) -> None:
    """Print what a plan will do, take and cost.

    Raises:
        ConfigError: It can't be read, or can't work.
    """
    console = CommandConsole(highlight=False)
    for line in explain(load_plan(path)).lines:
        console.print(Text(one_line(line)), soft_wrap=True)

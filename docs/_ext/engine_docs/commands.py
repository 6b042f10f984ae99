"""`command-help` and `exit-codes`: what the command line says of itself."""

from io import StringIO

from docutils import nodes
from rich.console import Console
from sphinx.util.docutils import SphinxDirective

from engine.cli import exits
from engine.cli.app import app

COLUMNS = 86


class CommandHelp(SphinxDirective):
    """Its argument is a command's name, as `talk` or `farm run`."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        screen = Console(file=StringIO(), width=COLUMNS, no_color=True, force_terminal=False)
        app.help_print(self.arguments[0].split(), console=screen)
        text = screen.file.getvalue().split("Exit codes")[0]
        lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
        return [nodes.literal_block(lines, lines, language="text")]


class ExitCodes(SphinxDirective):
    """Takes no arguments."""

    def run(self) -> list[nodes.Node]:
        rows = [f"| {code} | {meaning} |" for code, meaning in exits.MEANINGS.items()]
        return self.parse_text_to_nodes("\n".join(["| code | meaning |", "|---|---|", *rows]))

"""The console that commands print on."""

from errno import EPIPE
from typing import NoReturn

from rich.console import Console


class CommandConsole(Console):
    """A console that tells of a closed pipe by an exception that may cross a nursery.

    Rich's own raises `SystemExit` there, which Trio takes for a crash of the task that printed.
    """

    def on_broken_pipe(self) -> NoReturn:
        """Print nothing more, and let `exits.guarded` end the command.

        Raises:
            BrokenPipeError: Always.
        """
        self.quiet = True
        raise BrokenPipeError(EPIPE, "nobody reads what is printed")

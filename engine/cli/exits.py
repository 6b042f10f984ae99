"""Exit codes, and how a failure is said: one line on stderr that tells what to do."""

import logging
import os
import sys
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from engine.errors import (
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    DeviceLost,
    EngineError,
    FarmError,
    LocalMisuse,
    TargetLost,
)
from engine.printable import printable

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
CONNECTION: Final = 3
SERVICE: Final = 4
TIME_OUT: Final = 5
DEVICE: Final = 6
CROSSED: Final = 7
STOPPED: Final = 130
NOT_READ: Final = 141

MEANINGS: Final = {
    OK: "done; for simulate, which Ctrl-C ends, also that",
    FAILED: "a fault of the program",
    USAGE: "wrong usage: an option, a file, a setting, a missing library, a farm's ledger",
    CONNECTION: "no connection, or it broke",
    SERVICE: "the service reported an error",
    TIME_OUT: "it took too long",
    DEVICE: "a microphone or a loudspeaker went away",
    CROSSED: "farm run: a threshold of the plan is crossed",
    STOPPED: "demo, talk or farm run was ended by Ctrl-C; the files are written",
    NOT_READ: "nobody reads what is printed, as when it is piped to head",
}


class Crossed(EngineError):
    """A run went to its end, and a threshold of its plan does not hold."""


class NothingWorked(EngineError):
    """A run in which every session broke.

    Attributes:
        code: That the program ends with: of the one kind of error that all tries had, if they had one.
    """

    def __init__(self, message: str, kinds: Collection[str]) -> None:
        super().__init__(message)
        self.code = _CODES_OF_KINDS.get(next(iter(kinds)), SERVICE) if len(kinds) == 1 else SERVICE


_CODES_OF_KINDS: Final = {"connection": CONNECTION, "deadline": TIME_OUT, "caller": USAGE, "crash": FAILED}
"""What a kind of a session's error is told as, where all tries of a run broke with it."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C ended a command that can go on later; the text says how."""


_CODES: Final[tuple[tuple[type[BaseException], int], ...]] = (
    (ConfigError, USAGE),
    (LocalMisuse, USAGE),
    (ConnectionLost, CONNECTION),
    (DeadlinePassed, TIME_OUT),
    (DeviceLost, DEVICE),
    (Crossed, CROSSED),
    (TargetLost, CONNECTION),
    (FarmError, USAGE),
    (EngineError, SERVICE),
    (BrokenPipeError, NOT_READ),
    (OSError, USAGE),
    (KeyboardInterrupt, STOPPED),
)


def set_up_logging(*, debug: bool) -> None:
    """Keep the library's logs to itself; what a user must know is printed. All of it with `--debug`."""
    if debug:
        logging.basicConfig(level=logging.INFO, format="%(relativeCreated)6d ms  %(name)s  %(message)s")
    elif not logging.getLogger().handlers:
        logging.getLogger().addHandler(logging.NullHandler())


def guarded(command: Callable[[], None], *, debug: bool) -> int:
    """Run a command and give its exit code; a failure is said on stderr.

    Args:
        command: What to run.
        debug: Show where a failure came from.
    """
    try:
        command()
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the outermost handler
        return _report(_innermost(error), debug=debug)
    return OK


def code_of(error: BaseException) -> int:
    """Give the exit code that a failure ends the program with."""
    if isinstance(error, NothingWorked):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def _innermost(error: BaseException) -> BaseException:
    """Unpack what a nursery has wrapped. A closed pipe comes first: others are told of what it broke."""
    closed = error.subgroup(BrokenPipeError) if isinstance(error, BaseExceptionGroup) else None
    error = closed or error
    while isinstance(error, BaseExceptionGroup):
        ours = error.subgroup(EngineError)
        error = (ours or error).exceptions[0]
    return error


def _report(error: BaseException, *, debug: bool) -> int:
    code = code_of(error)
    if debug:
        print(printable("".join(traceback.format_exception(error))), end="", file=sys.stderr)  # noqa: T201
    if code == NOT_READ:
        _discard_output()
        return code
    print(f"realtime-engine: {_words(error, code, debug=debug)}", file=sys.stderr)  # noqa: T201 - the command line
    return code


def _discard_output() -> None:
    """Let what is still buffered go nowhere: Python writes it at its end, and would tell that it can't."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _words(error: BaseException, code: int, *, debug: bool) -> str:
    if code == STOPPED:
        return printable(str(error)) if isinstance(error, Stopped) else "stopped"
    words = printable(" ".join(str(error).split())) or type(error).__name__
    if code == FAILED and not isinstance(error, EngineError):
        words = f"{type(error).__name__}: {words}"
        return words if debug else f"{words} | this is a fault of the program; --debug shows where"
    return words

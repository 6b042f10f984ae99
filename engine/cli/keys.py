"""Single keys from a terminal, without the Enter key; the terminal is as before on every way out."""

import os
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress

import trio


def can_read_keys() -> bool:
    """Tell whether the standard input is a terminal whose keys this program gets."""
    if sys.platform == "win32" or sys.stdin is None or not sys.stdin.isatty():
        return False
    # A program in the background that touches the terminal is stopped by it.
    with suppress(OSError):
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    return False


@contextmanager
def single_keys() -> Iterator[None]:
    """Have the terminal hand over each key at once, unseen, for the length of a block. Ctrl-C goes on to interrupt."""
    import termios  # noqa: PLC0415 - not on Windows
    import tty  # noqa: PLC0415

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSANOW)
        yield
    finally:
        # Now, not when the output is drained: that may never be, after Ctrl-S.
        termios.tcsetattr(terminal, termios.TCSANOW, before)


async def keys() -> AsyncGenerator[str, None]:
    """Give each key as it is pressed, until the terminal is gone. Within `single_keys`; no thread waits for it."""
    terminal = sys.stdin.fileno()
    while True:
        await trio.lowlevel.wait_readable(terminal)
        try:
            typed = os.read(terminal, 64)
        except OSError:
            return
        if not typed:
            return
        for key in typed.decode("utf-8", "replace"):
            yield key

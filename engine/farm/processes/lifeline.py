"""A child process's end of its pipes: frames to its parent, and its own end when the parent is gone.

It ends however the parent ended, and whatever the child is doing.
"""

import faulthandler
import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio

from engine.farm.processes.frames import Frames

GRACE_S: Final = 1.0
"""After its parent's end a child may clean up for so long."""

ORPHANED: Final = 113
"""Exit code of a child that lost its parent and did not end by itself."""


@contextmanager
def pipes_of_mine() -> Iterator[Frames]:
    """Take stdin and stdout for frames, and end with the other end.

    What others in this process print goes to stderr, and is taken for no frame; what they read is empty. Programs that
    they start inherit neither.
    """
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    tell_where_on_demand()
    hold(incoming)
    yield Frames(trio.lowlevel.FdStream(incoming), trio.lowlevel.FdStream(outgoing))


def tell_where_on_demand() -> None:
    """Write to stderr where the main thread is whenever `Child.where` asks, also while its event loop is stuck."""
    faulthandler.register(signal.SIGUSR1, all_threads=False)


def hold(fd: int) -> None:
    """Watch the reading end of a pipe whose writing end only the parent has; return at once.

    A thread does it, for the event loop may be stuck. It reads nothing: whoever else reads the pipe misses nothing.
    """
    threading.Thread(target=_watch, args=(fd,), name="lifeline", daemon=True).start()


def _watch(fd: int) -> None:
    line = select.poll()
    line.register(fd, 0)  # Only that the other end is gone.
    line.poll()
    threading.Event().wait(GRACE_S)
    os._exit(ORPHANED)

"""Ends a child process with its parent, however the parent ended and whatever the child is doing."""

import os
import select
import threading
from typing import Final

GRACE_S: Final = 1.0
"""After its parent's end a child may clean up for so long."""

ORPHANED: Final = 113
"""Exit code of a child that lost its parent and did not end by itself."""


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

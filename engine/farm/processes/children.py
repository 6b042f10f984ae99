"""A child process of the farm: started with pipes, followed, and ended whatever happens."""

import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from engine.blocks import block_nursery
from engine.errors import FarmError, LocalMisuse
from engine.farm.processes.frames import Frames
from engine.farm.processes.log_file import LogFile

LAST_WORDS_LINES: Final = 20
LAST_WORDS_CHARS: Final = 400
"""What is kept at hand of a child's stderr, to say why it died. All of it goes to its log."""

STACK_FOLLOWS: Final = "(most recent call first):"
"""So ends the line before a stack that `faulthandler` writes."""

LAST_WORDS_S: Final = 1.0
"""How long a process that has closed its stdout may take to be gone."""

WHERE_WITHIN_S: Final = 1.0
"""How long a child that is stuck may take to say where: one that was stopped, or is in the kernel, can't."""

KILLED_WITHIN_S: Final = 10.0
"""How long a killed process may take to be gone: a wait in the kernel can hold it."""


class NotStarted(FarmError):
    """The system starts no process: it has no memory, or too many are there."""


class Child:
    """A running child.

    Args:
        process: The process.
        log: Where all goes that it writes to stderr; None keeps its last words alone.

    Attributes:
        process: The process.
        frames: To and from it.
    """

    def __init__(self, process: trio.Process, log: LogFile | None = None) -> None:
        self.process = process
        self._log = log
        if log is not None:
            log.begin(process.pid)
        self._stdin, stdout, self._stderr = _pipes(process)
        self.frames = Frames(stdout, self._stdin)
        self._lines: deque[str] = deque(maxlen=LAST_WORDS_LINES)
        self._heard = trio.Event()
        self._frame = ""
        self._stack_told = trio.Event()

    @property
    def last_words(self) -> str:
        """Say how it ended, the last line that it wrote to stderr, and where all of them are."""
        code = self.process.returncode
        how = "still runs" if code is None else f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        line = next((line for line in reversed(self._lines) if line.strip()), "")
        return (f"{how}: {line.strip()[:LAST_WORDS_CHARS]}" if line else how) + self.where_more_is

    @property
    def where_more_is(self) -> str:
        """Name the file that has all of what it wrote, for the end of a message; empty where it wrote nothing."""
        return f"; more in {self._log.told_as}" if self._log is not None and self._log.has_words else ""

    async def listen(self) -> None:
        """Read its stderr, until its end."""
        rest = b""
        async for chunk in self._stderr:
            if self._log is not None:
                self._log.write(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take_line(line.decode("utf-8", "replace"))
            rest = rest[-LAST_WORDS_CHARS:]
        self._take_line(rest.decode("utf-8", "replace"))
        self._heard.set()

    def _take_line(self, line: str) -> None:
        # As `faulthandler` writes it: this line, then `  File "tools.py", line 12 in price_of` and its callers.
        if self._lines and self._lines[-1].endswith(STACK_FOLLOWS) and line.startswith("  File "):
            self._frame = line.strip()
            self._stack_told.set()
        self._lines.append(line[:LAST_WORDS_CHARS])

    async def where(self) -> str:
        """Ask a child that is stuck where it is: `File "tools.py", line 12 in price_of`; empty where it can't tell."""
        with trio.move_on_after(WHERE_WITHIN_S):
            if self.process.returncode is None:
                self.process.send_signal(signal.SIGUSR1)
                await self._stack_told.wait()
        return self._frame

    async def end(self, grace_s: float) -> None:
        """Close its stdin, which tells it to end; kill it after the grace. Returns when it is gone."""
        with trio.CancelScope(shield=True):
            await self._stdin.aclose()
            with trio.move_on_after(grace_s):
                await self.process.wait()
            await self.kill()

    async def kill(self) -> bool:
        """Kill it; returns when it is gone, and tells whether it is."""
        with trio.CancelScope(shield=True), trio.move_on_after(KILLED_WITHIN_S):
            if self.process.returncode is None:
                self.process.kill()
            await self.process.wait()
        return self.process.returncode is not None

    async def died(self) -> None:
        """Hear its last words out, after it closed its stdout."""
        with trio.move_on_after(LAST_WORDS_S):
            await self.process.wait()
            await self._heard.wait()


def _pipes(process: trio.Process) -> tuple[trio.abc.SendStream, trio.abc.ReceiveStream, trio.abc.ReceiveStream]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise LocalMisuse("a child has three pipes | start it by `started`")
    return process.stdin, process.stdout, process.stderr


@asynccontextmanager
async def started(module: str, arguments: Sequence[str] = (), *, log: LogFile | None = None) -> AsyncIterator[Child]:
    """Run a module of Python in a child, for the time of the block; it is killed at the block's end.

    It is in a session of its own: Ctrl-C in a terminal is for us, and we tell it.

    Args:
        module: Its name.
        arguments: Of the command.
        log: Where all goes that it writes to stderr.

    Raises:
        NotStarted: The system starts no process.
    """
    child = Child(await _open([sys.executable, *_flags(), "-m", module, *arguments]), log)
    try:
        async with block_nursery() as nursery:
            nursery.start_soon(child.listen)
            try:
                yield child
            finally:
                await child.kill()
            # Its children may hold stderr open.
            nursery.cancel_scope.deadline = trio.current_time() + 0.5
    finally:
        for pipe in _pipes(child.process):
            await trio.aclose_forcefully(pipe)


def _flags() -> tuple[str, ...]:
    """Leave the folder that people stand in out of the child's path: a `queue.py` of theirs is no module of ours."""
    here = {"", str(Path.cwd())}
    return () if here & set(sys.path) else ("-P",)


async def _open(command: Sequence[str]) -> trio.Process:
    pipe = subprocess.PIPE
    try:
        return await trio.lowlevel.open_process(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    except OSError as error:
        message = f"a process can't be started: {error.strerror or error} | fewer workers, then --resume"
        raise NotStarted(message) from error

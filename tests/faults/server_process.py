"""A server in a process of its own, on one port of the loopback, that a test can freeze, kill and start again.

```python
async with server_process() as server:
    server.pause()            # SIGSTOP: the kernel still takes what comes, nobody answers
    server.resume()
    await server.kill()       # SIGKILL: the kernel resets its connections
    await server.start()      # anew, on the same port, without a memory
```
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

START_WITHIN_S = 20.0
"""From the start of the process to its first line; Python alone takes half a second, on a busy machine more."""

ROOT = Path(__file__).resolve().parents[2]
MAX_SAID_BYTES = 2**20


class ServerProcess:
    """One server at a time; made by `server_process`.

    Attributes:
        host: Where it listens.
        port: Its port, the same after each start.
        starts: How often it was started.
    """

    host = "127.0.0.1"

    def __init__(self, script, log):
        self.port = free_port()
        self.starts = 0
        self._script = script
        self._process = None
        self._log = log

    @property
    def base_url(self):
        """Give what clients take as their base URL."""
        return f"ws://{self.host}:{self.port}/v1"

    @property
    def runs(self):
        """Tell whether the process is there, frozen or not."""
        return self._process is not None and self._process.poll() is None

    async def start(self):
        """Start it, and wait until it listens."""
        assert not self.runs
        script = [] if self._script is None else ["--script", str(self._script)]
        command = [sys.executable, "-m", "engine", "simulate", "--port", str(self.port), *script]
        at = self._log.seek(0, os.SEEK_END)
        self._process = await trio.lowlevel.open_process(
            command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, env=environment()
        )
        self.starts += 1
        with trio.fail_after(START_WITHIN_S):
            while b"Ctrl-C" not in self.said(at):
                assert self.runs, self.said(at).decode()
                await trio.sleep(0.005)

    def said(self, since=0):
        """Give what it has printed, of all its starts."""
        return os.pread(self._log.fileno(), MAX_SAID_BYTES, since)

    def pause(self):
        """Freeze it."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        """Let a frozen one go on."""
        self._process.send_signal(signal.SIGCONT)

    async def kill(self):
        """Kill it, frozen or not, and wait until it is gone."""
        if self._process is None:
            return
        with trio.CancelScope(shield=True):
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        self._process = None

    async def restart(self):
        """Kill it and start it again."""
        await self.kill()
        await self.start()


def free_port():
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((ServerProcess.host, 0))
        return probe.getsockname()[1]


def environment():
    """Make the environment of a process that finds this tree's engine first."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


@asynccontextmanager
async def server_process(*, script=None):
    """Run a simulator in a process for the length of the block.

    Args:
        script: File of its answers, as for `realtime-engine simulate --script`; it repeats what it hears when None.
    """
    with tempfile.TemporaryFile() as log:  # A pipe that nobody reads would hold it up.
        server = ServerProcess(script, log)
        try:
            await server.start()
            yield server
        finally:
            await server.kill()

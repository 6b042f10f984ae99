"""A driver in a peer's own environment: asked in JSON lines, ended for good when it takes too long."""

import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO, Any, Final, Self

import trio
from environments import Peer, python_of

DRIVERS: Final = Path(__file__).resolve().parent / "drivers"
STARTING_S: Final = 60.0
"""For the first job: imports without compiled files take their time."""


class PeerFailed(Exception):
    """The driver died or hung; the text holds the end of what it wrote."""


class PeerProcess:
    """Runs `drivers/<driver or name>_driver.py` while the block lasts, and again when it had to be ended.

    Args:
        peer: Whose environment.
        deadline_s: For one job.
    """

    def __init__(self, peer: Peer, deadline_s: float = 30.0) -> None:
        self._peer = peer
        self._deadline_s = deadline_s
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        python_of(self._peer)
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self._errors.close()

    async def ask(self, job: Any) -> Any:
        """Hand over a job and wait for its answer."""
        return await trio.to_thread.run_sync(self._ask, job)

    def _ask(self, job: Any) -> Any:
        new = self._process is None
        process = self._process = self._process or self._start()
        bound = threading.Timer(self._deadline_s + (STARTING_S if new else 0), process.kill)
        bound.start()
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            bound.cancel()
        if not line:
            self._kill()
            self._errors.seek(0)
            end = "".join(self._errors.readlines()[-30:])
            raise PeerFailed(f"the driver of {self._peer.name!r} died, or hung and was ended:\n{end}")
        return json.loads(line)

    def _start(self) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "PYTHON"))}
        return subprocess.Popen(
            [str(python_of(self._peer)), str(DRIVERS / f"{self._peer.driver or self._peer.name}_driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )

    def _kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._process = None

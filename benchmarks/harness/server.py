"""The load server as the harness has it: a process of its own, asked for its counts over a socket."""

import json
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.harness.contenders import FOLDER

START_BOUND_S: Final = 20.0
REPORT_BOUND_S: Final = 60.0


class LoadServerHandle:
    """Runs the load server for the length of a block.

    Args:
        python: With picows and uvloop.
        core: To be pinned to; None for any.
        tls: Whether to serve wss too, with a certificate made for the purpose (needs trustme).
    """

    def __init__(self, python: str, core: int | None = None, *, tls: bool = True) -> None:
        self._python = python
        self._core = core
        self._tls = tls

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="load-server-")
        command = [self._python, "-m", "benchmarks.load_server"]
        self.ca: str | None = None
        if self._tls:
            pem, self.ca = certificates(Path(self._folder.name))
            command += ["--certificate", pem]
        if self._core is not None:
            command += ["--core", str(self._core)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=FOLDER.parent, start_new_session=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the load server did not start: exit status {self._process.wait(START_BOUND_S)}")
        self.ports: dict[str, int] = json.loads(line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def url(self, *, tls: bool = False) -> str:
        """Where it serves."""
        scheme = "wss" if tls else "ws"
        return f"{scheme}://127.0.0.1:{self.ports[scheme]}/v1"

    def ask(self, word: str) -> dict[str, Any]:
        """Say `reset` or `report` and give what it reports."""
        with socket.create_connection(("127.0.0.1", self.ports["control"]), REPORT_BOUND_S) as control:
            control.sendall(word.encode() + b"\n")
            with control.makefile() as lines:
                report: dict[str, Any] = json.loads(lines.readline())
        return report


def certificates(folder: Path) -> tuple[str, str]:
    """Make a certificate of the loopback, with its key, and the file of the authority that signed it."""
    import trustme  # noqa: PLC0415 - an extra, and slow to import

    authority = trustme.CA()
    pem, ca = folder / "server.pem", folder / "ca.pem"
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(pem)
    authority.cert_pem.write_to_path(ca)
    return str(pem), str(ca)

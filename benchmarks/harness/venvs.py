"""The Python that each contender runs in: a virtual environment of its own, made when it is first needed."""

import sys
from pathlib import Path
from typing import Final

from benchmarks.harness.contenders import FOLDER, Contender
from tests.peers.environments import Peer, PeerEnvironmentError, python_of

DEFAULT_FOLDER: Final = FOLDER.parent / ".benchmarks" / "venvs"

LOAD_SERVER: Final = Contender(
    name="load_server",
    title="load server",
    driver="",
    requirements=("picows>=2.3,<3", "uvloop>=0.21,<1", "orjson>=3.10.7,<4"),
)


class NotInstalled(Exception):
    """A contender can't be run here; the text says why, in a line."""


def python_for(contender: Contender, folder: Path = DEFAULT_FOLDER) -> str:
    """Give the interpreter, making the environment if needed.

    An environment that lies in the folder under the contender's own name is taken as it is.

    Raises:
        NotInstalled: It can't be made.
    """
    if contender.ours or not contender.requirements:
        return sys.executable
    made = folder / _name(contender) / "bin" / "python"
    if made.exists():
        return str(made)
    try:
        return str(python_of(Peer(_name(contender), contender.requirements), folder))
    except PeerEnvironmentError as error:
        raise NotInstalled(last_words(str(error))) from error


def is_there(contender: Contender, folder: Path = DEFAULT_FOLDER) -> bool:
    """Tell whether nothing need be made."""
    if contender.ours or not contender.requirements:
        return True
    peer = Peer(_name(contender), contender.requirements)
    made = folder / f"{peer.name}-{peer.key}" / "complete"
    return made.exists() or (folder / peer.name / "bin" / "python").exists()


def _name(contender: Contender) -> str:
    return contender.venv or contender.name


def server_python(folder: Path = DEFAULT_FOLDER) -> str:
    """Give a Python that has what the load server needs: this one with the extra `bench`."""
    try:
        import orjson  # noqa: F401, PLC0415 - only to see whether they are there
        import picows  # noqa: F401, PLC0415
        import uvloop  # noqa: F401, PLC0415
    except ImportError:
        return python_for(LOAD_SERVER, folder)
    return sys.executable


def last_words(text: str) -> str:
    """Shorten what an installer said to the line that tells most: its first error, else what was being done."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["no words"])[0][:300]

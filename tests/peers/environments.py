"""Virtual environments of peer libraries: each made once, pinned, in a cache folder, whole or not at all.

The folder is `.peers/` at the repository's root, or what `REALTIME_PEERS_DIR` names. To make all of them beforehand:
`python tests/peers/environments.py`.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import attrs

try:
    import fcntl
except ImportError:  # Windows: two runs at once are not kept apart there.
    fcntl = None  # type: ignore[assignment]

FOLDER_VARIABLE: Final = "REALTIME_PEERS_DIR"
BUILD_DEADLINE_S: Final = 600.0
_COMPLETE: Final = "complete"
_SHOWN_LINES: Final = 25


class PeerEnvironmentError(Exception):
    """A peer's environment could not be made; the text holds the command and the end of what it printed."""


@attrs.frozen
class Peer:
    """A library with what pip is to install for it.

    Attributes:
        name: Names its folder.
        requirements: Pinned.
        driver: Names the script that runs in it, where it is not its own.
    """

    name: str
    requirements: tuple[str, ...]
    driver: str | None = None

    @property
    def key(self) -> str:
        """Tell apart what was made of other requirements, or for another Python."""
        made_of = "\n".join([*sorted(self.requirements), sys.version, sys.executable])
        return hashlib.sha256(made_of.encode()).hexdigest()[:12]


def _engine_needs() -> tuple[str, ...]:
    """Give what the engine itself needs, as it is installed here: a peer that loads it gets the same."""
    needs = (each for each in metadata.requires("realtime-engine") or () if "extra ==" not in each)
    names = (re.match(r"[A-Za-z0-9._-]+", each)[0] for each in needs)  # type: ignore[index]
    return tuple(f"{name}=={metadata.version(name)}" for name in names)


SEED: Final = Peer("seed", ("strands-agents[bidi-openai]==1.40.0",))
OPENAI: Final = Peer("openai", ("openai[realtime]==3.54.0",))
AGENTS: Final = Peer("agents", ("openai-agents==0.24.0", "openai==3.54.0"))
STRANDS: Final = Peer("strands", ("strands-agents[bidi-openai]==1.40.0", *_engine_needs()))
"""The seed's own agent, with our model in it."""
STRANDS_NEWEST: Final = Peer("strands-newest", ("strands-agents[bidi-openai]==1.62.0", *_engine_needs()), "strands")
PEERS: Final = (SEED, OPENAI, AGENTS, STRANDS, STRANDS_NEWEST)


def folder() -> Path:
    """Find the cache folder."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else Path(__file__).resolve().parents[2] / ".peers"


def python_of(peer: Peer, cache: Path | None = None) -> Path:
    """Give the interpreter of a peer's environment, which is made if it is not there.

    One that was left half-made, as by Ctrl-C, has no `complete` file and is made anew.

    Raises:
        PeerEnvironmentError: It could not be made.
    """
    cache = cache or folder()
    place = cache / f"{peer.name}-{peer.key}"
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(place.with_suffix(".lock")):
        if not (place / _COMPLETE).exists():
            shutil.rmtree(place, ignore_errors=True)
            _make(peer, place, python)
            (place / _COMPLETE).write_text("\n".join(peer.requirements) + "\n")
    return python


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other test runs out; the lock goes with its holder, whatever becomes of it."""
    with path.open("w") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(peer: Peer, place: Path, python: Path) -> None:
    _run(peer, [sys.executable, "-m", "venv", str(place)])
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-compile"]
    _run(peer, [str(python), "-m", "pip", "install", *quiet, *peer.requirements])


def _run(peer: Peer, command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=BUILD_DEADLINE_S, check=False
        )
        status, output = f"exit status {done.returncode}", done.stdout
        if done.returncode == 0:
            return
    except subprocess.TimeoutExpired as late:
        status, output = f"not done after {BUILD_DEADLINE_S:g} s", str(late.output or "")
    end = "\n".join("    " + line for line in output.splitlines()[-_SHOWN_LINES:])
    raise PeerEnvironmentError(
        f"the environment of peer {peer.name!r} ({', '.join(peer.requirements)}) could not be made: {status}\n"
        f"  {' '.join(command)}\n{end}"
    ) from None


if __name__ == "__main__":
    for each in PEERS:
        started = time.monotonic()
        print(each.name, python_of(each), f"{time.monotonic() - started:.1f} s")

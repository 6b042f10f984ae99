"""Ray itself, loaded late, and its complaints as ours: each one line that says what to do."""

import importlib
import importlib.metadata
import importlib.util
import logging
import os
import platform
import re
import secrets
import sys
from pathlib import Path
from typing import Any, Final

from engine.errors import BackendUnavailable

NOT_INSTALLED: Final = "Ray is not installed | pip install 'realtime-engine[ray]', here and on each node of the cluster"

QUIET: Final = {"RAY_USAGE_STATS_ENABLED": "0"}
"""A run reports to nobody."""

_SIDE: Final = re.compile(r"Ray: (?P<ray>\S+)\s+Python: (?P<python>\S+)")


def our_version() -> str:
    """Give the version of this package."""
    return importlib.metadata.version("realtime-engine")


def installed() -> None:
    """Make sure that Ray is there, without loading it.

    Raises:
        BackendUnavailable: It is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise BackendUnavailable(NOT_INSTALLED)


def library() -> Any:
    """Import Ray.

    Raises:
        BackendUnavailable: It is not installed.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        ray = importlib.import_module("ray")
        ray.init  # noqa: B018 - a folder that is called ray is imported too
    except (ImportError, AttributeError) as missing:
        raise BackendUnavailable(NOT_INSTALLED) from missing
    # Without a level of its own Ray tells each connection, and warns that signals are left to us.
    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


def lock_the_door() -> None:
    """Have clusters that this process starts ask for a token: Ray listens on every address of the machine.

    The token lives in the environment of this process and its children, never in a file.

    Raises:
        BackendUnavailable: Ray is loaded already, without one; it reads these settings only as it loads.
    """
    if os.environ.get("RAY_AUTH_MODE") == "token":
        if not _has_token():
            # Else Ray would make one up, and write it into the home directory.
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        return
    if "ray" in sys.modules:
        message = (
            "Ray was imported before the run, and would take commands from the whole network | set RAY_AUTH_MODE=token "
            "and RAY_AUTH_TOKEN before the import, or call ray.init yourself first"
        )
        raise BackendUnavailable(message)
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _has_token() -> bool:
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return named or (Path.home() / ".ray" / "auth_token").exists()


def unavailable(address: str, complaint: str) -> BackendUnavailable:
    """Make the error of a cluster that can't be joined, from what Ray says."""
    sides = [(found["ray"], found["python"]) for found in _SIDE.finditer(complaint)]
    if "ersion mismatch" in complaint and sides:
        return BackendUnavailable(_mismatch(address, *sides[0]))
    if "uthenticat" in complaint or "AuthToken" in complaint:
        message = (
            f"the Ray cluster at {address} does not take our token | set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN (or "
            "RAY_AUTH_TOKEN_PATH) to the cluster's; `--on ray:local` does without it"
        )
        return BackendUnavailable(message)
    return BackendUnavailable(f"the Ray cluster at {address} can't be joined: {_short(complaint)} | {_LOOK}")


def not_started(complaint: str) -> BackendUnavailable:
    """Make the error of a cluster that does not start on this machine."""
    return BackendUnavailable(
        f"a Ray cluster can't be started on this machine: {_short(complaint)} | `--workers N` does without Ray"
    )


_LOOK: Final = "`ray status --address ADDRESS` says how it fares; `--on ray:local` does without it"


def nothing_answers(address: str, within_s: float, why: str = "") -> BackendUnavailable:
    """Make the error of an address where no cluster is."""
    reason = f" ({why})" if why else ""
    message = (
        f"no Ray cluster answers at {address} within {within_s:g} s{reason} | take the address that `ray start --head` "
        "printed, or start one; `--on ray:local` does without it"
    )
    return BackendUnavailable(message)


def _mismatch(address: str, ray: str, python: str) -> str:
    ours = importlib.import_module("ray").__version__
    return (
        f"the Ray cluster at {address} runs Ray {ray} on Python {python}, and this process Ray {ours} on Python "
        f"{platform.python_version()}: they must be the same to the last digit | run it with Python {python} and "
        f"pip install ray=={ray}, or start the cluster anew with ours"
    )


def _short(complaint: str) -> str:
    words = " ".join(complaint.split()) or "it gave no reason"
    return words if len(words) <= 200 else words[:199] + "…"

"""Which Ray cluster a run goes to: what `--on` says."""

import re
from typing import Final, Literal

import attrs

from engine.errors import ConfigError

ALLOWED: Final = "ray, ray:local, ray:auto, or ray:HOST:PORT of the cluster's head node"

_HOST_PORT: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):(\d{1,5})")


@attrs.frozen
class Place:
    """Where a cluster is.

    Attributes:
        kind: `any`: that of RAY_ADDRESS, else the one that this machine belongs to, else a local one that is started.
            `local`: one is started. `running`: as `any`, but none is started. `named`: at `address`.
        address: `HOST:PORT` of the head node's control store.
    """

    kind: Literal["any", "local", "running", "named"]
    address: str | None = None


_BY_WORD: Final = {
    "ray": Place("any"),
    "ray:": Place("any"),
    "ray:local": Place("local"),
    "ray:auto": Place("running"),
}


def place_of(on: str) -> Place:
    """Read what `--on` says.

    Raises:
        ConfigError: It says something else.
    """
    if on in _BY_WORD:
        return _BY_WORD[on]
    if on.startswith("ray://"):
        message = (
            f"on is {on!r}: a run does not go through Ray Client | run the command on a machine of the cluster, "
            "with --on ray (`ray job submit` starts it there)"
        )
        raise ConfigError("on", on, ALLOWED, message=message)
    address = on.removeprefix("ray:")
    found = _HOST_PORT.fullmatch(address)
    if not on.startswith("ray:") or found is None or not 0 < int(found[1]) < 2**16:
        raise ConfigError("on", on, ALLOWED)
    return Place("named", address)


def host_and_port(address: str) -> tuple[str, int]:
    """Take `HOST:PORT` apart."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)

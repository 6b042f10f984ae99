"""Which of Strands' two families of realtime models is installed; versions between them fit neither."""

import enum
from importlib import metadata
from typing import Final

CLASSIC: Final = ((1, 40), (1, 55))
"""`strands.experimental.bidi`, with a protocol as its model: from, and no more from. 1.40.0 and 1.54.0 were tried."""

CURRENT: Final = ((1, 58), (2, 0))
"""`strands.bidi`, with an abstract class as its model: from, and no more from. 1.58.1 and 1.62.0 were tried."""

_WAY_OUT: Final = "pip install 'realtime-engine[strands]'"


class Family(enum.Enum):
    """How the model and its events look."""

    CLASSIC = enum.auto()
    CURRENT = enum.auto()


def installed_family() -> Family:
    """Find out what is installed.

    Raises:
        ImportError: Nothing, or nothing that can be used; the text says what can.
    """
    try:
        version = metadata.version("strands-agents")
    except metadata.PackageNotFoundError:
        raise ImportError(f"strands-agents is not installed | {_WAY_OUT}") from None
    return family(version)


def family(version: str) -> Family:
    """Tell which family a version is of.

    Raises:
        ImportError: It is of none; the text says which are.
    """
    major, minor = (int(part) if part.isdecimal() else 0 for part in f"{version}..".split(".")[:2])
    for known, (first, end) in ((Family.CLASSIC, CLASSIC), (Family.CURRENT, CURRENT)):
        if first <= (major, minor) < end:
            return known
    raise ImportError(
        f"strands-agents {version} has another kind of realtime model | use {_shown(CLASSIC)}, or {_shown(CURRENT)}: "
        f"{_WAY_OUT}"
    )


def _shown(versions: tuple[tuple[int, int], tuple[int, int]]) -> str:
    (first, end) = versions
    return f">={first[0]}.{first[1]},<{end[0]}.{end[1]}"

"""How deep JSON is nested: what was parsed in C may be too deep for whatever walks it in Python."""

from typing import Any, Final

DEPTH_MAX: Final = 128
"""How deep a message, or the arguments of a call, may be nested; a deeper one is dropped and told. The service's are at
most 20 deep. Python's stack ends at a thousand calls, and to compare, copy or show a value takes some a level."""

_HOLDERS: Final = frozenset({dict, list})


def is_deeper(value: dict[str, Any], levels: int = DEPTH_MAX) -> bool:
    """Tell whether a JSON object has objects and lists in it in more levels than these, itself the first."""
    if _HOLDERS.isdisjoint(map(type, value.values())):
        return levels < 1  # Most messages are flat, and this is asked of each.
    holders: list[Any] = [value]
    for _ in range(levels):
        holders = [part for holder in holders for part in _parts(holder) if type(part) in _HOLDERS]
        if not holders:
            return False
    return True


def _parts(holder: Any) -> Any:
    return holder.values() if type(holder) is dict else holder

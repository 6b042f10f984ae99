"""How deep JSON is nested: what was parsed in C may be too deep for whatever walks it in Python."""

from typing import Any, Final

DEPTH_MAX: Final = 128
"""How deep a message, or the arguments of a call, may be nested; a deeper one is dropped and told. The service's are at
most 20 deep. Python's stack ends at a thousand calls, and to compare, copy or show a value takes some a level."""

_HOLDERS: Final = frozenset({dict, list})


def is_deeper(value: dict[str, Any], levels: int = DEPTH_MAX, text: str | bytes | None = None) -> bool:
    """Tell whether a JSON object has objects and lists in it in more levels than these, itself the first.

    Args:
        value: The object.
        levels: How many are allowed.
        text: What it was read from, if it was: so many brackets as it has, it may be deep, and to count is quicker.
    """
    if _HOLDERS.isdisjoint(map(type, value.values())):
        return levels < 1  # Most messages are flat, and this is asked of each.
    if text is not None and _brackets(text) <= levels:
        return False
    holders: list[Any] = [value]
    for _ in range(levels):
        holders = [part for holder in holders for part in _parts(holder) if type(part) in _HOLDERS]
        if not holders:
            return False
    return True


def _brackets(text: str | bytes) -> int:
    """Count what opens an object or a list, or stands in some words."""
    if isinstance(text, bytes):
        return text.count(b"{") + text.count(b"[")
    return text.count("{") + text.count("[")


def _parts(holder: Any) -> Any:
    return holder.values() if type(holder) is dict else holder

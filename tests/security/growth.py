"""Measures what an object holds: the length of every collection that can be reached from it, by its path."""

from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

ATOMS = (str, bytes, bytearray, int, float, complex, type, type(None), FunctionType, BuiltinFunctionType, ModuleType)
OURS = ("engine", "test_")
"""Only into objects of these modules the walk goes on: from those of libraries it would find its way to everything."""


def collections(root: object) -> dict[str, int]:
    """Give the length of each collection in an object, by the attributes that lead to it; the longest on equal ways."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    waiting: list[tuple[str, object]] = [(type(root).__name__, root)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, ATOMS) or id(value) in seen:
            continue
        seen.add(id(value))
        keep.append(value)
        if not isinstance(value, MethodType) and hasattr(value, "__len__"):
            found[path] = max(found.get(path, 0), len(value))
        waiting += [(path + name, part) for name, part in parts(value)]
    keep.clear()
    return found


keep: list[object] = []
"""What is being looked at: an id must not be another object's meanwhile."""


def parts(value: object) -> Iterator[tuple[str, Any]]:
    if isinstance(value, MethodType):
        yield ".self", value.__self__
    elif isinstance(value, dict):
        yield from ((".key", key) for key in value)
        yield from ((".value", part) for part in value.values())
    elif isinstance(value, (list, tuple, set, frozenset)) or type(value).__name__ == "deque":
        yield from ((".part", part) for part in value)
    elif type(value).__module__.startswith(OURS):
        yield from _attributes(value)


def _attributes(value: object) -> Iterator[tuple[str, Any]]:
    names = dict.fromkeys(getattr(value, "__dict__", ()))
    for cls in type(value).__mro__:
        slots = getattr(cls, "__slots__", ())
        names |= dict.fromkeys((slots,) if isinstance(slots, str) else slots)
    for name in names:
        if name not in ("__dict__", "__weakref__"):
            try:
                yield f".{name}", getattr(value, name)
            except AttributeError:
                continue


def grown(root: object, most: int) -> dict[str, int]:
    """Give the collections that hold more than `most`."""
    return {path: size for path, size in collections(root).items() if size > most}

"""A census of what an object holds: which collections in it are large, wherever they hang."""

import types
from collections import deque

ATOMS = (str, bytes, bytearray, int, float, complex, type, types.ModuleType, types.FunctionType)
SHARED = (types.BuiltinFunctionType, types.MappingProxyType, type(None))
COLLECTIONS = (dict, list, tuple, set, frozenset, deque)


def large_collections(root, bound):
    """Name the collections with more than `bound` members that can be reached, with their sizes."""
    seen, large = set(), {}
    waiting = [(root, type(root).__name__)]
    while waiting:
        value, name = waiting.pop()
        if id(value) in seen or isinstance(value, (*ATOMS, *SHARED)):
            continue
        seen.add(id(value))
        if isinstance(value, COLLECTIONS) and len(value) > bound:
            large[name] = len(value)
        waiting += _parts(value, name)
    return large


def _parts(value, name):
    if isinstance(value, types.MethodType):
        return [(value.__self__, name)]
    if isinstance(value, dict):
        return [(part, name) for part in value.values()]
    if isinstance(value, COLLECTIONS):
        return [(part, name) for part in value]
    slots = [slot for cls in type(value).__mro__ for slot in getattr(cls, "__slots__", ())]
    named = [*getattr(value, "__dict__", {}), *slots]
    owner = type(value).__name__
    return [(getattr(value, each), f"{owner}.{each}") for each in named if hasattr(value, each)]

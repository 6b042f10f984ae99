"""Finds what somebody meant who mistyped a name."""

import difflib
from collections.abc import Iterable
from typing import Final

_ALIKE: Final = 0.6
"""Share of letters in common (as `difflib` reckons it) that makes two names near."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that is nearest; None where none is near."""
    by_lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=_ALIKE)
    return by_lower[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give the half sentence that suggests the nearest name; empty where none is near."""
    near = nearest(name, known)
    return f" (did you mean {near!r}?)" if near else ""

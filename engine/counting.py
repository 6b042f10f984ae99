"""Counts by name, where the names come from the peer: a bounded number of them."""

from collections import Counter

from engine.limits import COUNTED_NAME_CHARS, COUNTED_NAMES

OTHERS = "(others)"


class NameCounts:
    """How often each name was met; past `limits.COUNTED_NAMES` names, the rest are counted together."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str) -> None:
        """Count one; of a long name, its beginning."""
        name = name[:COUNTED_NAME_CHARS]
        if name not in self._counts and len(self._counts) >= COUNTED_NAMES:
            name = OTHERS
        self._counts[name] += 1

    def snapshot(self) -> dict[str, int]:
        """Give the counts."""
        return dict(self._counts)

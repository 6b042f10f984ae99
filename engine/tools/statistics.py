"""What tools did in a session, counted by tool and ending."""

from collections import Counter
from typing import Final

from engine.tools.call import Ending

UNKNOWN: Final = "(unknown)"
"""Stands for the names that the model invented, which can be any number."""


class Tally:
    """Counts calls by tool and ending."""

    def __init__(self) -> None:
        self.repeated = 0
        self.dropped = 0
        self._by_tool: dict[str, Counter[str]] = {}

    def ended(self, tool: str | None, ending: Ending) -> None:
        """Count a call that is over; None for a tool that does not exist."""
        self._by_tool.setdefault(tool or UNKNOWN, Counter())[ending] += 1

    def by_tool(self) -> dict[str, dict[str, int]]:
        """Give the counts."""
        return {name: dict(counts) for name, counts in self._by_tool.items()}

    def total(self, ending: Ending) -> int:
        """Count the calls with an ending."""
        return sum(counts[ending] for counts in self._by_tool.values())

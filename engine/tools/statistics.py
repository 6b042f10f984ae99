"""What tools did in a session: counted, and given as a snapshot."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import attrs

from engine.tools.call import Ending

UNKNOWN: Final = "(unknown)"
"""Stands for the names that the model invented, which can be any number."""


@attrs.frozen(kw_only=True)
class ToolStatistics:
    """A snapshot.

    Attributes:
        running: Calls whose tool runs, or whose approval is waited for.
        waiting: Calls that wait for a place.
        deferred: Deferred work under way.
        held: Results that wait for the others of their response, or for its end.
        hung_threads: Worker threads whose plain function still runs though its call is over.
        done: Calls that gave a result, the deferred ones included.
        failed: Calls whose tool raised, or gave what can't be sent.
        timed_out: Calls whose tool was stopped by its deadline.
        interrupted: Calls that were cancelled because the user cut in.
        refused: Calls whose tool never ran: an unknown name, bad arguments, no approval, too many at once.
        repeated: Calls that were told twice; the second time is not a call.
        dropped: Results that could not be sent: the session was over, or the call had an answer by hand.
        by_tool: The endings of each tool's calls; `(unknown)` for names that the model invented.
    """

    running: int
    waiting: int
    deferred: int
    held: int
    hung_threads: int
    done: int
    failed: int
    timed_out: int
    interrupted: int
    refused: int
    repeated: int
    dropped: int
    by_tool: Mapping[str, Mapping[str, int]]


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

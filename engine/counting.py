"""Counts: by names that come from the peer, a bounded number of them; and what tools did in a session."""

from collections.abc import Mapping

import attrs

from engine.limits import COUNTED_NAME_CHARS, COUNTED_NAMES

OTHERS = "(others)"


class NameCounts:
    """How often each name was met; past `limits.COUNTED_NAMES` names, the rest are counted together."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, int] | None = None

    def add(self, name: str) -> None:
        """Count one; of a long name, its beginning."""
        counts = self._counts
        if counts is None:
            counts = self._counts = {}
        if name not in counts:  # Seldom: each event that comes is counted, and there are few kinds.
            name = name[:COUNTED_NAME_CHARS]
            name = name if name in counts or len(counts) < COUNTED_NAMES else OTHERS
            counts.setdefault(name, 0)
        counts[name] += 1

    def snapshot(self) -> dict[str, int]:
        """Give the counts."""
        return dict(self._counts or ())


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

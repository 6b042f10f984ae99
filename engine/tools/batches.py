"""Results of one response, kept until all are there and the response is over: they go out together, in call order.

The engine asks for the next response after the last answer of a response, whenever the answers come. They are kept all
the same: an answer that goes out early would be read by a response in between, as to something that the user says,
which would then speak of half of what was asked.
"""

from typing import Final

import attrs
import trio

from engine.events import ToolResultEvent

_REMEMBERED: Final = 64
"""Ids of responses that are over: a call that comes after its response's end is answered on its own."""


@attrs.define(eq=False)
class Batch:
    """The calls of one response that are not answered yet.

    Attributes:
        response_id: Which; None where nobody knows.
        results: By call, in the order of the calls; None where the tool still runs.
        over: Set when no more calls of the response can come.
        sent: Set when the results are on their way.
    """

    response_id: str | None
    results: dict[str, ToolResultEvent | None] = attrs.field(factory=dict)
    over: trio.Event = attrs.field(factory=trio.Event)
    sent: trio.Event = attrs.field(factory=trio.Event)

    @property
    def is_whole(self) -> bool:
        """Tell whether every call has its result."""
        return None not in self.results.values()


class Batches:
    """The batches of a session. Waits for nothing itself."""

    def __init__(self) -> None:
        self._batches: dict[str | None, Batch] = {}
        self._over: dict[str, None] = {}

    @property
    def held(self) -> int:
        """How many results are there and not sent."""
        return sum(result is not None for batch in self._batches.values() for result in batch.results.values())

    def open(self, call_id: str, response_id: str | None) -> Batch:
        """Put a call in the batch of its response."""
        batch = self._batches.get(response_id)
        if batch is None:
            batch = self._batches[response_id] = Batch(response_id)
            if response_id is None or response_id in self._over:
                batch.over.set()
        batch.results[call_id] = None
        return batch

    def response_done(self, response_id: str) -> None:
        """Take note that no more calls of a response come."""
        self._over[response_id] = None
        if len(self._over) > _REMEMBERED:
            del self._over[next(iter(self._over))]
        if response_id in self._batches:
            self._batches[response_id].over.set()

    def take(self, batch: Batch) -> list[ToolResultEvent]:
        """Give the results of a batch that is whole, in call order, and forget it; nothing when it is not whole."""
        if not batch.is_whole or self._batches.get(batch.response_id) is not batch:
            return []
        del self._batches[batch.response_id]
        return [result for result in batch.results.values() if result is not None]

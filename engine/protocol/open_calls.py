"""Calls of the model that wait for their results, and hold the way of the next response until they have them.

Those of one response count, the last that had any: a response after it shows that the talk goes on without them. And
they hold nothing for ever, as a tool may never come back.
"""

from typing import Final, TypeVar

from engine.protocol.wait import Wait

CALLS_MAX: Final = 1024
"""Calls without a result, and answered ones, that are kept in mind; the oldest is forgotten past it, and holds the
way no longer. An hour has hundreds."""

V = TypeVar("V")


class OpenCalls:
    """Knows which calls have their results, and whether the others hold the way.

    Args:
        held_s: How long they may hold a request that is owed.
    """

    __slots__ = ("_answered", "_held", "_holding", "_open")

    def __init__(self, held_s: float) -> None:
        self._open: dict[str, str] = {}
        self._answered: dict[str, None] = {}
        self._holding: str | None = None
        self._held = Wait(held_s)

    def __len__(self) -> int:
        return len(self._open)

    # --- calls and results ------------------------------------------------------------------------------------

    def opened(self, call_id: str, response_id: str) -> None:
        """Note a call that waits for a result; it holds the way for its response."""
        if call_id in self._answered:
            return
        _keep(self._open, call_id, response_id)
        self._holding = response_id

    def answered(self, call_id: str) -> bool:
        """Note a result; True when it was the last one of its response, or nobody saw its call."""
        response_id = self._open.pop(call_id, None)
        _keep(self._answered, call_id, None)
        return response_id is None or response_id not in self._open.values()

    def answered_unseen(self, call_id: str) -> None:
        """Note a result that the application sent by hand for a call that was not told of yet."""
        _keep(self._answered, call_id, None)

    def is_open(self, call_id: str) -> bool:
        """Tell whether a call waits for a result."""
        return call_id in self._open

    def was_answered(self, call_id: str) -> bool:
        """Tell whether a call has its result already."""
        return call_id in self._answered

    def will_ask_after(self, response_id: str) -> bool:
        """Tell whether results of a response's calls ask for the next one: some are to come, or were the last ones."""
        return response_id == self._holding or response_id in self._open.values()

    # --- the way ----------------------------------------------------------------------------------------------

    @property
    def hold(self) -> bool:
        """Tell whether the way is held."""
        return self._holding is not None and self._holding in self._open.values()

    @property
    def deadline(self) -> float | None:
        """When they will have held a request for too long."""
        return self._held.deadline

    def watch(self, now: float, *, wanted: bool) -> bool:
        """Note since when they hold a request, if one is wanted that nothing else holds; True when that changed."""
        return self._held.watch(now, waits=wanted and self.hold)

    def response_ended(self, response_id: str | None) -> None:
        """Note that a response of the conversation ended: calls of older ones hold the way no longer."""
        if response_id != self._holding:
            self._holding = None

    def released(self, now: float) -> bool:
        """Tell whether they have held a request for too long, and let it go."""
        if not self._held.is_over(now):
            return False
        self._holding = None
        self._held.end()
        return True

    def link_down(self) -> None:
        """There is no connection any more: it is not the calls that hold a request."""
        self._held.end()


def _keep(kept: dict[str, V], key: str, value: V) -> None:
    kept[key] = value
    if len(kept) > CALLS_MAX:
        del kept[next(iter(kept))]

"""Items of ours on their way: sent, and not yet seen in the conversation. A new connection is told them again."""

from collections import deque
from collections.abc import Callable
from typing import Final

import attrs

from engine.limits import HISTORY_MAX_ITEMS
from engine.protocol.history import PLACED_FIRST
from engine.wire.client import ConversationItemCreate

UNDERWAY_MAX: Final = HISTORY_MAX_ITEMS
"""So many are followed at once; a server that never says that it has added one is not waited for."""


class Underway:
    """Items in the order in which they were sent, which is that in which the service takes them."""

    def __init__(self) -> None:
        self._items: deque[ConversationItemCreate] = deque(maxlen=UNDERWAY_MAX)

    def __len__(self) -> int:
        return len(self._items)

    def sent(self, event: object) -> None:
        """Note that an item is on its way, if it is one."""
        if isinstance(event, ConversationItemCreate):
            self._items.append(event)

    def seen(self) -> None:
        """Note that the service has added one."""
        if self._items:
            self._items.popleft()

    def refused(self, event_id: str | None) -> None:
        """Note that the service will not add one: the oldest, where the error names none."""
        if event_id is None:
            self.seen()
            return
        for event in self._items:
            if event.event_id == event_id:
                self._items.remove(event)
                return

    def again(self, is_there: Callable[[str], bool]) -> list[ConversationItemCreate]:
        """Give them all, for a new connection; they stay on their way.

        Args:
            is_there: Tells of an item whether the new connection has it. What was to follow one that it has not goes
                to the end.
        """
        return [_placed(event, is_there) for event in self._items]


def _placed(event: ConversationItemCreate, is_there: Callable[[str], bool]) -> ConversationItemCreate:
    before = event.previous_item_id
    if before is None or before == PLACED_FIRST or is_there(before):
        return event
    return attrs.evolve(event, previous_item_id=None)

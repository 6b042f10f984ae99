"""Items of ours on their way: sent, and not yet seen in the conversation. A new connection is told them again."""

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

    __slots__ = ("_items",)

    def __init__(self) -> None:
        self._items: list[ConversationItemCreate] = []

    def __len__(self) -> int:
        return len(self._items)

    def sent(self, event: object) -> None:
        """Note that an item is on its way, if it is one."""
        if isinstance(event, ConversationItemCreate):
            self._items.append(event)
            del self._items[:-UNDERWAY_MAX]

    def seen(self, item_id: str | None, *, is_ours: bool) -> None:
        """Note that the service has added an item; what was sent before it, and is not seen yet, will not be.

        Args:
            item_id: Its id.
            is_ours: It looks like one that was sent: then the oldest one that was sent without an id is meant, where
                none was sent with this one.
        """
        ids = [event.item.id for event in self._items]
        name = item_id if item_id is not None and item_id in ids else None
        if name in ids and (name is not None or is_ours):
            del self._items[: ids.index(name) + 1]

    def refused(self, event_id: str | None) -> None:
        """Note that the service will not add one: the oldest, where the error names none."""
        if event_id is None:
            del self._items[:1]
            return
        for event in self._items:
            if event.event_id == event_id:
                self._items.remove(event)
                return

    def again(self, place: Callable[[str], str | None]) -> list[ConversationItemCreate]:
        """Give them all, for a new connection; they stay on their way.

        Args:
            place: Gives the id under which the new connection has an item, None where it has it not. What was to follow
                such a one goes to the end.
        """
        told: list[ConversationItemCreate] = []
        for event in self._items:
            before = event.previous_item_id
            known = before is None or before == PLACED_FIRST or any(before == each.item.id for each in told)
            told.append(event if known else attrs.evolve(event, previous_item_id=place(before or "")))
        return told

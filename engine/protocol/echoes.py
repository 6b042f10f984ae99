"""The service's answers to what a new connection was told of the talk: nobody waits for them, and they are no news."""

from collections import Counter
from typing import Final

from engine.wire import server as wire
from engine.wire.client import ConversationItemCreate, ConversationItemDelete

_Awaited = tuple[str, str]

_ADDED: Final = "added"
_DONE: Final = "done"
_DELETED: Final = "deleted"

_KINDS: Final[dict[type, str]] = {
    wire.ConversationItemAdded: _ADDED,
    wire.ConversationItemCreated: _ADDED,
    wire.ConversationItemDone: _DONE,
}


class Echoes:
    """Tells them from the same events about other things, by the item and by how many of each are to come."""

    __slots__ = ("_awaited", "_sent", "not_added")

    def __init__(self) -> None:
        self._awaited: Counter[_Awaited] = Counter()
        self._sent: dict[str, ConversationItemCreate | ConversationItemDelete] = {}
        self.not_added: set[str] = set()
        """Items that the service refused."""

    def __len__(self) -> int:
        """How many are still to come: one for each item that is deleted, two for each that is added."""
        return self._awaited.total()

    def expect(self, event: ConversationItemCreate | ConversationItemDelete) -> None:
        """Note what is sent."""
        if event.event_id is not None:
            self._sent[event.event_id] = event
        self._awaited.update(_answers(event))

    def hear(self, event: wire.ServerEvent) -> bool:
        """Take an event of the connection; tell whether it is such an answer. An error is news, whatever it is of."""
        match event:
            case wire.ErrorReported(error=details):
                self._refused(details.event_id)
                return False
            case wire.ConversationItemDeleted(item_id=item_id):
                return self._strike((_DELETED, item_id))
            case wire.ConversationItemAdded() | wire.ConversationItemCreated() | wire.ConversationItemDone():
                return self._strike((_KINDS[type(event)], event.item.id or ""))
            case _:
                return False

    def give_up(self, item_id: str) -> None:
        """Note that the service has not added an item."""
        self.not_added.add(item_id)
        self._strike((_ADDED, item_id))
        self._strike((_DONE, item_id))

    def _refused(self, event_id: str | None) -> None:
        event = self._sent.pop(event_id or "", None)
        if isinstance(event, ConversationItemCreate):
            self.give_up(event.item.id or "")
        elif event is not None:
            self._strike((_DELETED, event.item_id))

    def _strike(self, awaited: _Awaited) -> bool:
        expected = self._awaited[awaited] > 0
        self._awaited -= Counter({awaited: 1})  # It keeps no count that is not positive.
        return expected


def _answers(event: ConversationItemCreate | ConversationItemDelete) -> list[_Awaited]:
    if isinstance(event, ConversationItemDelete):
        return [(_DELETED, event.item_id)]
    item_id = event.item.id or ""
    return [(_ADDED, item_id), (_DONE, item_id)]

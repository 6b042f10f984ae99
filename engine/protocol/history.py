"""A mirror of the conversation as the server holds it: items in order, with what was said in each."""

from collections.abc import Iterator

import attrs

from engine.wire.items import Content, Item, MessageItem

PLACED_FIRST = "root"


@attrs.frozen(kw_only=True)
class HistoryItem:
    """One item of the conversation.

    Attributes:
        item: As the server told it last.
        transcript: What was said or written in it, our own copy: a truncation wipes the server's.
        heard_ms: Where the server cut the audio, or None when it is whole.
    """

    item: Item
    transcript: str = ""
    heard_ms: int | None = None


class History:
    """Items by id, in the server's order.

    Args:
        max_items: Older items are forgotten past this.
    """

    def __init__(self, max_items: int) -> None:
        self._max_items = max_items
        self._items: dict[str, HistoryItem] = {}
        self._order: list[str] = []
        self.forgotten = 0
        """Items dropped at the bound."""

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[HistoryItem]:
        return (self._items[item_id] for item_id in self._order)

    def get(self, item_id: str) -> HistoryItem | None:
        """Find an item."""
        return self._items.get(item_id)

    def put(self, item: Item, previous_item_id: str | None) -> None:
        """Add an item after another (at the end when that one is unknown or None), or renew what it says."""
        if item.id is None:
            return
        known = self._items.get(item.id)
        if known is not None:
            self._items[item.id] = attrs.evolve(known, item=item, transcript=known.transcript or _words(item))
            return
        self._items[item.id] = HistoryItem(item=item, transcript=_words(item))
        self._order.insert(self._place(previous_item_id), item.id)
        if len(self._order) > self._max_items:
            del self._items[self._order.pop(0)]
            self.forgotten += 1

    def _place(self, previous_item_id: str | None) -> int:
        if previous_item_id == PLACED_FIRST:
            return 0
        # Nearly always the newest one, so look from the end.
        for place in range(len(self._order), 0, -1):
            if self._order[place - 1] == previous_item_id:
                return place
        return len(self._order)

    def said(self, item_id: str, transcript: str) -> None:
        """Keep the words of an item."""
        known = self._items.get(item_id)
        if known is not None:
            self._items[item_id] = attrs.evolve(known, transcript=transcript)

    def truncated(self, item_id: str, audio_end_ms: int) -> None:
        """Keep how much of an item was heard."""
        known = self._items.get(item_id)
        if known is not None:
            self._items[item_id] = attrs.evolve(known, heard_ms=audio_end_ms)

    def deleted(self, item_id: str) -> None:
        """Forget an item."""
        if self._items.pop(item_id, None) is not None:
            self._order.remove(item_id)


def _words(item: Item) -> str:
    if not isinstance(item, MessageItem):
        return ""
    return " ".join(filter(None, map(_content_words, item.content)))


def _content_words(content: Content) -> str:
    return content.text or content.transcript or ""

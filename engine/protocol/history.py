"""A mirror of the conversation as the server holds it: items in order, with what was said in each.

Words are kept, audio and images are not: of an hour of speech they would be hundreds of MB.
"""

from collections.abc import Iterator

import attrs

from engine import limits
from engine.wire.items import Content, Item, MessageItem

PLACED_FIRST = "root"

NOT_KEPT = ""
"""Stands where an item had audio or an image."""


@attrs.frozen(kw_only=True)
class HistoryItem:
    """One item of the conversation.

    Attributes:
        item: As the server told it last, but for audio and images: their text is empty where there was one.
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
        max_bytes: And past this much text.
    """

    def __init__(self, max_items: int, max_bytes: int = limits.HISTORY_MAX_BYTES) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        self._items: dict[str, HistoryItem] = {}
        self._order: list[str] = []
        self.forgotten = 0
        """Items dropped at a bound."""

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
        item_id, item = item.id, _without_media(item)
        known = self._items.get(item_id)
        if known is not None:
            self._keep(item_id, attrs.evolve(known, item=item, transcript=known.transcript or _words(item)))
            return
        self._order.insert(self._place(previous_item_id), item_id)
        self._keep(item_id, HistoryItem(item=item, transcript=_words(item)))

    def _place(self, previous_item_id: str | None) -> int:
        if previous_item_id == PLACED_FIRST:
            return 0
        # Nearly always the newest one, so look from the end.
        for place in range(len(self._order), 0, -1):
            if self._order[place - 1] == previous_item_id:
                return place
        return len(self._order)

    def _keep(self, item_id: str, held: HistoryItem) -> None:
        self._items[item_id] = held
        size = len(repr(held).encode())  # `repr` escapes what UTF-8 has no bytes for.
        self._bytes += size - self._sizes.get(item_id, 0)
        self._sizes[item_id] = size
        while len(self._order) > self._max_items or self._bytes > self._max_bytes:
            self._drop(self._order.pop(0))
            self.forgotten += 1

    def _drop(self, item_id: str) -> None:
        del self._items[item_id]
        self._bytes -= self._sizes.pop(item_id)

    def said(self, item_id: str, transcript: str) -> None:
        """Keep the words of an item."""
        known = self._items.get(item_id)
        if known is not None:
            self._keep(item_id, attrs.evolve(known, transcript=transcript))

    def truncated(self, item_id: str, audio_end_ms: int) -> None:
        """Keep how much of an item was heard."""
        known = self._items.get(item_id)
        if known is not None:
            self._items[item_id] = attrs.evolve(known, heard_ms=audio_end_ms)

    def deleted(self, item_id: str) -> None:
        """Forget an item."""
        if item_id in self._items:
            self._order.remove(item_id)
            self._drop(item_id)


def _without_media(item: Item) -> Item:
    if not isinstance(item, MessageItem) or not any(map(_has_media, item.content)):
        return item
    return attrs.evolve(item, content=tuple(map(_content_without_media, item.content)))


def _has_media(content: Content) -> bool:
    return bool(content.audio or content.image_url)


def _content_without_media(content: Content) -> Content:
    audio = None if content.audio is None else NOT_KEPT
    image_url = None if content.image_url is None else NOT_KEPT
    return attrs.evolve(content, audio=audio, image_url=image_url)


def _words(item: Item) -> str:
    if not isinstance(item, MessageItem):
        return ""
    return " ".join(filter(None, map(_content_words, item.content)))


def _content_words(content: Content) -> str:
    return content.text or content.transcript or ""

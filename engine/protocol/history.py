"""A mirror of the conversation as the server holds it: items in order, with what was said in each.

Words are kept, audio and images are not: of an hour of speech they would be hundreds of MB.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Final

import attrs

from engine import limits
from engine.protocol.history_messages import Message, messages
from engine.wire.items import Content, Item, McpListToolsItem, MessageItem

PLACED_FIRST = "root"

NOT_KEPT = ""
"""Stands where an item had audio or an image."""


@attrs.frozen(kw_only=True)
class HistoryItem:
    """One item of the conversation.

    Attributes:
        item: As the server told it last, but for audio and images: their text is empty where there was one.
        words: What was said or written in it, by content index: our own copy, as a truncation wipes the server's.
        heard_ms: Where the server cut the audio, or None when it is whole.
        audio_ms: How much of its audio came, or None where nobody told.
    """

    item: Item
    words: tuple[tuple[int, str], ...] = ()
    heard_ms: int | None = None
    audio_ms: float | None = None

    @property
    def id(self) -> str:
        """Its id; an item without one is not kept."""
        return self.item.id or ""

    @property
    def transcript(self) -> str:
        """All its words."""
        return " ".join(text for _, text in self.words if text)

    @property
    def heard_transcript(self) -> str:
        """The words that were heard. Of audio that was cut it is an estimate, and where `audio_ms` is not known, all.

        The service times no words, so it is the share of the transcript that was heard of the audio, back to the
        last whole word.
        """
        if self.heard_ms is None or (self.audio_ms is None and self.heard_ms > 0):
            return self.transcript
        return _beginning(self.transcript, self.heard_ms / self.audio_ms if self.audio_ms else 0.0)

    @property
    def heard_words(self) -> list[str]:
        """The words that were heard, in the pieces that have some; of audio that was cut, in one."""
        pieces = [text for _, text in self.words] if self.heard_ms is None else [self.heard_transcript]
        return [text for text in pieces if text]


def _beginning(text: str, share: float) -> str:
    end = int(len(text) * share)
    if end >= len(text):
        return text
    cut = text[:end]
    if not text[end].isspace() and any(map(str.isspace, text)):  # Some languages write no spaces.
        cut = cut[: max((index for index, letter in enumerate(cut) if letter.isspace()), default=0)]
    return cut.rstrip()


PIECES_MAX: Final = 128
"""Pieces of one item whose words are kept; the service's have one or two. Each costs a pass over all of them."""

_IN_PROGRESS: Final = "in_progress"

_DELETED_KEPT: Final = 64
"""Ids of deleted items that are kept, to know the late end of one."""


class History:
    """Items by id, in the server's order.

    Args:
        max_items: Older items are forgotten past this.
        max_bytes: And past this much text.
    """

    __slots__ = ("_bytes", "_deleted", "_items", "_max_bytes", "_max_items", "_order", "_sizes", "forgotten")

    def __init__(self, max_items: int, max_bytes: int = limits.HISTORY_MAX_BYTES) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        self._items: dict[str, HistoryItem] = {}
        self._order: list[str] = []
        self._deleted: dict[str, None] = {}
        self.forgotten = 0
        """Items dropped at a bound."""

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[HistoryItem]:
        return (self._items[item_id] for item_id in self._order)

    def get(self, item_id: str) -> HistoryItem | None:
        """Find an item."""
        return self._items.get(item_id)

    def put(self, item: Item, previous_item_id: str | None, *, begins: bool = True) -> None:
        """Add an item after another (at the end when that one is unknown or None), or renew what it says.

        Args:
            item: As the server tells it.
            previous_item_id: The item before it.
            begins: It may be a new one. What tells only its end brings no item back that was deleted meanwhile.
        """
        if item.id is None or (not begins and item.id in self._deleted):
            return
        item_id, item = item.id, _without_media(item)
        self._deleted.pop(item_id, None)
        known = self._items.get(item_id)
        if known is not None:
            if item != known.item:  # Each is told twice or more, and many are whole from the beginning.
                self._keep(item_id, attrs.evolve(known, item=item, words=_merged(_words(item), known.words)))
            return
        self._order.insert(self._place(previous_item_id), item_id)
        self._keep(item_id, HistoryItem(item=item, words=_words(item)))

    def _place(self, previous_item_id: str | None) -> int:
        if previous_item_id == PLACED_FIRST:
            return 0
        if previous_item_id not in self._items:
            return len(self._order)
        place = len(self._order)
        while self._order[place - 1] != previous_item_id:  # Nearly always the newest one.
            place -= 1
        return place

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

    def said(self, item_id: str, text: str, content_index: int = 0) -> None:
        """Keep the words of a piece of an item."""
        known = self._items.get(item_id)
        if known is not None:
            self._keep(item_id, attrs.evolve(known, words=_merged(known.words, ((content_index, text),))))

    def received(self, item_id: str, audio_ms: float) -> None:
        """Keep how much audio of an item came."""
        known = self._items.get(item_id)
        if known is not None:
            self._items[item_id] = attrs.evolve(known, audio_ms=audio_ms)

    def truncated(self, item_id: str, audio_end_ms: int) -> None:
        """Keep how much of an item was heard."""
        known = self._items.get(item_id)
        if known is not None:
            self._items[item_id] = attrs.evolve(known, heard_ms=audio_end_ms)

    def deleted(self, item_id: str) -> None:
        """Forget an item."""
        self._deleted[item_id] = None
        if len(self._deleted) > _DELETED_KEPT:
            del self._deleted[next(iter(self._deleted))]
        if item_id in self._items:
            self._order.remove(item_id)
            self._drop(item_id)

    def end_unfinished(self, was_heard: Callable[[str], bool], untold: Collection[str] = ()) -> None:
        """The connection is gone: what had begun on it stays as far as it came, but for calls and what nobody heard.

        Tools that an MCP server offers go as well: the service lists them anew, as another item.

        Args:
            was_heard: Tells of an answer whether anything of it was.
            untold: Calls that are whole, and that nobody was told of: nobody will answer them.
        """
        for item_id in list(self._order):
            held = self._items[item_id]
            if isinstance(held.item, McpListToolsItem) or getattr(held.item, "call_id", None) in untold:
                self.deleted(item_id)
            if getattr(held.item, "status", None) != _IN_PROGRESS:
                continue
            if isinstance(held.item, MessageItem) and (held.item.role == "user" or was_heard(item_id)):
                self._items[item_id] = attrs.evolve(held, item=attrs.evolve(held.item, status="incomplete"))
            else:
                self.deleted(item_id)

    def messages(self) -> list[Message]:
        """Give the talk so far in the contract's format, to keep it or to begin another session with it.

        `SessionConfig(history=...)` takes it. In order: what was said and written, calls and their results. Of an
        answer that was cut off, the words that were heard (`HistoryItem.heard_transcript`). A call of an MCP tool is
        told like one of a function. Left out is what no message can tell: speech that nobody transcribed, images,
        words that nobody heard, calls that are not whole, results of calls that were forgotten, tools that an MCP
        server listed, and approvals. The service is not told whether a result was an error, so all say "success".
        """
        return messages((held.item, held.heard_words) for held in self)


def _merged(words: tuple[tuple[int, str], ...], newer: tuple[tuple[int, str], ...]) -> tuple[tuple[int, str], ...]:
    """Put words in place of others, but nothing in place of some."""
    return tuple(sorted({**dict(words), **{index: text for index, text in newer if text}}.items()))[:PIECES_MAX]


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


def _words(item: Item) -> tuple[tuple[int, str], ...]:
    if not isinstance(item, MessageItem):
        return ()
    said = ((index, content.text or content.transcript) for index, content in enumerate(item.content))
    return tuple((index, text) for index, text in said if text)

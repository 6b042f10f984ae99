"""The jitter buffer: speech that waits to be played, item by item, and evens out how unevenly it comes.

An item begins to sound when enough of it is there, or all of it. Where it runs dry in the middle, there is a pause
until there is enough again.
"""

from collections import deque
from collections.abc import Container

import attrs


@attrs.frozen
class Piece:
    """Audio of one item, whole samples of the wire's format."""

    item_id: str
    response_id: str
    audio: memoryview = attrs.field(repr=False)


@attrs.define(eq=False)
class _Item:
    """One item's audio.

    Attributes:
        waiting_bytes: What waits.
        done: No more will come, or nobody waits for it.
        sounds: It has begun, and did not run dry since.
        ran_dry: It has begun, and ran dry.
        odd: The begin of a sample whose end has not come.
    """

    item_id: str
    response_id: str
    pieces: deque[memoryview] = attrs.field(factory=deque)
    waiting_bytes: int = 0
    done: bool = False
    sounds: bool = False
    ran_dry: bool = False
    odd: bytes = b""

    def take(self, size_bytes: int) -> Piece:
        """Give the next audio, at most so much; there is some."""
        first = self.pieces.popleft()
        if len(first) > size_bytes:
            self.pieces.appendleft(first[size_bytes:])
            first = first[:size_bytes]
        self.waiting_bytes -= len(first)
        return Piece(self.item_id, self.response_id, first)


class JitterBuffer:
    """Holds speech in the order in which items came.

    Args:
        sample_bytes: Size of a sample.
        prebuffer_bytes: So much of an item must be there before it begins.
        stall_bytes: After so much silence an item that has run dry keeps the next one waiting no more.
        max_bytes: The bound.
    """

    def __init__(self, sample_bytes: int, prebuffer_bytes: int, stall_bytes: int, max_bytes: int) -> None:
        self._sample_bytes = sample_bytes
        self._prebuffer_bytes = prebuffer_bytes
        self._stall_bytes = stall_bytes
        self._max_bytes = max_bytes
        self._items: dict[str, _Item] = {}
        self._silent_bytes = 0
        self._ended = False
        self.waiting_bytes = 0
        """What waits."""
        self.underruns = 0
        """Times that an item ran dry in the middle."""

    def put(self, item_id: str, response_id: str, audio: bytes) -> list[Piece]:
        """Add audio. It may end inside a sample: the rest waits for the item's next piece.

        Returns:
            What was dropped at the bound: the oldest.
        """
        if not audio:
            return []
        item = self._items.get(item_id) or self._begin(item_id, response_id)
        whole = self._whole(item, audio)
        if not whole:
            return []
        self.underruns += item.ran_dry
        item.ran_dry = False
        item.pieces.append(memoryview(whole))
        item.waiting_bytes += len(whole)
        self.waiting_bytes += len(whole)
        return self._fit() if self.waiting_bytes > self._max_bytes else []

    def put_back(self, pieces: list[Piece]) -> None:
        """Return what was taken last and not played, in the order of playing; it sounds on at once."""
        front: dict[str, _Item] = {}
        for piece in pieces:
            item = front.get(piece.item_id) or _Item(piece.item_id, piece.response_id, done=True, sounds=True)
            front[piece.item_id] = item
            item.pieces.append(piece.audio)
            item.waiting_bytes += len(piece.audio)
            self.waiting_bytes += len(piece.audio)
        for item_id, item in front.items():
            later = self._items.pop(item_id, None)
            if later is not None:
                item.pieces += later.pieces
                item.waiting_bytes += later.waiting_bytes
                item.done, item.odd = later.done, later.odd
        self._items = front | self._items

    def item_done(self, item_id: str) -> None:
        """No more of this item will come."""
        item = self._items.get(item_id)
        if item is not None:
            item.done = True

    def response_done(self, response_id: str) -> None:
        """No more of any item of this response will come."""
        for item in self._items.values():
            item.done |= item.response_id == response_id

    def end(self) -> None:
        """No more of any item will come."""
        self._ended = True
        for item in self._items.values():
            item.done = True

    def take(self, size_bytes: int) -> list[Piece]:
        """Give the next audio that may sound, at most so much; less, or none, where there is to be silence."""
        pieces: list[Piece] = []
        while size_bytes and (item := self._first()) is not None:
            piece = item.take(size_bytes)
            size_bytes -= len(piece.audio)
            self.waiting_bytes -= len(piece.audio)
            pieces.append(piece)
        return pieces

    def silent(self, size_bytes: int) -> None:
        """Note that so much silence was played instead."""
        self._silent_bytes += size_bytes

    def flush(self, kept: Container[str]) -> int:
        """Drop what waits, but for the responses in `kept`; give how many bytes."""
        before = self.waiting_bytes
        self._items = {item.item_id: item for item in self._items.values() if item.response_id in kept}
        self.waiting_bytes = sum(item.waiting_bytes for item in self._items.values())
        self._silent_bytes = 0
        return before - self.waiting_bytes

    def _begin(self, item_id: str, response_id: str) -> _Item:
        if not self._items:
            self._silent_bytes = 0
        # The service sends a response's items one after the other, and says late that they are done.
        self.response_done(response_id)
        item = self._items[item_id] = _Item(item_id, response_id, done=self._ended)
        return item

    def _whole(self, item: _Item, audio: bytes) -> bytes:
        if not item.odd and len(audio) % self._sample_bytes == 0:
            return audio
        joined = item.odd + audio
        end = len(joined) - len(joined) % self._sample_bytes
        item.odd = joined[end:]
        return joined[:end]

    def _first(self) -> _Item | None:
        """Give the item that sounds now."""
        while self._items:
            item = next(iter(self._items.values()))
            if self._silent_bytes >= self._stall_bytes and (item.waiting_bytes or len(self._items) > 1):
                item.done = True
            if item.waiting_bytes and (item.sounds or item.done or item.waiting_bytes >= self._prebuffer_bytes):
                item.sounds = True
                self._silent_bytes = 0
                return item
            if item.waiting_bytes or not item.done:
                self._runs_dry(item)
                return None
            del self._items[item.item_id]
            self._silent_bytes = 0
        return None

    def _runs_dry(self, item: _Item) -> None:
        if item.sounds:
            item.sounds = False
            item.ran_dry = True
            self._silent_bytes = 0

    def _fit(self) -> list[Piece]:
        dropped: list[Piece] = []
        while self.waiting_bytes > self._max_bytes:
            item = next(item for item in self._items.values() if item.waiting_bytes)
            dropped.append(item.take(self.waiting_bytes - self._max_bytes))
            self.waiting_bytes -= len(dropped[-1].audio)
        return dropped

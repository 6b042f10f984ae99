"""The conversation on the server's side: its items in order, their audio, and the rules for changing them."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import attrs

from engine.simulator.catalogue import (
    CALL_UNKNOWN,
    DELETE_UNKNOWN,
    DUPLICATE_ITEM,
    PREVIOUS_UNKNOWN,
    RETRIEVE_UNKNOWN,
    TRUNCATE_NOT_AUDIO,
    TRUNCATE_TOO_FAR,
    TRUNCATE_UNKNOWN,
    Refusal,
)
from engine.simulator.formats import PCM_BYTES_PER_MS, WireFormat

Json = dict[str, Any]
T = TypeVar("T")


@attrs.define
class Entry:
    """One item and what the service knows of it beside its wire object.

    Attributes:
        item: The wire object, without audio; grows while a response is writing it.
        audio: PCM16 mono 24 kHz of what was said, oldest items lose theirs first.
        audio_ms: Length of the audio, kept when the audio is not.
        heard: Transcript of a spoken user item, for whoever answers; on the wire only where the session asks for it.
    """

    item: Json
    audio: bytearray = attrs.field(factory=bytearray, repr=False)
    audio_ms: float = 0.0
    heard: str | None = attrs.field(default=None, repr=False)
    _seen: tuple[Any, ...] = attrs.field(default=(), init=False, repr=False, eq=False)
    _made: dict[str, Any] = attrs.field(factory=dict, init=False, repr=False, eq=False)

    @property
    def id(self) -> str:
        """Give the item's id."""
        return str(self.item["id"])

    def say(self, pcm: bytes) -> None:
        """Add audio."""
        self.audio += pcm
        self.audio_ms += len(pcm) / PCM_BYTES_PER_MS

    def snapshot(self) -> Json:
        """Copy the wire object as it stands now; the original may grow on."""
        content = self.item.get("content")
        return dict(self.item) if content is None else self.item | {"content": [dict(part) for part in content]}

    def worked_out(self, name: str, work_out: Callable[["Entry"], T]) -> T:
        """Give what is worked out of the item, anew only when the item has changed since.

        Each response reads the whole conversation, of which most is as it was for the one before.
        """
        now = (self.snapshot(), self.audio_ms, self.heard)
        if now != self._seen:
            self._seen = now
            self._made.clear()
        if name not in self._made:
            self._made[name] = work_out(self)
        made: T = self._made[name]
        return made

    def with_audio(self, wire: WireFormat) -> Json:
        """Copy the wire object with its audio, for `conversation.item.retrieved`."""
        item = self.snapshot()
        for part in item.get("content", ()):
            if part["type"] in ("input_audio", "output_audio") and self.audio:
                part["audio"] = wire.write(bytes(self.audio))
        return item


class Conversation:
    """Items in order, by id."""

    def __init__(self, conversation_id: str, *, audio_max_bytes: int) -> None:
        self.id = conversation_id
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._audio_max_bytes = audio_max_bytes
        self.forgotten_audio_bytes = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, item_id: str) -> Entry | None:
        """Give the item with this id, if there is one."""
        return self._entries.get(item_id)

    @property
    def last_id(self) -> str | None:
        """Give the id of the newest item."""
        return next(reversed(self._entries), None)

    def previous_id(self, item_id: str) -> str | None:
        """Give the id of the item before this one; None for the first, and for one that is gone."""
        ids = list(self._entries)
        at = ids.index(item_id) if item_id in self._entries else 0
        return ids[at - 1] if at else None

    def add(self, entry: Entry, after: str | None = None) -> str | None:
        """Add an item at the end, after the item `after`, or first where that is `root`.

        Returns:
            The id of the item before it.

        Raises:
            Refusal: Its id is taken, or there is no item `after`.
        """
        if entry.id in self._entries:
            raise Refusal(DUPLICATE_ITEM, item_id=entry.id)
        if after not in (None, "root") and after not in self._entries:
            raise Refusal(PREVIOUS_UNKNOWN, item_id=after)
        self._entries[entry.id] = entry
        if after is not None and after != self.previous_id(entry.id):
            self._move_behind(entry.id, after)
        self._forget_audio()
        return self.previous_id(entry.id)

    def _move_behind(self, item_id: str, after: str) -> None:
        if after == "root":
            self._entries.move_to_end(item_id, last=False)
            return
        ids = list(self._entries)
        for later in ids[ids.index(after) + 1 : -1]:
            self._entries.move_to_end(later)

    def check_call(self, item: Json) -> None:
        """Refuse the output of a function call that is not there."""
        known = any(entry.item.get("call_id") == item["call_id"] for entry in self._entries.values())
        if not known:
            raise Refusal(CALL_UNKNOWN, call_id=item["call_id"])

    def delete(self, item_id: str) -> None:
        """Remove an item; its id is free again."""
        if self._entries.pop(item_id, None) is None:
            raise Refusal(DELETE_UNKNOWN, item_id=item_id)

    def retrieve(self, item_id: str) -> Entry:
        """Give an item, finished or not."""
        entry = self._entries.get(item_id)
        if entry is None:
            raise Refusal(RETRIEVE_UNKNOWN, item_id=item_id)
        return entry

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cut the assistant's audio at `audio_end_ms`, and drop its transcript: nobody knows where it ends now."""
        entry = self._entries.get(item_id)
        if entry is None:
            raise Refusal(TRUNCATE_UNKNOWN, item_id=item_id)
        content = entry.item.get("content", [])
        if content_index >= len(content) or content[content_index]["type"] != "output_audio":
            raise Refusal(TRUNCATE_NOT_AUDIO)
        if audio_end_ms == 0:  # two clients report this answer for it
            raise Refusal(TRUNCATE_NOT_AUDIO)
        if audio_end_ms > int(entry.audio_ms):
            raise Refusal(TRUNCATE_TOO_FAR, have=int(entry.audio_ms), want=audio_end_ms)
        del entry.audio[audio_end_ms * PCM_BYTES_PER_MS :]
        entry.audio_ms = float(audio_end_ms)
        content[content_index].pop("transcript", None)

    def _forget_audio(self) -> None:
        total = sum(len(entry.audio) for entry in self._entries.values())
        for entry in self._entries.values():
            if total <= self._audio_max_bytes:
                return
            total -= len(entry.audio)
            self.forgotten_audio_bytes += len(entry.audio)
            entry.audio = bytearray()

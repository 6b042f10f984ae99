"""What a recording tells in figures: messages, audio, errors, and the turn log."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import attrs
import orjson

from engine.audio.pcm import BYTES_PER_MS
from engine.errors import RemoteViolation
from engine.metering.turn_log import TurnLog
from engine.recording import Direction, Entry, Recording
from engine.recording.reduction import audio_field, base64_bytes
from engine.wire.codec import decode_client, decode_server

UNREADABLE: Final = "(no event)"
"""Stands for the type of what has none."""

_PCM: Final = "audio/pcm"


@attrs.frozen
class Failure:
    """An error that the service told of.

    Attributes:
        at_s: When; the message's number where there are no times.
        words: Its code and text.
    """

    at_s: float
    words: str


class KnownItems:
    """Tells what is of the talk from what only brings it to another connection."""

    def __init__(self) -> None:
        self._links: dict[str, int] = {}

    def is_new(self, entry: Entry) -> bool:
        """Tell whether a message is a part of the talk that was not on another connection before."""
        item_id = _at(entry.event, "item", "id")
        if not isinstance(item_id, str) or not entry.type.startswith("conversation.item."):
            return not entry.aside
        return self._links.setdefault(item_id, entry.link) == entry.link and not entry.aside


def _counts() -> dict[Direction, Counter[str]]:
    return {"client": Counter(), "server": Counter()}


@attrs.define
class Figures:
    """The figures of one recording.

    Attributes:
        types: Messages by type, each way.
        audio_ms: Audio each way, what was left out included.
        failures: What the service refused, and responses and transcriptions that failed.
        thinned: Messages whose audio was left out because the disk was too slow.
        model: As the service named it.
        voice: As the service named it.
        turns: The turn log.
    """

    types: dict[Direction, Counter[str]] = attrs.field(factory=_counts)
    audio_ms: dict[Direction, float] = attrs.field(factory=lambda: {"client": 0.0, "server": 0.0})
    failures: list[Failure] = attrs.field(factory=list)
    thinned: int = 0
    model: str | None = None
    voice: str | None = None
    turns: TurnLog = attrs.field(factory=TurnLog)
    _items: KnownItems = attrs.field(factory=KnownItems)
    _formats: dict[Direction, str] = attrs.field(factory=lambda: {"client": _PCM, "server": _PCM})

    @classmethod
    def of(cls, recording: Recording) -> "Figures":
        """Go through a recording."""
        figures, link = cls(), None
        for number, entry in enumerate(recording.entries, 1):
            at_s = entry.at_s if recording.timed and entry.at_s is not None else float(number)
            if not entry.aside and link not in (None, entry.link):
                figures.turns.link_ended(at_s)
            link = link if entry.aside else entry.link
            figures.take(entry, at_s)
        return figures

    def take(self, entry: Entry, at_s: float) -> None:
        """Take the next message."""
        self.types[entry.direction][entry.type or UNREADABLE] += 1
        self.thinned += entry.thinned
        if entry.event is None:
            return
        field = audio_field(entry.type)
        if field is not None:
            self._count_audio(entry.direction, entry.event, field)
        elif entry.type in ("session.created", "session.updated"):
            self._configure(entry.event.get("session"))
        elif entry.type in _FAILURES:
            self._note_failure(entry.event, at_s)
        if self._items.is_new(entry):
            self._log(entry.direction, entry.event, at_s)

    def _log(self, direction: Direction, event: dict[str, Any], at_s: float) -> None:
        text = orjson.dumps(event)
        try:
            if direction == "server":
                self.turns.observe(decode_server(text), at_s)
            else:
                self.turns.sent(decode_client(text), at_s)
        except RemoteViolation:
            return  # counted by its type; an event of a later version of the service, perhaps

    def _count_audio(self, direction: Direction, event: dict[str, Any], field: str) -> None:
        size, text = event.get("audio_bytes"), event.get(field)
        if not isinstance(size, int):
            size = base64_bytes(text) if isinstance(text, str) else 0
        self.audio_ms[direction] += size / BYTES_PER_MS.get(self._formats[direction], BYTES_PER_MS[_PCM])

    def _configure(self, session: Any) -> None:
        self.model = _at(session, "model") or self.model
        self.voice = _at(session, "audio", "output", "voice") or self.voice
        for direction, way in _WAYS.items():
            self._formats[direction] = _at(session, "audio", way, "format", "type") or self._formats[direction]

    def _note_failure(self, event: dict[str, Any], at_s: float) -> None:
        error = event.get("error") or _at(event, "response", "status_details", "error")
        if isinstance(error, dict):
            code = error.get("code") or error.get("type") or "error"
            self.failures.append(Failure(at_s, f"{code}: {error.get('message') or 'no text'}"))


_FAILURES: Final = frozenset(
    {"error", "response.done", "conversation.item.input_audio_transcription.failed", "mcp_list_tools.failed"}
)

_WAYS: Final[Mapping[Direction, str]] = {"client": "input", "server": "output"}


def _at(value: Any, *path: str) -> Any:
    """Give a text at a path; None where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, (str, dict)) else None

"""What a connection's ledger says: its conversation as the service holds it, its responses, what the client sent."""

from collections.abc import Callable, Iterable
from typing import Any
from zlib import crc32

import attrs
import orjson
import pybase64

from . import marks
from .service import Entry

Json = dict[str, Any]


@attrs.define
class Item:
    """An item of the conversation.

    Attributes:
        id: Its id.
        kind: Its type.
        role: Whose words.
        words: What was said or written.
        call_id: Of a call, and of its result.
        output: Of a call's result.
        spoken: It is speech of the user's.
        ours: The client made it.
        at_s: When it was added.
        heard_ms: Where it was cut; None when it is whole.
        audio_ms: How much of its audio was made.
        response_id: What it is an output of.
        done: It is finished.
        status: As the service says.
    """

    id: str
    kind: str
    role: str = ""
    words: str = ""
    call_id: str = ""
    output: str = ""
    spoken: bool = False
    ours: bool = False
    at_s: float = 0.0
    heard_ms: int | None = None
    audio_ms: float = 0.0
    response_id: str = ""
    done: bool = False
    status: str = ""


@attrs.define
class Answer:
    """A response.

    Attributes:
        id: Its id.
        at_s: When it began.
        asked: The client asked for it; else the service answered a spoken turn by itself.
        aside: It stands outside the conversation.
        before: Ids of the items that it could read.
        status: How it ended; empty as long as it is active.
        reason: Why it was cancelled.
        done_s: When it ended.
        items: Ids of its items.
    """

    id: str
    at_s: float
    asked: bool
    aside: bool
    before: tuple[str, ...]
    status: str = ""
    reason: str = ""
    done_s: float = float("inf")
    items: list[str] = attrs.Factory(list)


@attrs.frozen
class Refused:
    """An error of the service's.

    Attributes:
        at_s: When.
        code: Which.
        message: Its words.
        event_id: The client event that it answers.
        active: The response that was active.
    """

    at_s: float
    code: str
    message: str
    event_id: str
    active: Answer | None


@attrs.define
class Told:
    """One connection, read.

    Attributes:
        items: By id, those that are there at its end, in order.
        gone: Those that were deleted.
        answers: Responses, in order.
        errors: In order.
        audio: Blocks that the client sent, with when, in order.
        torn_bytes: Audio that belongs to no whole block.
        speech: Pieces of the model's speech by item, each its length and what tells it from others.
        created: Items that the client sent, in order.
        wanted: When the client asked for a response of the conversation.
        cuts: Items that the client had truncated or deleted, and at how many ms.
        begun_s: When the session was opened; infinite if it was not.
        speaking: The service hears the user speak, and has made no item of it.
    """

    items: dict[str, Item] = attrs.Factory(dict)
    gone: dict[str, Item] = attrs.Factory(dict)
    answers: list[Answer] = attrs.Factory(list)
    errors: list[Refused] = attrs.Factory(list)
    audio: list[tuple[float, int]] = attrs.Factory(list)
    torn_bytes: int = 0
    speech: dict[str, list[tuple[float, int]]] = attrs.Factory(dict)
    created: list[Item] = attrs.Factory(list)
    wanted: list[float] = attrs.Factory(list)
    cuts: list[tuple[float, str, int]] = attrs.Factory(list)
    begun_s: float = float("inf")
    speaking: bool = False

    @property
    def active(self) -> Answer | None:
        """Give the active response of the conversation."""
        return next((each for each in reversed(self.answers) if not each.status and not each.aside), None)

    def find(self, item_id: str) -> Item | None:
        """Find an item, deleted or not."""
        return self.items.get(item_id) or self.gone.get(item_id)


def read(entries: Iterable[Entry]) -> Told:
    """Read a connection's ledger."""
    reader = _Reader()
    for entry in entries:
        take = (reader.up if entry.up else reader.down).get(entry.type)
        if take is not None:
            take(orjson.loads(entry.text), entry.at_s)
    return reader.told


class _Reader:
    def __init__(self) -> None:
        self.told = Told()
        self._asks = 0
        self._ours: set[str] = set()
        self._last_up = ""
        self.up: dict[str, Callable[[Json, float], None]] = {
            "input_audio_buffer.append": self._append,
            "conversation.item.create": self._create,
            "conversation.item.truncate": self._cut,
            "conversation.item.delete": self._cut,
            "response.create": self._want,
        }
        self.down: dict[str, Callable[[Json, float], None]] = {
            "session.created": self._begun,
            "input_audio_buffer.speech_started": self._speaks,
            "input_audio_buffer.committed": self._speaks_no_more,
            "conversation.item.added": self._added,
            "conversation.item.done": self._done,
            "conversation.item.truncated": self._truncated,
            "conversation.item.deleted": self._deleted,
            "conversation.item.input_audio_transcription.completed": self._transcribed,
            "response.created": self._created,
            "response.done": self._ended,
            "response.output_item.added": self._output,
            "response.output_audio.delta": self._speech,
            "error": self._error,
        }

    # --- the client ---------------------------------------------------------------------------------------------------

    def _append(self, event: Json, at_s: float) -> None:
        pcm = pybase64.b64decode(event["audio"])
        found = marks.find(pcm)
        self.told.audio.extend((at_s, number) for number in found.numbers)
        self.told.torn_bytes += found.torn_bytes

    def _create(self, event: Json, at_s: float) -> None:
        item = _item(event["item"], at_s)
        item.ours = True
        self._ours.add(item.id)
        self.told.created.append(item)

    def _cut(self, event: Json, at_s: float) -> None:
        self.told.cuts.append((at_s, event["item_id"], event.get("audio_end_ms", 0)))

    def _want(self, event: Json, at_s: float) -> None:
        settings = event.get("response") or {}
        if settings.get("conversation") == "none":
            return
        self.told.wanted.append(at_s)
        self._asks += 1

    # --- the service --------------------------------------------------------------------------------------------------

    def _begun(self, _: Json, at_s: float) -> None:
        self.told.begun_s = at_s

    def _speaks(self, *_: object) -> None:
        self.told.speaking = True

    def _speaks_no_more(self, *_: object) -> None:
        self.told.speaking = False

    def _added(self, event: Json, at_s: float) -> None:
        item = _item(event["item"], at_s)
        item.ours = item.id in self._ours
        previous, items = event.get("previous_item_id"), self.told.items
        if previous is None and items:
            self.told.items = {item.id: item, **items}
        elif previous is None or previous == next(reversed(items), None):
            items[item.id] = item
        else:
            self.told.items = {}
            for other in items.values():
                self.told.items[other.id] = other
                if other.id == previous:
                    self.told.items[item.id] = item

    def _done(self, event: Json, at_s: float) -> None:
        known = self.told.items.get(event["item"]["id"])
        if known is not None:
            told = _item(event["item"], at_s)
            known.words, known.done, known.status = told.words or known.words, True, told.status

    def _truncated(self, event: Json, _: float) -> None:
        known = self.told.items.get(event["item_id"])
        if known is not None:
            known.heard_ms = event["audio_end_ms"]

    def _deleted(self, event: Json, _: float) -> None:
        gone = self.told.items.pop(event["item_id"], None)
        if gone is not None:
            self.told.gone[gone.id] = gone

    def _transcribed(self, event: Json, _: float) -> None:
        known = self.told.items.get(event["item_id"])
        if known is not None:
            known.words = event["transcript"]

    def _created(self, event: Json, at_s: float) -> None:
        response = event["response"]
        aside = response.get("conversation_id") is None
        asked = not aside and self._asks > 0
        self._asks = 0 if not aside else self._asks
        self.told.answers.append(Answer(response["id"], at_s, asked, aside, tuple(self.told.items)))

    def _ended(self, event: Json, at_s: float) -> None:
        response = event["response"]
        answer = next((each for each in reversed(self.told.answers) if each.id == response["id"]), None)
        if answer is not None:
            answer.status, answer.done_s = response["status"], at_s
            answer.reason = (response.get("status_details") or {}).get("reason") or ""
            answer.items = [item["id"] for item in response["output"]]

    def _output(self, event: Json, _: float) -> None:
        known = self.told.items.get(event["item"]["id"])
        if known is not None:
            known.response_id = event["response_id"]

    def _speech(self, event: Json, _: float) -> None:
        delta = event["delta"]
        ms = len(pybase64.b64decode(delta)) / 48
        self.told.speech.setdefault(event["item_id"], []).append((ms, crc32(delta.encode())))
        known = self.told.items.get(event["item_id"])
        if known is not None:
            known.audio_ms += ms
            known.response_id = event["response_id"]

    def _error(self, event: Json, at_s: float) -> None:
        error = event["error"]
        self._asks = 0
        self.told.errors.append(
            Refused(at_s, error.get("code") or "", error["message"], error.get("event_id") or "", self.told.active)
        )


def _item(item: Json, at_s: float) -> Item:
    content = item.get("content") or ()
    words = " ".join(text for part in content for text in (part.get("text") or part.get("transcript"),) if text)
    return Item(
        id=item.get("id") or "",
        kind=item["type"],
        role=item.get("role") or "",
        words=words,
        call_id=item.get("call_id") or "",
        output=item.get("output") or "",
        spoken=any(part["type"] == "input_audio" for part in content),
        at_s=at_s,
        status=item.get("status") or "",
    )

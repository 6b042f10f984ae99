"""Output items while a response writes them: a message or a function call, opened, fed, closed in the right order."""

from abc import ABC, abstractmethod
from typing import Any

import attrs

from engine.simulator.conversation import Entry
from engine.simulator.formats import WireFormat
from engine.simulator.services import Services
from engine.simulator.usage import Count, audio_tokens, text_tokens

Json = dict[str, Any]


@attrs.define
class OutputItem(ABC):
    """What messages and calls have in common.

    Attributes:
        services: The session's.
        response_id: Whose output it is.
        index: Its place in the response.
        mirrored: True when the item joins the conversation; False for an out-of-band response.
        entry: The item.
    """

    services: Services
    response_id: str
    index: int
    mirrored: bool
    entry: Entry

    def open(self) -> None:
        """Tell that the item begins, and add it to the conversation."""
        self._emit_item("response.output_item.added")
        if self.mirrored:
            previous = self.services.conversation.add(self.entry)
            self._emit_placed("conversation.item.added", previous)

    def close(self, status: str) -> None:
        """Tell that the item is over: `completed` or `incomplete`."""
        self.close_stream()
        self.entry.item["status"] = status
        if self.mirrored:
            self._emit_placed("conversation.item.done", self.services.conversation.previous_id(self.entry.id))
        self._emit_item("response.output_item.done")

    @abstractmethod
    def close_stream(self) -> None:
        """Tell that the item's content is over."""

    @abstractmethod
    def tokens(self) -> Count:
        """Count what was made so far."""

    def place(self) -> Json:
        """Give the fields that say which item an event is about."""
        return {"response_id": self.response_id, "item_id": self.entry.id, "output_index": self.index}

    def _emit_item(self, event_type: str) -> None:
        self.services.emit(
            event_type, response_id=self.response_id, output_index=self.index, item=self.entry.snapshot()
        )

    def _emit_placed(self, event_type: str, previous: str | None) -> None:
        self.services.emit(event_type, previous_item_id=previous, item=self.entry.snapshot())


@attrs.define
class Message(OutputItem):
    """An assistant message: one content part, text or audio with its transcript.

    Attributes:
        wire: The audio format; None for text.
        text: The words so far.
    """

    wire: WireFormat | None = None
    text: str = attrs.field(default="", repr=False)

    @property
    def _key(self) -> str:
        return "text" if self.wire is None else "transcript"

    @property
    def _stream(self) -> str:
        return "response.output_text" if self.wire is None else "response.output_audio_transcript"

    def _content_place(self) -> Json:
        return self.place() | {"content_index": 0}

    def _part(self) -> Json:
        return {"type": "text" if self.wire is None else "audio", self._key: self.text}

    def open(self) -> None:
        """Tell that the message and its content part begin."""
        super().open()
        self.services.emit("response.content_part.added", **self._content_place(), part=self._part())
        kind = "output_text" if self.wire is None else "output_audio"
        self.entry.item["content"].append({"type": kind, self._key: ""})

    def write(self, delta: str) -> None:
        """Add words."""
        self.text += delta
        self._keep_text()
        self.services.emit_text_delta(f"{self._stream}.delta", delta, **self._content_place())

    def say(self, pcm: bytes) -> None:
        """Add speech, PCM16 mono 24 kHz."""
        assert self.wire is not None  # noqa: S101 - a programming error
        self.services.voice_locked = True
        self.entry.say(pcm)
        if self.services.playback is not None:
            self.services.playback.play(self.response_id, self.entry, pcm)
        else:
            self.services.emit("response.output_audio.delta", **self._content_place(), delta=self.wire.write(pcm))

    def close_stream(self) -> None:
        """Tell that the words and the speech are over."""
        place = self._content_place()
        if self.wire is not None:
            self.services.emit("response.output_audio.done", **place)
        self.services.emit(f"{self._stream}.done", **place, **{self._key: self.text})
        self.services.emit("response.content_part.done", **place, part=self._part())

    def _keep_text(self) -> None:
        """Write the words into the item, unless a truncation has taken its transcript away."""
        content = self.entry.item["content"][0]
        if self._key in content:
            content[self._key] = self.text

    def tokens(self) -> Count:
        """Count words and speech so far."""
        return Count(text=text_tokens(self.text), audio=audio_tokens(self.entry.audio_ms, user=False))


@attrs.define
class FunctionCall(OutputItem):
    """A function call, its arguments streamed."""

    def write(self, delta: str) -> None:
        """Add to the arguments."""
        self.entry.item["arguments"] += delta
        self.services.emit_text_delta("response.function_call_arguments.delta", delta, **self._call_place())

    def close_stream(self) -> None:
        """Tell that the arguments are whole."""
        item = self.entry.item
        self.services.emit(
            "response.function_call_arguments.done",
            **self._call_place(),
            name=item["name"],
            arguments=item["arguments"],
        )

    def tokens(self) -> Count:
        """Count the name and the arguments so far."""
        return Count(text=text_tokens(self.entry.item["name"]) + text_tokens(self.entry.item["arguments"]))

    def _call_place(self) -> Json:
        return self.place() | {"call_id": self.entry.item["call_id"]}


def message_entry(item_id: str) -> Entry:
    """Make an assistant message that is about to be written."""
    return Entry({"id": item_id, "type": "message", "status": "in_progress", "role": "assistant", "content": []})


def call_entry(item_id: str, name: str, call_id: str) -> Entry:
    """Make a function call that is about to be written."""
    return Entry(
        {
            "id": item_id,
            "type": "function_call",
            "status": "in_progress",
            "name": name,
            "call_id": call_id,
            "arguments": "",
        }
    )

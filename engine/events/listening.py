"""What transcription and translation sessions tell, beside connection, audio and error events."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import attrs

from engine.events.outputs import BidiAudioStreamEvent, TextSoFar
from engine.events.view import OfResponse


@attrs.frozen
class SpeechStartedEvent(OfResponse):
    """The user began to speak.

    Attributes:
        audio_start_ms: Where in all audio that was sent, over however many connections, with the padding before the
            speech.
    """

    type: ClassVar[str] = "speech_started"
    audio_start_ms: int | None

    def _fields(self) -> dict[str, Any]:
        return {"item_id": self.item_id, "audio_start_ms": self.audio_start_ms}


@attrs.frozen
class SpeechStoppedEvent(OfResponse):
    """The user fell silent.

    Attributes:
        audio_end_ms: Where in all audio that was sent, with the silence that told it.
    """

    type: ClassVar[str] = "speech_stopped"
    audio_end_ms: int | None

    def _fields(self) -> dict[str, Any]:
        return {"item_id": self.item_id, "audio_end_ms": self.audio_end_ms}


@attrs.frozen
class SpeechCommittedEvent(OfResponse):
    """A turn is over and will be written down. Transcripts of several turns may come in any order; this tells theirs.

    Attributes:
        previous_item_id: The turn before it, or None. For the first one after a restart, the last that was written.
    """

    type: ClassVar[str] = "speech_committed"
    previous_item_id: str | None

    def _fields(self) -> dict[str, Any]:
        return {"item_id": self.item_id, "previous_item_id": self.previous_item_id}


@attrs.frozen
class TranscriptEvent(OfResponse):
    """Words of a turn: a piece of them, a speaker's part, or all of them.

    Attributes:
        text: The new words; all of the turn's when `is_final`.
        is_final: True once for each turn that could be written down; one that could not ends in an error event. A turn
            that had neither when a `BidiConnectionRestartEvent` came is said again and becomes another turn.
        speaker: Who said it, from a model that tells speakers apart.
        start_s: Where a speaker's part begins, in seconds.
        end_s: Where it ends.
        languages: Of the whole turn, where the model tells them.
        logprobs: How sure each word is, where `include` asks for it.
        usage: What the turn took, when `is_final`: `{"type": "tokens" | "duration", ...}`.
    """

    type: ClassVar[str] = "transcript"
    text: str = attrs.field(repr=False)
    is_final: bool
    _so_far: str | TextSoFar = attrs.field(alias="transcript", eq=str, repr=False)
    speaker: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    languages: Sequence[Any] = ()
    logprobs: Sequence[Any] = attrs.field(default=(), repr=False)
    usage: Mapping[str, Any] | None = None

    @property
    def transcript(self) -> str:
        """The turn's words so far. A speaker's part from a model that tells no other pieces has its own words only."""
        return str(self._so_far)

    def _fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "item_id": self.item_id,
            "text": self.text,
            "is_final": self.is_final,
            "transcript": self.transcript,
        }
        optional = {
            "speaker": self.speaker,
            "start_s": self.start_s,
            "end_s": self.end_s,
            "languages": list(self.languages) or None,
            "logprobs": list(self.logprobs) or None,
            "usage": self.usage,
        }
        return fields | {key: value for key, value in optional.items() if value is not None}


@attrs.frozen
class TranslatedAudioEvent(BidiAudioStreamEvent):
    """A piece of translated speech.

    Attributes:
        elapsed_ms: Where in the translated speech it belongs, in steps of 200 ms; several pieces may share it. After a
            restart it goes on from the last one.
    """

    type: ClassVar[str] = "translated_audio"
    elapsed_ms: int | None = None

    def _fields(self) -> dict[str, Any]:
        return {**super()._fields(), "elapsed_ms": self.elapsed_ms}


@attrs.frozen
class TranslationTextEvent(OfResponse):
    """A piece of what was said, or of its translation. Pieces are joined as they are, without a space between.

    Attributes:
        text: The words.
        of: `source` for what was said, `translation` for what it means.
        elapsed_ms: Where in the translated speech it belongs.
    """

    type: ClassVar[str] = "translation_text"
    text: str = attrs.field(repr=False)
    of: Literal["source", "translation"]
    elapsed_ms: int | None = None

    def _fields(self) -> dict[str, Any]:
        return {"text": self.text, "of": self.of, "elapsed_ms": self.elapsed_ms}


ListeningEvent = (
    SpeechStartedEvent
    | SpeechStoppedEvent
    | SpeechCommittedEvent
    | TranscriptEvent
    | TranslatedAudioEvent
    | TranslationTextEvent
)

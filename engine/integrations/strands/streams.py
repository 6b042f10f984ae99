"""An answer's sound and words as `strands.bidi` tells them: streams that begin, go on and end, each with an id.

The engine tells pieces, and which of them is the last. Pure: time goes in with each event.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs
from strands.bidi.types import events as strands

from engine.events import BidiAudioStreamEvent, BidiTranscriptStreamEvent

OPEN_MAX: Final = 256
"""Streams that may be open at once; past it the oldest is ended. An answer has one or two, a user's turn one."""

Key = tuple[str, str | None, int | None]
"""What tells streams apart: their kind, the item, the piece of its content."""

_BEGIN: Final[dict[str, Callable[["Stream"], Any]]] = {
    "audio": lambda it: strands.BidiAudioStartEvent(it.content_id),
    "text": lambda it: strands.BidiTextStartEvent(it.content_id),
    "transcript": lambda it: strands.BidiTranscriptStartEvent(it.role, it.content_id),
}
_END: Final[dict[str, Callable[["Stream"], Any]]] = {
    "audio": lambda it: strands.BidiAudioStopEvent(it.content_id),
    "text": lambda it: strands.BidiTextStopEvent(it.content_id),
    "transcript": lambda it: strands.BidiTranscriptStopEvent(it.role, it.content_id),
}


@attrs.define
class Stream:
    """One of them.

    Attributes:
        kind: `audio`, `text` or `transcript`.
        content_id: Names it; no two of a connection have the same.
        role: Who speaks.
        response_id: The answer that it is of, or None for what the user says.
        has_words: A piece of it was told.
    """

    kind: str
    content_id: str
    role: Any
    response_id: str | None
    has_words: bool = False


class Streams:
    """Those of one session.

    Args:
        written: Answers are text, not speech: their words are no transcript.
    """

    def __init__(self, *, written: bool) -> None:
        self._words = "text" if written else "transcript"
        self._open: dict[Key, Stream] = {}
        self._made = 0

    def audio(self, event: BidiAudioStreamEvent) -> Iterator[Any]:
        """Tell a piece of the model's speech."""
        key = ("audio", event.item_id, event.content_index)
        if key not in self._open:
            yield from self._end_audio(event.response_id)  # An answer speaks one item after the other.
        stream = yield from self._at(key, "assistant", event.response_id)
        stream.has_words = True
        yield strands.BidiAudioDeltaEvent(
            event.audio,
            event.format,  # type: ignore[arg-type] # G.711 is known to us alone
            event.sample_rate,
            event.channels,  # type: ignore[arg-type]
            stream.content_id,
        )

    def words(self, event: BidiTranscriptStreamEvent) -> Iterator[Any]:
        """Tell words of either side."""
        by_model = event.role == "assistant"
        kind = self._words if by_model else "transcript"
        key = (kind, event.item_id, event.content_index if by_model else None)
        stream = yield from self._at(key, event.role, event.response_id if by_model else None)
        if event.text and not (event.is_final and stream.has_words):
            stream.has_words = True
            yield _piece(stream, event.text)
        if event.is_final:
            yield _END[kind](self._open.pop(key))

    def user_speaks(self, item_id: str) -> Iterator[Any]:
        """The user's words will come; told now, they have their place before the answer's."""
        yield from self._at(("transcript", item_id, None), "user", None)

    def response_over(self, response_id: str) -> Iterator[Any]:
        """End what an answer has not ended by itself."""
        for key in [key for key, stream in self._open.items() if stream.response_id == response_id]:
            yield _END[key[0]](self._open.pop(key))

    def _end_audio(self, response_id: str | None) -> Iterator[Any]:
        for key in [key for key, it in self._open.items() if it.kind == "audio" and it.response_id == response_id]:
            yield _END["audio"](self._open.pop(key))

    def _at(self, key: Key, role: str, response_id: str | None) -> Any:
        """Find a stream, or begin it."""
        if key not in self._open:
            self._made += 1
            stream = self._open[key] = Stream(key[0], f"{key[1]}:{self._made}", role, response_id)
            yield _BEGIN[key[0]](stream)
        if len(self._open) > OPEN_MAX:
            oldest = next(iter(self._open))
            yield _END[oldest[0]](self._open.pop(oldest))
        return self._open[key]


def _piece(stream: Stream, text: str) -> Any:
    if stream.kind == "text":
        return strands.BidiTextDeltaEvent(text, stream.content_id)
    return strands.BidiTranscriptDeltaEvent(text, stream.role, stream.content_id)

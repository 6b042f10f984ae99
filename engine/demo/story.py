"""The story of the demo: what the caller says, and when."""

from typing import Final

import attrs

from engine.audio.pcm import bytes_to_ms, level_dbfs, ms_to_bytes
from engine.demo.lines import CARDS, PASSAGES, Line

SPEECH_DBFS: Final = -40.0
"""Level from which 20 ms of a recording count as speech; between the words the recordings are at -46 and less."""

WINDOW_MS: Final = 20


@attrs.frozen
class Beat:
    """One turn of the caller.

    Attributes:
        line: What is said.
        cut_in_after_s: Said into the agent's answer, once so much of it was heard; None waits for its end.
    """

    line: Line
    cut_in_after_s: float | None = None


STORY: Final = (
    Beat(CARDS[2]),
    Beat(PASSAGES[3]),
    Beat(CARDS[0], cut_in_after_s=10.0),
    Beat(CARDS[1]),
)
"""A hand of cards is scored; a sentence is read, and the agent goes on about its book until the caller cuts in with
another hand; then a last one. The recogniser gets this sentence nearly right, and always the same; the others change
with where exactly a turn is cut."""

INSTRUCTIONS: Final = (
    "The caller reads you hands of cards: score them with the tool. Or sentences from a book: look them up, say what "
    "you heard, and tell something about the book."
)


def speech_span_ms(pcm: bytes) -> tuple[float, float]:
    """Find where a recording's first word begins and its last word ends."""
    size = ms_to_bytes(WINDOW_MS)
    loud = [at for at in range(0, len(pcm), size) if level_dbfs(pcm[at : at + size]) > SPEECH_DBFS]
    if not loud:
        return 0.0, bytes_to_ms(len(pcm))
    return bytes_to_ms(loud[0]), bytes_to_ms(min(loud[-1] + size, len(pcm)))

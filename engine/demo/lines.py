"""The lines that the demo's caller says: recordings of people, and the words they hold."""

from importlib.resources import as_file, files
from typing import Final

import attrs

from engine.audio.files import read_pcm16
from engine.audio.pcm import PCM_RATE_HZ
from engine.audio.resample import from_float, to_float

PEAK_DBFS: Final = -6.0
PEAK: Final = 10 ** (PEAK_DBFS / 20)


@attrs.frozen
class Line:
    """One recorded line.

    Attributes:
        file: Its name in `engine/demo/speech`.
        transcript: What is said, in lower case without punctuation.
    """

    file: str
    transcript: str

    def read_pcm24k(self) -> bytes:
        """Read it as PCM16 mono 24 kHz, its loudest sample at `PEAK_DBFS`.

        The recordings are of different loudness, and some touch full scale.

        Raises:
            ConfigError: soundfile or soxr is not installed: `pip install 'realtime-engine[cli]'`.
        """
        with as_file(files("engine.demo") / "speech" / self.file) as path:
            samples = to_float(read_pcm16(path, PCM_RATE_HZ))
        return from_float(samples * (PEAK / abs(samples).max()))


_BOOK: Final = "sense_and_sensibility_01_austen_64kb"

CARDS: Final = (
    Line("cards-001.wav", "ten of clubs"),
    Line("cards-003.wav", "seven of clubs"),
    Line("cards-005.wav", "eight of spades four of clubs seven of hearts"),
)
"""Hands of cards, read out."""

PASSAGES: Final = (
    Line(
        f"{_BOOK}-0870.wav",
        "and mister john dashwood had then leisure to consider how much there might be prudently in his power"
        " to do for them",
    ),
    Line(f"{_BOOK}-0880.wav", "he was not an ill disposed young man"),
    Line(f"{_BOOK}-0890.wav", "unless to be rather cold hearted and rather selfish is to be ill disposed"),
    Line(
        f"{_BOOK}-0920.wav",
        "had he married a more amiable woman he might have been made still more respectable than he was",
    ),
    Line(f"{_BOOK}-0930.wav", "he might even have been made amiable himself"),
)
"""Sentences of Jane Austen's "Sense and Sensibility", chapter 1, in their order in the book."""

LINES: Final = CARDS + PASSAGES
"""All lines."""

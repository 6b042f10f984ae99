"""The voice: speaks text with hibari, offline, sentence by sentence."""

from collections.abc import Iterator
from typing import Any, Final

from engine.audio.extras import load
from engine.audio.pcm import PCM_RATE_HZ
from engine.audio.resample import from_float
from engine.simulator.local_voice.shared import Shared

SEED: Final = 0
"""Seed of the voice's noise: the same text is the same audio."""

GAIN: Final = 2.0
"""The voice comes at -27 dBFS with peaks at 0.4; doubled, it is as loud as the recorded callers."""

PEAK_MAX: Final = 0.98
"""A sentence with a higher peak than this, of full scale, gets less gain."""

QUIET: Final = 0.005
"""Samples under this, of full scale, are silence at a sentence's ends."""

LEAD_MS: Final = 60
PAUSE_MS: Final = 250
"""What is kept of the silence before a sentence and after it. The model gives 300 and 470 ms: too late a start for
a conversation."""


def _make() -> Any:
    return load("hibari", "local").Hibari()


_voice: Final = Shared(_make)


def speak(text: str) -> Iterator[bytes]:
    """Speak with the process's voice.

    Yields:
        One sentence at a time, PCM16 mono 24 kHz. Nothing for text without a word.
    """
    with _voice.use() as model:
        sentences = model.phonemize(text)
    for phonemes in sentences:
        with _voice.use() as model:
            samples = model.from_phonemes(phonemes, seed=SEED)
        trimmed = _trim(samples)
        if len(trimmed):
            yield from_float(trimmed * min(GAIN, PEAK_MAX / abs(trimmed).max()))


def _trim(samples: Any) -> Any:
    loud = (abs(samples) >= QUIET).nonzero()[0]
    if not len(loud):
        return samples[:0]
    start = max(0, loud[0] - LEAD_MS * PCM_RATE_HZ // 1000)
    return samples[start : loud[-1] + PAUSE_MS * PCM_RATE_HZ // 1000]


def warm_up() -> None:
    """Load the voice, its dictionary included."""
    for _ in speak("Ready."):
        pass

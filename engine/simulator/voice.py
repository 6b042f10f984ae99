"""The ear and the voice that need no extras: loudness finds turns, tones stand for speech."""

import math
import struct
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from typing import Final
from zlib import crc32

from engine.audio.framing import Framer
from engine.audio.pcm import PCM_RATE_HZ, SAMPLE_BYTES, amplitude_dbfs, silence, tone

WINDOW_MS: Final = 20
WINDOW_SAMPLES: Final = PCM_RATE_HZ * WINDOW_MS // 1000

STRIDE: Final = 4
"""One sample in four is measured: speech is that loud too, and it costs 2 us a window instead of 6."""

QUIET_DBFS: Final = -55.0
LOUD_DBFS: Final = -35.0
"""Levels of probability 0 and 1. Recorded speech at arm's length is at -30 to -15 dBFS within words."""

LETTER_MS: Final = 65
"""What a letter takes to say: about 180 words a minute."""

CHUNK_LETTERS: Final = 3
"""Letters in one piece of speech, 195 ms."""

PITCHES_HZ: Final = tuple(k * 1000 / LETTER_MS for k in range(10, 18))
"""Pitches of which a letter holds whole periods: 154 to 262 Hz."""

_unpack = struct.Struct("<" + f"h{(STRIDE - 1) * SAMPLE_BYTES}x" * (WINDOW_SAMPLES // STRIDE)).unpack


def speech_probability(level_dbfs: float) -> float:
    """Map loudness to how likely somebody speaks: a straight line between `QUIET_DBFS` and `LOUD_DBFS`."""
    return min(1.0, max(0.0, (level_dbfs - QUIET_DBFS) / (LOUD_DBFS - QUIET_DBFS)))


class EnergyDetector:
    """Takes loud audio for speech, in windows of 20 ms. Music and noise are speech to it."""

    def __init__(self) -> None:
        self._framer = Framer(WINDOW_SAMPLES * SAMPLE_BYTES)

    def push(self, pcm: bytes) -> Sequence[tuple[int, float]]:
        """Take the next PCM16 mono 24 kHz; see `SpeechDetector.push`."""
        return [(WINDOW_SAMPLES, _window_probability(window)) for window in self._framer.push(pcm)]

    def reset(self) -> None:
        """Forget the incomplete window."""
        self._framer.flush()


def _window_probability(window: bytes) -> float:
    return speech_probability(amplitude_dbfs(math.hypot(*_unpack(window)), WINDOW_SAMPLES // STRIDE))


@lru_cache(maxsize=64)
def _letter(voice: str) -> bytes:
    pitch_hz = PITCHES_HZ[crc32(voice.encode()) % len(PITCHES_HZ)]
    return tone(pitch_hz, LETTER_MS, level_dbfs=-15.0, fade_ms=LETTER_MS / 4)


_GAP: Final = silence(LETTER_MS)


class ToneVoice:
    """Says a tone for each letter and silence for each space, so that a text's audio is as long as its speech.

    The same text and voice give the same bytes; each voice name has its pitch.
    """

    async def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        """Speak in pieces of about 200 ms, PCM16 mono 24 kHz; see `Responder.speak`."""
        letter = _letter(voice)
        for at in range(0, len(text), CHUNK_LETTERS):
            yield b"".join(_GAP if char.isspace() else letter for char in text[at : at + CHUNK_LETTERS])

"""The input audio buffer: what was appended and not yet made an item, by position in all audio ever appended."""

from typing import Final

from engine.limits import WIRE_RATE_HZ

SAMPLE_BYTES: Final = 2
SAMPLES_PER_MS: Final = WIRE_RATE_HZ // 1000


class InputBuffer:
    """PCM16 mono 24 kHz. Positions are samples since the session began, whatever was taken or dropped meanwhile."""

    def __init__(self) -> None:
        self.end = 0
        self._data = bytearray()

    @property
    def start(self) -> int:
        """Give the position of the oldest sample that is still there."""
        return self.end - len(self._data) // SAMPLE_BYTES

    @property
    def duration_ms(self) -> float:
        """Tell how much audio is there."""
        return len(self._data) / (SAMPLE_BYTES * SAMPLES_PER_MS)

    def append(self, pcm: bytes, *, keep_samples: int) -> None:
        """Add audio, and drop the oldest past `keep_samples`."""
        self._data += pcm
        self.end += len(pcm) // SAMPLE_BYTES
        surplus = len(self._data) - keep_samples * SAMPLE_BYTES
        if surplus > 0:
            del self._data[:surplus]

    def take(self, start: int, end: int) -> bytes:
        """Cut out the audio between two positions, and drop what was before it."""
        first = max(0, start - self.start) * SAMPLE_BYTES
        last = max(0, end - self.start) * SAMPLE_BYTES
        pcm = bytes(self._data[first:last])
        del self._data[:last]
        return pcm

    def clear(self) -> None:
        """Drop all audio; positions go on."""
        self._data.clear()

"""Changes the sample rate of PCM16 mono, at once or as a stream, with soxr."""

from typing import Any, Literal

from engine.audio.extras import load
from engine.audio.pcm import SAMPLE_MAX, SAMPLE_MIN, check_aligned
from engine.errors import ConfigError

Quality = Literal["QQ", "LQ", "MQ", "HQ", "VHQ"]
"""soxr's names. From 24 to 16 kHz a stream holds back at most 0 ms at QQ, 20 at LQ, 38 at MQ, 37 at HQ (measured)."""


def to_float(pcm: bytes) -> Any:
    """Turn PCM16 into a numpy array of float32 samples from -1 to 1."""
    numpy = load("numpy", "cli")
    samples = numpy.frombuffer(check_aligned(pcm), dtype="<i2")
    return samples.astype(numpy.float32) / numpy.float32(-SAMPLE_MIN)


def from_float(samples: Any) -> bytes:
    """Turn float samples from -1 to 1 into PCM16, rounded; what is louder is clipped."""
    numpy = load("numpy", "cli")
    scaled = numpy.rint(samples * -SAMPLE_MIN)
    pcm: bytes = numpy.clip(scaled, SAMPLE_MIN, SAMPLE_MAX).astype("<i2").tobytes()
    return pcm


def check_rates(from_hz: int, to_hz: int) -> None:
    """Refuse rates that no audio has.

    Raises:
        ConfigError: A rate is not over 0.
    """
    for field, rate_hz in (("from_hz", from_hz), ("to_hz", to_hz)):
        if rate_hz <= 0:
            raise ConfigError(field, rate_hz, "over 0")


def resample_pcm16(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """Resample a whole recording.

    Args:
        pcm: PCM16 mono at `from_hz`, whole samples.
        from_hz: Its rate.
        to_hz: The rate wanted. The same rate gives the same bytes.

    Raises:
        ConfigError: A rate is not over 0, or soxr is not installed.
        UnsupportedContent: `pcm` ends within a sample.
    """
    check_rates(from_hz, to_hz)
    if from_hz == to_hz:
        return check_aligned(pcm)
    return from_float(load("soxr", "cli").resample(to_float(pcm), from_hz, to_hz))


class Resampler:
    """Resamples PCM16 mono as a stream: the pieces joined are the whole, without clicks between them."""

    def __init__(self, from_hz: int, to_hz: int, quality: Quality = "HQ") -> None:
        check_rates(from_hz, to_hz)
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._stream: Any = None
        if from_hz != to_hz:
            soxr = load("soxr", "cli")
            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=quality)

    def push(self, pcm: bytes) -> bytes:
        """Take the next PCM16 at `from_hz`.

        Returns:
            What is ready at `to_hz`; `b""` while the filter fills.

        Raises:
            UnsupportedContent: `pcm` ends within a sample.
        """
        if self._stream is None:
            return check_aligned(pcm)
        return from_float(self._stream.resample_chunk(to_float(pcm)))

    def finish(self) -> bytes:
        """Give what the filter held back, and be ready for a new stream."""
        if self._stream is None:
            return b""
        tail = from_float(self._stream.resample_chunk(to_float(b""), last=True))
        self._stream.clear()
        return tail

    def reset(self) -> None:
        """Forget the stream so far."""
        if self._stream is not None:
            self._stream.clear()

"""Changes the sample rate of PCM16, at once or as a stream, with soxr."""

from typing import Any, Literal

from engine.audio.extras import load
from engine.audio.pcm import SAMPLE_MAX, SAMPLE_MIN, check_aligned
from engine.errors import ConfigError, UnsupportedContent

Quality = Literal["QQ", "LQ", "MQ", "HQ", "VHQ"]
"""soxr's names. From 24 to 16 kHz a stream holds back at most 0 ms at QQ, 20 at LQ, 38 at MQ, 37 at HQ (measured)."""


def to_float(pcm: bytes) -> Any:
    """Turn PCM16 into a numpy array of float32 samples from -1 to 1."""
    numpy = load("numpy", "audio")
    samples = numpy.frombuffer(check_aligned(pcm), dtype="<i2")
    return samples.astype(numpy.float32) / numpy.float32(-SAMPLE_MIN)


def from_float(samples: Any) -> bytes:
    """Turn float samples from -1 to 1 into PCM16, rounded; what is louder is clipped."""
    numpy = load("numpy", "audio")
    scaled = numpy.rint(numpy.clip(samples, -1.0, 1.0) * -SAMPLE_MIN)
    pcm: bytes = numpy.minimum(scaled, SAMPLE_MAX).astype("<i2").tobytes()
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
    return from_float(load("soxr", "audio").resample(to_float(pcm), from_hz, to_hz))


class Resampler:
    """Resamples PCM16 as a stream: however it is cut, the pieces joined are the whole, without clicks between them.

    A stream of n samples becomes one of `n * to_hz / from_hz`, rounded, half a sample up or down.

    Args:
        from_hz: Rate of what comes in.
        to_hz: Rate wanted. The same rate gives the same bytes, and loads no library.
        quality: Trades CPU and delay for how much of the band is kept. At HQ a stream holds back about 38 ms, 73 ms
            where one rate is 8 kHz and the other 24 kHz (measured).
        channels: Of what comes in: 1, or 2 with their samples in turn. Each is resampled by itself.
        mix: Make one of two, by their mean, before that.

    Raises:
        ConfigError: A rate is not over 0, or soxr is not installed.
    """

    def __init__(
        self, from_hz: int, to_hz: int, quality: Quality = "HQ", channels: int = 1, *, mix: bool = False
    ) -> None:
        check_rates(from_hz, to_hz)
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._channels = channels
        self._mix = mix
        self._stream: Any = None
        if from_hz != to_hz:
            load("numpy", "audio")
            soxr = load("soxr", "audio")
            kept = 1 if mix else channels
            self._stream = soxr.ResampleStream(from_hz, to_hz, kept, dtype="float32", quality=quality)

    def push(self, pcm: bytes) -> bytes:
        """Take the next PCM16 at `from_hz`.

        Returns:
            What is ready at `to_hz`; `b""` while the filter fills.

        Raises:
            UnsupportedContent: `pcm` ends within a sample.
        """
        if self._stream is None:
            return check_aligned(pcm)
        return from_float(self._stream.resample_chunk(self._samples(pcm)))

    def finish(self) -> bytes:
        """Give what the filter held back, and be ready for a new stream."""
        if self._stream is None:
            return b""
        tail = from_float(self._stream.resample_chunk(self._samples(b""), last=True))
        self._stream.clear()
        return tail

    def reset(self) -> None:
        """Forget the stream so far."""
        if self._stream is not None:
            self._stream.clear()

    def _samples(self, pcm: bytes) -> Any:
        samples = to_float(pcm)
        if self._channels == 1:
            return samples
        if len(samples) % self._channels:
            raise UnsupportedContent(f"{len(pcm)} bytes end between the channels of a sample | send whole samples")
        if self._mix:
            return (samples[0::2] + samples[1::2]) * samples.dtype.type(0.5)
        return samples.reshape(-1, self._channels)

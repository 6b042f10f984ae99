"""Converts audio of one shape to another as a stream: encoding, channels and rate, with no seam between the pieces."""

import functools
from collections.abc import Callable, Iterator

from engine.audio import g711
from engine.audio.channels import to_mono, to_stereo
from engine.audio.extras import require
from engine.audio.resample import Resampler
from engine.audio.shape import AudioShape

_Step = Callable[[bytes], bytes]


def check_convertible(source: AudioShape, target: AudioShape) -> None:
    """Make sure that what the conversion needs is installed, without loading it.

    Raises:
        ConfigError: The rates differ and numpy or soxr is missing; the message names the extra that brings them.
    """
    if source.rate_hz != target.rate_hz:
        require("numpy", "audio")
        require("soxr", "audio")


class Converter:
    """Turns a stream of one shape into one of another. Between equal shapes it hands on what it is given.

    A piece may end anywhere, inside a sample or between the two channels' samples: the rest, at most 3 bytes, waits for
    the next piece. Without a change of rate, n samples in are n samples out, at once. With one, soxr works in blocks
    and holds back at most 40 ms until `finish` (75 ms from 8 to 24 kHz or back, 160 ms from 48 to 8 kHz), and n samples
    become `n * target.rate_hz / source.rate_hz`, rounded, an exact half up or down.

    Args:
        source: What `push` is given.
        target: What it gives.

    Raises:
        ConfigError: The rates differ and soxr or numpy is not installed.
    """

    def __init__(self, source: AudioShape, target: AudioShape) -> None:
        self.source = source
        self.target = target
        self.cut_bytes = 0
        """Bytes of samples that never came whole before `finish` or `reset`; they are dropped."""
        self._frame_bytes = source.frame_bytes
        self._carry = b""
        self._resampler: Resampler | None = None
        if source.rate_hz != target.rate_hz:
            mix = source.channels > target.channels
            self._resampler = Resampler(source.rate_hz, target.rate_hz, channels=source.channels, mix=mix)
        self._before, self._after = ((), ()) if source == target else _steps(source, target)

    @property
    def resamples(self) -> bool:
        """True when the rate changes, so that a filter holds some audio back and gives it in blocks."""
        return self._resampler is not None

    def push(self, audio: bytes) -> bytes:
        """Take the next piece.

        Returns:
            What is ready, whole samples of the target's shape; `b""` while the filter fills.
        """
        audio = _run(self._before, self._whole(audio))
        if self._resampler is not None:
            audio = self._resampler.push(audio)
        return _run(self._after, audio)

    def finish(self) -> bytes:
        """End the stream: give what the filter held back, and be ready for a new stream."""
        self._drop_carry()
        return _run(self._after, self._resampler.finish()) if self._resampler is not None else b""

    def reset(self) -> None:
        """Forget the stream so far."""
        self._drop_carry()
        if self._resampler is not None:
            self._resampler.reset()

    def _whole(self, audio: bytes) -> bytes:
        if self._carry:
            audio = self._carry + audio
        rest_bytes = len(audio) % self._frame_bytes
        if not rest_bytes:
            self._carry = b""
            return audio
        self._carry = audio[-rest_bytes:]
        return audio[:-rest_bytes]

    def _drop_carry(self) -> None:
        self.cut_bytes += len(self._carry)
        self._carry = b""


def _run(steps: tuple[_Step, ...], audio: bytes) -> bytes:
    for step in steps:
        audio = step(audio)
    return audio


def _steps(source: AudioShape, target: AudioShape) -> tuple[tuple[_Step, ...], tuple[_Step, ...]]:
    """What is done before the rate is changed and after: fewer channels before, more after."""
    return tuple(_to_pcm(source, target)), tuple(_from_pcm(source, target))


def _to_pcm(source: AudioShape, target: AudioShape) -> Iterator[_Step]:
    if source.encoding != "pcm":
        yield functools.partial(g711.decode, g711.LAWS[source.encoding]())
    if source.channels > target.channels and source.rate_hz == target.rate_hz:
        yield to_mono  # Else the resampler mixes, which needs no rounding between the two.


def _from_pcm(source: AudioShape, target: AudioShape) -> Iterator[_Step]:
    if source.channels < target.channels:
        yield to_stereo
    if target.encoding != "pcm":
        yield functools.partial(g711.encode, g711.LAWS[target.encoding]())

"""The sound of a call as a file: stereo, the caller on the left, the agent as it was heard on the right."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

import attrs

from engine.audio.extras import load
from engine.audio.pcm import PCM_RATE_HZ, SAMPLE_BYTES

FORMATS: Final = {"flac": ("FLAC", "PCM_16"), "opus": ("OGG", "OPUS")}
"""libsndfile's names; a file ends in ours."""

_BLOCK_S: Final = 1.0
_BLOCK_SAMPLES: Final = round(PCM_RATE_HZ * _BLOCK_S)
ROOM_MIN_BYTES: Final = 2 * _BLOCK_SAMPLES * SAMPLE_BYTES * 2
"""Two blocks that could not be packed at all, of two channels: what a file may still grow by, and the least room that
one is begun in."""


@attrs.frozen
class Placed:
    """Sound and its place.

    Attributes:
        at_samples: Where it begins in the file.
        samples: Its length.
        pcm: Where the samples are; None for the agent's file.
        source_samples: Where it begins there.
    """

    at_samples: int
    samples: int
    pcm: bytes | None = attrs.field(default=None, repr=False)
    source_samples: int = 0


@attrs.frozen
class Sound:
    """All that is heard in a call.

    Attributes:
        caller: The caller's, in order.
        agent: The agent's, in order, out of `agent_path`.
        agent_path: Raw PCM16 of the agent's; None where there is none.
        samples: Length of the call.
    """

    caller: Sequence[Placed]
    agent: Sequence[Placed]
    agent_path: Path | None
    samples: int

    @property
    def length_ms(self) -> float:
        """Of the call."""
        return self.samples * 1000 / PCM_RATE_HZ


def write_sound(path: Path, sound: Sound, format: Literal["flac", "opus"], max_bytes: int) -> float:
    """Write the file; blocks. Stretches that lie in silence cost next to nothing.

    Returns:
        How much of the call is in it, in ms: less than all where it would have passed `max_bytes`.

    Raises:
        OSError: It can't be written, as on a full disk.
        ConfigError: The extra `audio` is not installed.
    """
    soundfile: Any = load("soundfile", "audio")
    container, coding = FORMATS[format]
    try:
        with (
            soundfile.SoundFile(str(path), "w", PCM_RATE_HZ, 2, format=container, subtype=coding) as file,
            _AgentFile(sound.agent_path) as agent,
        ):
            written = _write_blocks(file, path, sound, agent, max_bytes)
        _check_whole(soundfile, path, written, exact=format == "flac")
    except soundfile.LibsndfileError as error:
        raise OSError(None, f"libsndfile: {error.error_string}", str(path)) from error
    return written * 1000 / PCM_RATE_HZ


def _write_blocks(file: Any, path: Path, sound: Sound, agent: "_AgentFile", max_bytes: int) -> int:
    numpy: Any = load("numpy", "audio")
    channels = [_Lane(sound.caller), _Lane(sound.agent)]
    for begin in range(0, sound.samples, _BLOCK_SAMPLES):
        if begin and path.stat().st_size + ROOM_MIN_BYTES > max_bytes:
            return begin
        end = min(begin + _BLOCK_SAMPLES, sound.samples)
        block = numpy.zeros((end - begin, 2), dtype=numpy.int16)
        for channel, lane in enumerate(channels):
            for each in lane.within(begin, end):
                _lay(numpy, block[:, channel], each, begin, agent)
        file.write(block)
    return sound.samples


class _Lane:
    """Sound in order of place, looked at once from begin to end."""

    def __init__(self, placed: Sequence[Placed]) -> None:
        self._placed = placed
        self._over = 0

    def within(self, begin: int, end: int) -> Iterator[Placed]:
        """Give what lies in a block; blocks come in order."""
        while self._over < len(self._placed) and _end_of(self._placed[self._over]) <= begin:
            self._over += 1
        for index in range(self._over, len(self._placed)):
            if self._placed[index].at_samples >= end:
                return
            yield self._placed[index]


def _end_of(placed: Placed) -> int:
    return placed.at_samples + placed.samples


def _lay(numpy: Any, block: Any, placed: Placed, begin: int, agent: "_AgentFile") -> None:
    """Put what of a stretch falls into this block."""
    first = max(begin, placed.at_samples)
    last = min(begin + len(block), placed.at_samples + placed.samples)
    if first >= last:
        return
    source = placed.source_samples + first - placed.at_samples
    low, high = source * SAMPLE_BYTES, (source + last - first) * SAMPLE_BYTES
    pcm = agent.read(low, high) if placed.pcm is None else placed.pcm[low:high]
    samples = numpy.frombuffer(pcm, dtype="<i2")  # shorter, where a bound or a full disk cost the rest
    block[first - begin : first - begin + len(samples)] = samples


def _check_whole(soundfile: Any, path: Path, samples: int, *, exact: bool) -> None:
    """Make sure that all of it is on the disk: libsndfile does not tell when a full disk takes only a part."""
    there = soundfile.info(str(path)).frames
    if there < (samples if exact else samples - _BLOCK_SAMPLES) or not there:
        raise OSError(None, "the disk took only a part of it", str(path))


class _AgentFile:
    """The agent's raw audio; where nothing was ever written there is no file."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("rb") if path is not None and path.exists() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, begin: int, end: int) -> bytes:
        """Read bytes from one place to another; fewer where there are no more."""
        if self._file is None:
            return b""
        self._file.seek(begin)
        data = self._file.read(end - begin)
        return data[: len(data) // SAMPLE_BYTES * SAMPLE_BYTES]

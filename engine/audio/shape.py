"""The shape of audio: how its bytes are to be read."""

from collections.abc import Callable
from typing import Any, Final, Literal, get_args

import attrs

from engine.audio.pcm import SAMPLE_BYTES
from engine.errors import ConfigError

Encoding = Literal["pcm", "pcmu", "pcma"]

ENCODINGS: Final[tuple[str, ...]] = get_args(Encoding)
"""PCM16 little-endian; G.711 mu-law and A-law."""

RATE_MIN_HZ: Final = 8_000
RATE_MAX_HZ: Final = 48_000
"""Sample rates that are converted: from the telephone's to the sound card's."""

CHANNELS_MAX: Final = 2
"""Channels that are converted."""


def _known(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if value not in ENCODINGS:
        raise ConfigError(attribute.name, value, ", ".join(map(repr, ENCODINGS)))


def _between(low: int, high: int, unit: str) -> Callable[[Any, "attrs.Attribute[Any]", Any], None]:
    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ConfigError(attribute.name, value, f"{low} to {high} {unit}".rstrip())

    return check


@attrs.frozen
class AudioShape:
    """Encoding, rate and channels.

    Attributes:
        encoding: `pcm` (PCM16 little-endian), `pcmu` or `pcma` (G.711, one byte a sample).
        rate_hz: Samples a second of each channel, `RATE_MIN_HZ` to `RATE_MAX_HZ`.
        channels: 1, or 2 with their samples in turn.

    Raises:
        ConfigError: There is no such encoding, or the rate or the channels are out of range.
    """

    encoding: Encoding = attrs.field(default="pcm", validator=_known)
    rate_hz: int = attrs.field(default=24_000, validator=_between(RATE_MIN_HZ, RATE_MAX_HZ, "Hz"))
    channels: int = attrs.field(default=1, validator=_between(1, CHANNELS_MAX, ""))

    def __str__(self) -> str:
        return f"{self.encoding}, {self.rate_hz} Hz, {self.channels} channel{'s' if self.channels > 1 else ''}"

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return (SAMPLE_BYTES if self.encoding == "pcm" else 1) * self.channels

    @property
    def bytes_per_ms(self) -> float:
        """Bytes of one millisecond; not whole at 11.025 kHz and its multiples."""
        return self.rate_hz * self.frame_bytes / 1000

    def silence(self, samples: int) -> bytes:
        """Make digital silence of so many samples of each channel."""
        code = {"pcm": b"\0\0", "pcmu": b"\xff", "pcma": b"\xd5"}[self.encoding]
        return code * (samples * self.channels)

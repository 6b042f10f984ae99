"""Formats and units of audio: bytes, samples, milliseconds and decibels. Standard library only.

PCM16 here is what the service means by `audio/pcm`: signed 16-bit little-endian samples, mono.
"""

import math
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.errors import ConfigError, UnsupportedContent

PCM_RATE_HZ: Final = 24_000
"""Rate of `audio/pcm` on the wire (API reference)."""

G711_RATE_HZ: Final = 8_000
"""Rate of `audio/pcmu` and `audio/pcma` (ITU-T G.711)."""

SAMPLE_BYTES: Final = 2
"""One PCM16 sample."""

SAMPLE_MIN: Final = -32_768
SAMPLE_MAX: Final = 32_767
"""Range of a PCM16 sample."""

BYTES_PER_MS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "audio/pcm": PCM_RATE_HZ * SAMPLE_BYTES // 1000,
        "audio/pcmu": G711_RATE_HZ // 1000,
        "audio/pcma": G711_RATE_HZ // 1000,
    }
)
"""Bytes of one millisecond on the wire: 48 of PCM16 at 24 kHz, 8 of G.711 (one byte a sample)."""


def bytes_per_ms(format_type: str) -> int:
    """Tell how many bytes one millisecond takes on the wire.

    Args:
        format_type: `audio/pcm`, `audio/pcmu` or `audio/pcma`.

    Raises:
        ConfigError: The service knows no such format.
    """
    try:
        return BYTES_PER_MS[format_type]
    except KeyError:
        raise ConfigError("audio.format.type", format_type, ", ".join(BYTES_PER_MS)) from None


def ms_to_bytes(duration_ms: float, rate_hz: int = PCM_RATE_HZ) -> int:
    """Tell the size in bytes of PCM16 of this length: whole samples, rounded down."""
    return int(duration_ms * rate_hz / 1000) * SAMPLE_BYTES


def bytes_to_ms(size_bytes: int, rate_hz: int = PCM_RATE_HZ) -> float:
    """Tell the length in milliseconds of PCM16 of this size."""
    return size_bytes * 1000 / (rate_hz * SAMPLE_BYTES)


def base64_bytes(text: str) -> int:
    """Tell how many bytes a base64 text stands for, without decoding it."""
    return len(text) // 4 * 3 - text.count("=", -2)


def is_aligned(pcm: bytes) -> bool:
    """Tell whether this is a whole number of samples."""
    return len(pcm) % SAMPLE_BYTES == 0


def check_aligned(pcm: bytes) -> bytes:
    """Give back PCM16 that is a whole number of samples.

    Raises:
        UnsupportedContent: It ends within a sample. Keep the odd byte for the next piece, or use a `Framer`.
    """
    if not is_aligned(pcm):
        raise UnsupportedContent(
            f"{len(pcm)} bytes are no whole number of PCM16 samples | keep the last byte for the next piece"
        )
    return pcm


def silence(duration_ms: float, rate_hz: int = PCM_RATE_HZ) -> bytes:
    """Make digital silence, PCM16."""
    return bytes(ms_to_bytes(duration_ms, rate_hz))


def tone(
    freq_hz: float,
    duration_ms: float,
    *,
    level_dbfs: float = -12.0,
    fade_ms: float = 5.0,
    rate_hz: int = PCM_RATE_HZ,
) -> bytes:
    """Make a sine tone, PCM16.

    Args:
        freq_hz: Its pitch, under half of `rate_hz`.
        duration_ms: Its length, fades included.
        level_dbfs: Its peak, at most 0 dBFS.
        fade_ms: Fades at both ends, so that it does not click.
        rate_hz: Sample rate.

    Raises:
        ConfigError: The pitch or the level can't be had.
    """
    if not 0 < freq_hz < rate_hz / 2:
        raise ConfigError("freq_hz", freq_hz, f"over 0 and under {rate_hz / 2:g}")
    if level_dbfs > 0:
        raise ConfigError("level_dbfs", level_dbfs, "at most 0")
    count = ms_to_bytes(duration_ms, rate_hz) // SAMPLE_BYTES
    fade_samples = max(1.0, fade_ms * rate_hz / 1000)
    peak = SAMPLE_MAX * 10 ** (level_dbfs / 20)
    step = 2 * math.pi * freq_hz / rate_hz
    return struct.pack(
        f"<{count}h",
        *(
            round(peak * min(1.0, i / fade_samples, (count - 1 - i) / fade_samples) * math.sin(step * i))
            for i in range(count)
        ),
    )


def level_dbfs(pcm: bytes) -> float:
    """Measure loudness: the root mean square in dB below full scale; minus infinity for silence or no audio.

    A full-scale sine has -3 dBFS. Takes about 6 us for 20 ms at 24 kHz.

    Raises:
        UnsupportedContent: It ends within a sample.
    """
    count = len(check_aligned(pcm)) // SAMPLE_BYTES
    # hypot is the square root of a sum of squares, in one C call.
    return amplitude_dbfs(math.hypot(*struct.unpack(f"<{count}h", pcm)), count)


def amplitude_dbfs(root_sum_squares: float, count: int) -> float:
    """Turn the root of a sum of squared samples into their level in dBFS."""
    if not root_sum_squares:
        return -math.inf
    return 20 * math.log10(root_sum_squares / math.sqrt(count) / -SAMPLE_MIN)

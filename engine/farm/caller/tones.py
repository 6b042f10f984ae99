"""Telephone keys as the pairs of tones that a line carries (ITU-T Q.23), PCM16 mono 24 kHz."""

import functools
import math
import struct
from typing import Final

from engine.audio.pcm import PCM_RATE_HZ, SAMPLE_MAX, silence
from engine.errors import ConfigError

_ROWS: Final = ("123A", "456B", "789C", "*0#D")
_LOW_HZ: Final = (697, 770, 852, 941)
_HIGH_HZ: Final = (1209, 1336, 1477, 1633)

KEYS: Final = "".join(_ROWS)
"""Keys that can be pushed."""

KEY_MS: Final = 100
"""How long a key sounds. Receivers must know 40 ms and more (ITU-T Q.24)."""

PAUSE_MS: Final = 100
"""Silence after each key."""

_LEVEL: Final = 10 ** (-12 / 20) * SAMPLE_MAX
"""Of each of the two tones: together they stay under full scale."""

_FADE_SAMPLES: Final = PCM_RATE_HZ // 200
"""5 ms at both ends, so that it does not click."""


@functools.cache
def key_tone(key: str) -> bytes:
    """Make the tones of one key, without the pause.

    Raises:
        ConfigError: There is no such key.
    """
    row = next((number for number, keys in enumerate(_ROWS) if key and key in keys), None)
    if row is None:
        raise ConfigError("push", key, f"keys of {KEYS}")
    low, high = _LOW_HZ[row], _HIGH_HZ[_ROWS[row].index(key)]
    count = PCM_RATE_HZ * KEY_MS // 1000
    turn = 2 * math.pi / PCM_RATE_HZ
    waves = (math.sin(turn * low * i) + math.sin(turn * high * i) for i in range(count))
    fades = (min(1.0, i / _FADE_SAMPLES, (count - 1 - i) / _FADE_SAMPLES) for i in range(count))
    return struct.pack(f"<{count}h", *(round(_LEVEL * wave * fade) for wave, fade in zip(waves, fades, strict=True)))


def pushed(keys: str) -> bytes:
    """Make the tones of several keys, each with its pause.

    Raises:
        ConfigError: One of them is no key.
    """
    return b"".join(key_tone(key) + silence(PAUSE_MS) for key in keys)

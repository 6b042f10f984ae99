"""G.711: mu-law and A-law to and from PCM16, exact by ITU-T G.711, by tables and without numpy.

Both laws are made here from one description: how wide the interval of each magnitude is. A code stands for all samples
between two decision values, and is decoded to the middle of them. As in the ITU's software tools (G.191), a sample that
lies on a decision value takes the larger code, and a negative sample `s` has the magnitude `-1 - s`.
"""

import functools
import struct
from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Final

import attrs

from engine.audio.pcm import SAMPLE_BYTES, SAMPLE_MAX, check_aligned

_TOP: Final = SAMPLE_MAX + 1
_HALF: Final = 128
"""Codes of one sign."""


@attrs.frozen
class Law:
    """One companding law, as tables.

    Attributes:
        silence: The code of a sample of 0.
        codes: The code of each sample; a negative one indexes from the end, as Python does.
        low: The low byte of each code's sample.
        high: The high byte of each code's sample.
    """

    silence: int
    codes: bytes = attrs.field(repr=False)
    low: bytes = attrs.field(repr=False)
    high: bytes = attrs.field(repr=False)


def _law(borders: list[int], middles: list[int], flip: int) -> Law:
    widths = [above - below for below, above in pairwise(borders)]
    positive = b"".join(bytes([(0x80 | n) ^ flip]) * width for n, width in enumerate(widths))
    negative = b"".join(bytes([n ^ flip]) * width for n, width in enumerate(widths))
    samples = {(0x80 | n) ^ flip: middle for n, middle in enumerate(middles)}
    samples |= {n ^ flip: -middle for n, middle in enumerate(middles)}
    pairs = [struct.pack("<h", samples[code]) for code in range(2 * _HALF)]
    return Law(positive[0], positive + negative[::-1], bytes(p[0] for p in pairs), bytes(p[1] for p in pairs))


@functools.cache
def mu_law() -> Law:
    """Make the tables of mu-law (G.711, table 2): 8 segments of 16 steps, the first step half as wide."""
    widths = [8 << n // 16 for n in range(_HALF)]
    borders = [0, *(border - 4 for border in accumulate(widths))]
    middles = [0, *((below + above) // 2 for below, above in pairwise(borders[1:]))]
    return _law([*borders[:-1], _TOP], middles, 0x7F)


@functools.cache
def a_law() -> Law:
    """Make the tables of A-law (G.711, table 1): two segments of 16 equal steps, then each twice as wide."""
    widths = [16 << max(0, n // 16 - 1) for n in range(_HALF)]
    borders = [0, *accumulate(widths)]
    return _law(borders, [(below + above) // 2 for below, above in pairwise(borders)], 0x55)


LAWS: Final[dict[str, Callable[[], Law]]] = {"pcmu": mu_law, "pcma": a_law}
"""The laws by the names that formats have; made when they are first asked for."""


def decode(law: Law, codes: bytes) -> bytes:
    """Turn G.711 into PCM16: one byte a sample becomes two. Takes about 1 us for 20 ms at 8 kHz."""
    pcm = bytearray(SAMPLE_BYTES * len(codes))
    pcm[0::2] = codes.translate(law.low)
    pcm[1::2] = codes.translate(law.high)
    return bytes(pcm)


def encode(law: Law, pcm: bytes) -> bytes:
    """Turn PCM16 into G.711: two bytes a sample become one. Takes about 5 us for 20 ms at 8 kHz.

    Raises:
        UnsupportedContent: It ends within a sample.
    """
    samples = struct.unpack(f"<{len(check_aligned(pcm)) // SAMPLE_BYTES}h", pcm)
    return bytes(map(law.codes.__getitem__, samples))

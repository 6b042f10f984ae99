"""Microphone audio that says what it is: each block of 20 ms carries its number and the utterance that it belongs to.

So whoever finds audio anywhere, on the wire or in a turn that the service heard, can tell which it is: nothing lost,
nothing twice, in order. The service's ear measures one sample in four; the marks stand in the others, so that silence
can be marked too and stays silent.
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

import attrs

BLOCK_MS: Final = 20
BLOCK_BYTES: Final = 24 * BLOCK_MS * 2

_MAGIC: Final = b"\x5a\xa5\xa5\x5a"
_MAGIC_AT: Final = 10
_AMPLITUDE: Final = 9000
_MARK: Final = struct.Struct("<HHH")

_QUIET: Final = bytearray(BLOCK_BYTES)
_QUIET[_MAGIC_AT : _MAGIC_AT + 4] = _MAGIC
_LOUD: Final = bytearray(_QUIET)
for _at in range(0, BLOCK_BYTES, 8):
    struct.pack_into("<h", _LOUD, _at, _AMPLITUDE if _at % 16 else -_AMPLITUDE)

_QUIET_HEAD, _QUIET_TAIL = bytes(_QUIET[:2]), bytes(_QUIET[8:])
_LOUD_HEAD, _LOUD_TAIL = bytes(_LOUD[:2]), bytes(_LOUD[8:])


def blocks(first: int, count: int, utterance: int = 0) -> bytes:
    """Make audio, PCM16 mono 24 kHz.

    Args:
        first: Number of its first block.
        count: How many blocks.
        utterance: Which it belongs to; 0 is silence.
    """
    head, tail = (_LOUD_HEAD, _LOUD_TAIL) if utterance else (_QUIET_HEAD, _QUIET_TAIL)
    pack = _MARK.pack
    return b"".join(
        head + pack(utterance, number & 0xFFFF, number >> 16) + tail for number in range(first, first + count)
    )


@attrs.frozen
class Found:
    """What a piece of audio holds.

    Attributes:
        numbers: Of its blocks, in order.
        utterances: Of those of its blocks that are speech, each once for each stretch of it.
        torn_bytes: What belongs to no whole block.
    """

    numbers: tuple[int, ...]
    utterances: tuple[int, ...]
    torn_bytes: int = 0


def find(pcm: bytes) -> Found:
    """Read the marks of audio, wherever it begins."""
    numbers: list[int] = []
    spoken: list[int] = []
    for utterance, number in _read(pcm):
        numbers.append(number)
        if utterance and (not spoken or spoken[-1] != utterance):
            spoken.append(utterance)
    return Found(tuple(numbers), tuple(spoken), len(pcm) - len(numbers) * BLOCK_BYTES)


def _read(pcm: bytes) -> Iterator[tuple[int, int]]:
    at, unpack, end = 0, _MARK.unpack_from, len(pcm) - BLOCK_BYTES
    while at <= end:
        if pcm[at + _MAGIC_AT : at + _MAGIC_AT + 4] != _MAGIC:
            found = pcm.find(_MAGIC, at + _MAGIC_AT)
            if found < 0:
                return
            at = found - _MAGIC_AT
            continue
        utterance, low, high = unpack(pcm, at + 2)
        yield utterance, high << 16 | low
        at += BLOCK_BYTES


def gaps(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Give each place where a row of numbers does not go on by one: the number before and the one after."""
    return [(before, after) for before, after in pairwise(numbers) if after != before + 1]

"""The three audio formats of the wire, to and from PCM16 at 24 kHz; G.711 by tables, without numpy."""

import functools
from array import array
from collections.abc import Callable
from typing import Any, Final

import attrs
import pybase64

from engine.limits import APPEND_MAX_BYTES, WIRE_RATE_HZ
from engine.simulator.catalogue import AUDIO_TOO_LONG, EMPTY_AUDIO, INVALID_AUDIO, Refusal

PCM_BYTES_PER_MS: Final = WIRE_RATE_HZ * 2 // 1000
_UPSAMPLING: Final = WIRE_RATE_HZ // 8000
_ULAW_BIAS: Final = 0x84


def _ulaw_sample(code: int) -> int:
    """Decode one mu-law byte (ITU-T G.711)."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + _ULAW_BIAS << (code >> 4 & 7)) - _ULAW_BIAS
    return -magnitude if code & 0x80 else magnitude


def _alaw_sample(code: int) -> int:
    """Decode one A-law byte (ITU-T G.711)."""
    code ^= 0x55
    exponent = code >> 4 & 7
    mantissa = (code & 0x0F) << 4
    magnitude = mantissa + 8 if exponent == 0 else mantissa + 0x108 << exponent - 1
    return magnitude if code & 0x80 else -magnitude


@functools.cache
def _decode_tables(sample: Callable[[int], int]) -> tuple[bytes, bytes]:
    """Give the low and the high byte of each code's sample, for `bytes.translate`."""
    values = [sample(code) & 0xFFFF for code in range(256)]
    return bytes(value & 0xFF for value in values), bytes(value >> 8 for value in values)


@functools.cache
def _encode_table(sample: Callable[[int], int]) -> bytes:
    """Give the nearest code of each 16-bit sample; a negative sample indexes from the end, as Python does."""
    codes = sorted((sample(code), code) for code in range(256))
    table = bytearray(65536)
    position = 0
    for value in range(-32768, 32768):
        while position + 1 < 256 and abs(codes[position + 1][0] - value) <= abs(codes[position][0] - value):
            position += 1
        table[value] = codes[position][1]
    return bytes(table)


def _g711_decode(sample: Callable[[int], int], data: bytes) -> bytes:
    low, high = (data.translate(table) for table in _decode_tables(sample))
    step = 2 * _UPSAMPLING
    pcm = bytearray(step * len(data))
    for offset in range(0, step, 2):
        pcm[offset::step] = low
        pcm[offset + 1 :: step] = high
    return bytes(pcm)


def _g711_encode(sample: Callable[[int], int], pcm: bytes) -> bytes:
    table = _encode_table(sample)
    samples = array("h", pcm[: len(pcm) - len(pcm) % (2 * _UPSAMPLING)])
    thirds = zip(samples[0::3], samples[1::3], samples[2::3], strict=True)
    return bytes(table[(first + second + third) // 3] for first, second, third in thirds)


def _same(data: bytes) -> bytes:
    return data


@attrs.frozen
class WireFormat:
    """One audio format.

    Attributes:
        words: How the service calls it in an error.
        sample_bytes: Of one sample on the wire.
        decode: From the wire to PCM16 mono 24 kHz.
        encode: From PCM16 mono 24 kHz to the wire.
    """

    words: str
    sample_bytes: int
    decode: Callable[[bytes], bytes]
    encode: Callable[[bytes], bytes]

    def read(self, text: str) -> bytes:
        """Decode the base64 audio of an event.

        Returns:
            PCM16 mono 24 kHz.

        Raises:
            Refusal: It is no base64, empty, no whole number of samples, or over 15 MiB.
        """
        try:
            data = pybase64.b64decode(text, validate=True)
        except ValueError:
            raise Refusal(INVALID_AUDIO, format=self.words) from None
        if not data:
            raise Refusal(EMPTY_AUDIO, format=self.words)
        if len(data) > APPEND_MAX_BYTES:
            raise Refusal(AUDIO_TOO_LONG, bound=APPEND_MAX_BYTES, value=len(data))
        if len(data) % self.sample_bytes:
            raise Refusal(INVALID_AUDIO, format=self.words)
        return self.decode(data)

    def write(self, pcm: bytes) -> str:
        """Encode PCM16 mono 24 kHz as base64 text in this format."""
        return pybase64.b64encode_as_string(self.encode(pcm))


_FORMATS: dict[str, WireFormat] = {
    "audio/pcm": WireFormat("mono PCM16 at 24kHz", 2, _same, _same),
    "audio/pcmu": WireFormat(
        "G.711 u-law at 8kHz",
        1,
        functools.partial(_g711_decode, _ulaw_sample),
        functools.partial(_g711_encode, _ulaw_sample),
    ),
    "audio/pcma": WireFormat(
        "G.711 A-law at 8kHz",
        1,
        functools.partial(_g711_decode, _alaw_sample),
        functools.partial(_g711_encode, _alaw_sample),
    ),
}


def wire_format(settings: dict[str, Any]) -> WireFormat:
    """Give the format that a session's `format` object names."""
    return _FORMATS[settings["type"]]


def duration_ms(pcm: bytes) -> float:
    """Tell how long PCM16 mono 24 kHz lasts, in ms."""
    return len(pcm) / PCM_BYTES_PER_MS

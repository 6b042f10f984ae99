"""The three audio formats of the wire, to and from PCM16 at 24 kHz, without numpy."""

from array import array
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import attrs
import pybase64

from engine.audio import g711
from engine.audio.g711 import Law, a_law, mu_law
from engine.audio.pcm import G711_RATE_HZ, SAMPLE_BYTES
from engine.limits import APPEND_MAX_BYTES, WIRE_RATE_HZ
from engine.simulator.catalogue import AUDIO_TOO_LONG, EMPTY_AUDIO, INVALID_AUDIO, Refusal

PCM_BYTES_PER_MS: Final = WIRE_RATE_HZ * SAMPLE_BYTES // 1000
_UPSAMPLING: Final = WIRE_RATE_HZ // G711_RATE_HZ


def _decode(law: Callable[[], Law], codes: bytes) -> bytes:
    """Every sample three times, so that each event stands alone and a code survives the way back."""
    narrow = g711.decode(law(), codes)
    pcm = bytearray(_UPSAMPLING * len(narrow))
    for offset in range(SAMPLE_BYTES * _UPSAMPLING):
        pcm[offset :: SAMPLE_BYTES * _UPSAMPLING] = narrow[offset % SAMPLE_BYTES :: SAMPLE_BYTES]
    return bytes(pcm)


def _encode(law: Callable[[], Law], pcm: bytes) -> bytes:
    """The mean of each three samples."""
    samples = array("h", pcm[: len(pcm) - len(pcm) % (SAMPLE_BYTES * _UPSAMPLING)])
    thirds = zip(samples[0::3], samples[1::3], samples[2::3], strict=True)
    return g711.encode(law(), array("h", (sum(third) // _UPSAMPLING for third in thirds)).tobytes())


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
    "audio/pcm": WireFormat("mono PCM16 at 24kHz", SAMPLE_BYTES, _same, _same),
    "audio/pcmu": WireFormat("G.711 u-law at 8kHz", 1, partial(_decode, mu_law), partial(_encode, mu_law)),
    "audio/pcma": WireFormat("G.711 A-law at 8kHz", 1, partial(_decode, a_law), partial(_encode, a_law)),
}


def wire_format(settings: dict[str, Any]) -> WireFormat:
    """Give the format that a session's `format` object names."""
    return _FORMATS[settings["type"]]


def duration_ms(pcm: bytes) -> float:
    """Tell how long PCM16 mono 24 kHz lasts, in ms."""
    return len(pcm) / PCM_BYTES_PER_MS

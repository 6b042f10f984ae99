"""Settings of the audio between the application and the engine, and which format goes over the wire."""

from collections.abc import Mapping
from typing import Final

import attrs

from engine import limits
from engine.config.checks import one_of
from engine.errors import ConfigError
from engine.wire.session import AudioFormat, TextOrObject

WIRE_FORMATS: Final[Mapping[str, tuple[str, int]]] = {
    "pcm": ("audio/pcm", limits.WIRE_RATE_HZ),
    "pcmu": ("audio/pcmu", 8_000),
    "pcma": ("audio/pcma", 8_000),
}
"""Name of a format to its name on the wire and its samples a second."""


@attrs.frozen(kw_only=True)
class AudioSettings:
    """Audio between the application and the engine.

    Attributes:
        input_rate: Samples a second of what the application sends; the format's own when not given.
        output_rate: Samples a second of what it receives; the format's own when not given.
        channels: 1.
        format: `pcm` (PCM16 little-endian, 24 kHz), `pcmu` or `pcma` (G.711, 8 kHz).
        voice: Name of the model's voice, or `{"id": ...}` of a custom one.
    """

    format: str = attrs.field(default="pcm", validator=one_of("audio.", *WIRE_FORMATS))
    input_rate: int = attrs.field()
    output_rate: int = attrs.field()
    channels: int = attrs.field(default=1, validator=one_of("audio.", 1))
    voice: TextOrObject = "alloy"

    @input_rate.default
    @output_rate.default
    def _rate(self) -> int:
        # A format that does not exist is the validator's business.
        return WIRE_FORMATS.get(str(self.format), WIRE_FORMATS["pcm"])[1]

    def __attrs_post_init__(self) -> None:
        rate = WIRE_FORMATS[self.format][1]
        for name in ("input_rate", "output_rate"):
            if getattr(self, name) != rate:
                raise ConfigError(f"audio.{name}", getattr(self, name), f"{rate} with format {self.format!r}")
        if not (isinstance(self.voice, str) and self.voice) and not isinstance(self.voice, Mapping):
            raise ConfigError("audio.voice", self.voice, "a voice's name, or {'id': ...}")

    @property
    def wire_format(self) -> AudioFormat:
        """The format as the session settings say it."""
        name, rate = WIRE_FORMATS[self.format]
        return AudioFormat(type=name, rate=rate if self.format == "pcm" else None)

    @property
    def bytes_per_ms(self) -> int:
        """Bytes of one millisecond on the wire."""
        return WIRE_FORMATS[self.format][1] // 1000 * (2 if self.format == "pcm" else 1)

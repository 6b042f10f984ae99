"""Settings of the audio between the application and the engine, and which format goes over the wire."""

import functools
from collections.abc import Mapping
from typing import Final

import attrs

from engine import limits
from engine.audio.converter import check_convertible
from engine.audio.shape import CHANNELS_MAX, RATE_MAX_HZ, RATE_MIN_HZ, AudioShape, Encoding
from engine.config.checks import number, one_of
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
    """Audio between the application and the engine; the engine converts to and from what goes over the wire.

    Attributes:
        input_rate: Samples a second of what the application sends, 8000 to 48000; the format's own when not given.
        output_rate: Samples a second of what it receives, 8000 to 48000; the format's own when not given.
        channels: 1, or 2 with their samples in turn, both ways. The service has one: two are mixed, one is doubled.
        format: `pcm` (PCM16 little-endian, its own rate 24 kHz), `pcmu` or `pcma` (G.711, 8 kHz).
        wire_format: What goes over the wire, at that format's own rate; the same as `format` when None.
        voice: Name of the model's voice, or `{"id": ...}` of a custom one.

    Raises:
        ConfigError: A value is not possible, or the rates ask for a conversion whose extra (`audio`) is not installed.
    """

    format: Encoding = attrs.field(default="pcm", validator=one_of("audio.", *WIRE_FORMATS))
    input_rate: int = attrs.field(validator=number("audio.", RATE_MIN_HZ, RATE_MAX_HZ, "Hz", whole=True))
    output_rate: int = attrs.field(validator=number("audio.", RATE_MIN_HZ, RATE_MAX_HZ, "Hz", whole=True))
    channels: int = attrs.field(default=1, validator=one_of("audio.", *range(1, CHANNELS_MAX + 1)))
    voice: TextOrObject = "alloy"
    wire_format: Encoding | None = attrs.field(default=None, validator=one_of("audio.", None, *WIRE_FORMATS))

    @input_rate.default
    @output_rate.default
    def _rate(self) -> int:
        # A format that does not exist is the validator's business.
        return WIRE_FORMATS.get(str(self.format), WIRE_FORMATS["pcm"])[1]

    def __attrs_post_init__(self) -> None:
        if not (isinstance(self.voice, str) and self.voice) and not isinstance(self.voice, Mapping):
            raise ConfigError("audio.voice", self.voice, "a voice's name, or {'id': ...}")
        check_convertible(self.input_shape, self.wire_shape)
        check_convertible(self.wire_shape, self.output_shape)

    @functools.cached_property
    def input_shape(self) -> AudioShape:
        """What the application sends, where an event does not say otherwise."""
        return AudioShape(self.format, self.input_rate, self.channels)

    @functools.cached_property
    def output_shape(self) -> AudioShape:
        """What the application receives."""
        return AudioShape(self.format, self.output_rate, self.channels)

    @functools.cached_property
    def wire_shape(self) -> AudioShape:
        """What goes over the wire, both ways."""
        encoding = self.wire_format or self.format
        return AudioShape(encoding, WIRE_FORMATS[encoding][1], 1)

    @functools.cached_property
    def bytes_per_ms(self) -> int:
        """Bytes of one millisecond on the wire."""
        return int(self.wire_shape.bytes_per_ms)

    def to_wire(self) -> AudioFormat:
        """Give the format as the session settings say it."""
        name, rate = WIRE_FORMATS[self.wire_shape.encoding]
        return AudioFormat(type=name, rate=rate if name == "audio/pcm" else None)

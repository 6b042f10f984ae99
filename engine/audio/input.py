"""Microphone audio of any shape, as one stream in the shape that goes over the wire."""

from engine.audio.converter import Converter
from engine.audio.shape import AudioShape


class InputConverter:
    """Converts what the application gives, each piece by its own shape.

    Args:
        application: The shape of pieces that come without one.
        wire: The shape of the stream.

    Raises:
        ConfigError: The two differ in rate and soxr or numpy is not installed.
    """

    __slots__ = (
        "_application",
        "_bytes_per_ms",
        "_converter",
        "_fed_before_ms",
        "_fed_bytes",
        "_source",
        "_wire",
        "empty_pieces",
        "shape_changes",
    )

    def __init__(self, application: AudioShape, wire: AudioShape) -> None:
        self._application = application
        self._wire = wire
        self._fed_before_ms = 0.0
        self._fed_bytes = 0
        self.empty_pieces = 0
        """Pieces without a byte, as a ring buffer may give; they are ignored."""
        self.shape_changes = 0
        """How often a piece had another shape than the one before it."""
        self._use(application)

    @property
    def resamples(self) -> bool:
        """True while the rate is changed, so that a filter holds some audio back and gives it in blocks."""
        return self._converter is not None and self._converter.resamples

    @property
    def fed_ms(self) -> float:
        """Audio taken so far, whatever its shape."""
        return self._fed_before_ms + self._fed_bytes / self._bytes_per_ms

    def take(self, audio: bytes, shape: AudioShape | None = None) -> bytes:
        """Take the next piece.

        Args:
            audio: Whole samples.
            shape: How to read them; the session's when None. A change ends the stream before: what its filter held back
                comes first.

        Returns:
            What is ready in the wire's shape.

        Raises:
            ConfigError: It needs a library that is not installed. Nothing was taken.
        """
        if not audio:
            self.empty_pieces += 1
            return b""
        before = b""
        shape = shape or self._application
        if shape is not self._source and shape != self._source:
            before = self._switch(shape)
        self._fed_bytes += len(audio)
        if self._converter is None:
            return before + audio if before else audio
        return before + self._converter.push(bytes(audio))

    def finish(self) -> bytes:
        """Give what the filter held back; the next piece begins a new stream."""
        return self._converter.finish() if self._converter is not None else b""

    def _switch(self, shape: AudioShape) -> bytes:
        old, fed_ms = self._converter, self.fed_ms
        self._use(shape)
        if fed_ms:
            self.shape_changes += 1
        self._fed_before_ms, self._fed_bytes = fed_ms, 0
        return old.finish() if old is not None else b""

    def _use(self, shape: AudioShape) -> None:
        self._converter = None if shape == self._wire else Converter(shape, self._wire)
        self._source = shape
        self._bytes_per_ms = shape.bytes_per_ms

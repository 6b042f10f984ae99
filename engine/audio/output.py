"""The model's speech in the shape that the application wants: one stream an item, its length exact."""

from typing import Final

import pybase64

from engine.audio.converter import Converter
from engine.audio.shape import AudioShape

OPEN_ITEMS_MAX: Final = 16
"""Items whose audio may be open at once; past it the one that was silent for longest is forgotten, and counted. A
response has one, and responses outside the conversation may run beside it."""

_SPARE_MAX: Final = 2
"""Converters that are kept for the next item: to make one costs as much as some 50 ms of audio to convert."""


class OutputConverter:
    """Converts the speech of several items at once, each as a stream of its own.

    Args:
        wire: What the service sends.
        application: What the application gets.

    Raises:
        ConfigError: The rates differ and soxr or numpy is not installed.
    """

    __slots__ = ("_open", "_spare", "application", "forgotten_items", "passes", "wire")

    def __init__(self, wire: AudioShape, application: AudioShape) -> None:
        self.wire = wire
        self.application = application
        self.passes = wire == application
        """True when nothing is converted: the service's base64 text goes on as it is, and nothing below is called."""
        self.forgotten_items = 0
        """Items that were dropped at `OPEN_ITEMS_MAX`, with what their filter held back."""
        self._open: dict[str, Converter] = {}
        self._spare: list[Converter] = [] if self.passes else [Converter(wire, application)]

    def push(self, item_id: str, audio: str | bytes) -> bytes:
        """Take the next piece of an item's audio.

        Args:
            item_id: Whose audio it is.
            audio: Base64 text, or bytes, of the wire's shape. It may end inside a sample.

        Returns:
            What is ready, in the application's shape; `b""` while the filter fills, which needs no event.

        Raises:
            ValueError: The text is not base64. The stream goes on as if it had not come.
        """
        piece = pybase64.b64decode(audio, validate=True) if isinstance(audio, str) else audio
        # Taken out and put in again, so that the first of the dictionary is the one that was silent for longest.
        converter = self._open.pop(item_id, None) or self._begin()
        self._open[item_id] = converter
        return converter.push(piece)

    def item_done(self, item_id: str) -> bytes:
        """End an item's audio.

        Returns:
            What the filter held back; `b""` for an item that is not open.
        """
        converter = self._open.pop(item_id, None)
        if converter is None:
            return b""
        tail = converter.finish()
        self._keep(converter)
        return tail

    def dropped(self, item_id: str) -> None:
        """Forget an item's audio, as of one that was interrupted."""
        converter = self._open.pop(item_id, None)
        if converter is not None:
            converter.reset()
            self._keep(converter)

    @property
    def open_items(self) -> tuple[str, ...]:
        """The items whose audio has not ended, the one that was silent for longest first."""
        return tuple(self._open)

    def _begin(self) -> Converter:
        if len(self._open) >= OPEN_ITEMS_MAX:
            self.forgotten_items += 1
            self.dropped(next(iter(self._open)))
        return self._spare.pop() if self._spare else Converter(self.wire, self.application)

    def _keep(self, converter: Converter) -> None:
        if len(self._spare) < _SPARE_MAX:
            self._spare.append(converter)

"""Makes frames of exactly one length from the speech that waits, converts them, and knows what went out in each."""

import functools
from collections import deque
from collections.abc import Container
from itertools import count

from engine.audio.converter import Converter
from engine.audio.jitter_buffer import JitterBuffer, Piece
from engine.audio.shape import AudioShape

_PROBE_MS = 10


@functools.cache
def held_back_ms(source: AudioShape, target: AudioShape) -> int:
    """Tell how much a conversion must be given before anything comes out of it: 0 between equal rates."""
    if source.rate_hz == target.rate_hz:
        return 0
    converter, probe = Converter(source, target), source.silence(source.rate_hz * _PROBE_MS // 1000)
    return next(probes * _PROBE_MS for probes in count(1) if converter.push(probe))


class FrameMaker:
    """Frames of what waits in a jitter buffer.

    Speech without a pause is one stream through the converter, which is given as much ahead as it holds back. It ends
    with the speech, so nothing is held back in a pause, and silence is not converted.

    Args:
        buffer: What waits, in the wire's shape.
        wire: That shape.
        target: Shape of the frames.
        frame_samples: Length of a frame, in samples of the target's rate.
    """

    def __init__(self, buffer: JitterBuffer, wire: AudioShape, target: AudioShape, frame_samples: int) -> None:
        self._buffer = buffer
        self._wire = wire
        self._target = target
        self._frame_samples = frame_samples
        self._converter = Converter(wire, target)
        self._filters = wire.rate_hz != target.rate_hz
        self._streams = False
        self._ready = bytearray()
        self._taken: deque[Piece] = deque()
        self._out_samples = 0
        self._told_samples = 0

    @property
    def waiting_bytes(self) -> int:
        """What did not go out yet, here and in the buffer."""
        return sum(len(piece.audio) for piece in self._taken) + self._buffer.waiting_bytes

    def frame(self) -> tuple[bytes, list[Piece]]:
        """Make the next frame.

        Returns:
            The frame, and what of the wire's audio went out with it.
        """
        self._fill()
        size_bytes = self._frame_samples * self._target.frame_bytes
        audio = bytes(self._ready[:size_bytes])
        del self._ready[:size_bytes]
        samples = len(audio) // self._target.frame_bytes
        self._out_samples += samples
        missing = self._frame_samples - samples
        if missing:
            self._buffer.silent(self._wire_bytes(missing))
            audio += self._target.silence(missing)
        return audio, self._went_out()

    def flush(self, kept: Container[str]) -> int:
        """Drop what did not go out yet, but for the responses in `kept`; give how many bytes of the wire's audio."""
        if any(piece.response_id not in kept for piece in self._taken):
            self._buffer.put_back(list(self._taken))
            self._taken.clear()
            self._ready.clear()
            self._converter.reset()
            self._streams = False
            self._out_samples = self._told_samples = 0
        return self._buffer.flush(kept)

    def _fill(self) -> None:
        """Convert until a frame is full or nothing may sound."""
        while missing := max(0, self._frame_samples - len(self._ready) // self._target.frame_bytes):
            # A filter takes whole frames: to give it what it gave back costs several calls where one is enough.
            pieces = self._buffer.take(self._wire_bytes(self._frame_samples if self._filters else missing))
            if not pieces:
                break
            self._streams = True
            self._taken += pieces
            self._ready += self._converter.push(b"".join(piece.audio for piece in pieces))
        if missing and self._streams:
            self._streams = False
            self._ready += self._converter.finish()

    def _wire_bytes(self, samples: int) -> int:
        """Give the size on the wire of so many samples of a frame, rounded up."""
        return -(-samples * self._wire.rate_hz // self._target.rate_hz) * self._wire.frame_bytes

    def _went_out(self) -> list[Piece]:
        """Give the pieces of what went out since the last call."""
        if not self._streams and not self._ready:
            pieces = list(self._taken)
            self._taken.clear()
            self._out_samples = self._told_samples = 0
            return pieces
        position = self._out_samples * self._wire.rate_hz // self._target.rate_hz
        left_bytes = (position - self._told_samples) * self._wire.frame_bytes
        self._told_samples = position
        return self._take_off(left_bytes)

    def _take_off(self, size_bytes: int) -> list[Piece]:
        pieces: list[Piece] = []
        while size_bytes and self._taken:
            piece = self._taken.popleft()
            if len(piece.audio) > size_bytes:
                self._taken.appendleft(Piece(piece.item_id, piece.response_id, piece.audio[size_bytes:]))
                piece = Piece(piece.item_id, piece.response_id, piece.audio[:size_bytes])
            size_bytes -= len(piece.audio)
            pieces.append(piece)
        return pieces

"""Paced output: the model's speech as frames of one length, each when it is due, for telephones and players.

It has no task. The session feeds it, and who iterates over it sleeps until the next frame is due.
"""

from collections.abc import Container

import attrs
import pybase64
import trio

from engine import limits
from engine.audio.frame_maker import FrameMaker, held_back_ms
from engine.audio.jitter_buffer import JitterBuffer, Piece
from engine.audio.pcm import base64_bytes
from engine.audio.playback import Playback
from engine.audio.shape import AudioShape
from engine.errors import ConfigError, LocalMisuse

_NOTHING: Container[str] = frozenset()


@attrs.frozen
class AudioOutStatistics:
    """A snapshot of a paced output.

    Attributes:
        played_ms: Speech handed out.
        silence_ms: Silence handed out.
        waiting_ms: Speech that waits.
        flushed_ms: Speech dropped at interruptions and when it was closed.
        dropped_ms: Speech dropped at `limits.AUDIO_OUT_MAX_BYTES`.
        underruns: Times that the speech came too late, so that there was a gap in the middle.
        lag_ms: By how much the schedule moved in all, when the consumer came later than
            `limits.AUDIO_OUT_LAG_MAX_MS`.
        unreadable: Pieces that were no base64.
    """

    played_ms: float
    silence_ms: float
    waiting_ms: float
    flushed_ms: float
    dropped_ms: float
    underruns: int
    lag_ms: float
    unreadable: int


class AudioOut:
    """An endless iterator of frames: speech, and silence where there is none.

    The first frame is due when it is first asked for, and each other one frame's length after the one before it,
    however long the consumer takes. A consumer that is late gets its frames at once until it has caught up. Only one
    task may iterate at a time. Leave it with `close`, or let `contextlib.aclosing` do so: until then it collects
    speech.

    Args:
        wire: Shape of the speech as it comes.
        target: Shape of the frames.
        playback: Is told what was handed out; None for an output that does not count, as a recorder beside a telephone.
        frame_ms: Length of a frame, `limits.AUDIO_OUT_FRAME_MIN_MS` to `limits.AUDIO_OUT_FRAME_MAX_MS`.
        prebuffer_ms: Speech of an item that must be there before it begins to sound.
        max_bytes: What may wait.

    Raises:
        ConfigError: A setting is out of range, a frame would have no whole number of samples, or the rates differ and
            the extra `audio` is not installed.
    """

    __slots__ = (
        "_asked",
        "_begins_at",
        "_buffer",
        "_dropped_bytes",
        "_ended",
        "_flushed_bytes",
        "_frames",
        "_lag_s",
        "_maker",
        "_per_ms",
        "_playback",
        "_played_bytes",
        "_sleep",
        "_unreadable",
        "_wire",
        "closed",
        "frame_ms",
        "shape",
    )

    def __init__(
        self,
        wire: AudioShape,
        target: AudioShape,
        playback: Playback | None = None,
        *,
        frame_ms: int = 20,
        prebuffer_ms: int = limits.AUDIO_OUT_PREBUFFER_MS,
        max_bytes: int = limits.AUDIO_OUT_MAX_BYTES,
    ) -> None:
        _check(frame_ms, prebuffer_ms, target.rate_hz)
        self.shape = target
        """Shape of the frames."""
        self.frame_ms = frame_ms
        """Length of a frame."""
        self._wire = wire
        self._playback = playback
        per_ms = wire.rate_hz // 1000 * wire.frame_bytes
        prebuffer_bytes = (prebuffer_ms + held_back_ms(wire, target)) * per_ms
        stall_bytes = limits.AUDIO_OUT_STALL_MS * per_ms
        self._buffer = JitterBuffer(wire.frame_bytes, prebuffer_bytes, stall_bytes, max_bytes)
        self._maker = FrameMaker(self._buffer, wire, target, target.rate_hz * frame_ms // 1000)
        self._per_ms = per_ms
        self._begins_at: float | None = None
        self._frames = 0
        self._asked = False
        self._sleep = trio.CancelScope()
        self._ended = False
        self.closed = False
        """True once the iteration is over."""
        self._played_bytes = 0
        self._flushed_bytes = 0
        self._dropped_bytes = 0
        self._lag_s = 0.0
        self._unreadable = 0
        if playback is not None:
            playback.attach()

    def __aiter__(self) -> "AudioOut":
        return self

    async def __anext__(self) -> bytes:
        """Wait until the next frame is due. Cancelled, it loses nothing.

        Raises:
            LocalMisuse: Another task waits for a frame; give each its own output.
        """
        if self._asked:
            raise LocalMisuse("another task waits for this output's next frame | open another audio_out for it")
        self._asked = True
        try:
            await self._due()
        finally:
            self._asked = False
        # No checkpoint from here on: what is taken is handed out.
        if self._ended and not self._maker.waiting_bytes:
            self.close()
        if self.closed:
            raise StopAsyncIteration
        return self._take()

    async def aclose(self) -> None:
        """End it at once, as `close` does."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """End it at once: what waits is dropped, and who waits for a frame is woken. May be repeated."""
        if self.closed:
            return
        self.flush()
        self.closed = self._ended = True
        self._sleep.cancel()
        if self._playback is not None:
            self._playback.detach()

    def statistics(self) -> AudioOutStatistics:
        """Give a snapshot."""
        return AudioOutStatistics(
            played_ms=self._played_bytes / self._per_ms,
            silence_ms=self._frames * self.frame_ms - self._played_bytes / self._per_ms,
            waiting_ms=self._maker.waiting_bytes / self._per_ms,
            flushed_ms=self._flushed_bytes / self._per_ms,
            dropped_ms=self._dropped_bytes / self._per_ms,
            underruns=self._buffer.underruns,
            lag_ms=self._lag_s * 1000,
            unreadable=self._unreadable,
        )

    # --- the session's side -----------------------------------------------------------------------------------

    def put(self, item_id: str, response_id: str, audio: str | bytes) -> None:
        """Add speech of an item: base64 text or bytes, in the wire's shape. Text that is no base64 is counted."""
        if self._ended or (self._playback is not None and self._playback.is_cut(item_id)):
            return
        try:
            speech = pybase64.b64decode(audio, validate=True) if isinstance(audio, str) else audio
        except ValueError:
            self._unreadable += 1
            self._pass_over(item_id, base64_bytes(str(audio)))
            return
        for piece in self._buffer.put(item_id, response_id, speech):
            self._drop(piece)

    def item_done(self, item_id: str) -> None:
        """No more of this item will come."""
        self._buffer.item_done(item_id)

    def response_done(self, response_id: str) -> None:
        """No more of any item of this response will come."""
        self._buffer.response_done(response_id)

    def flush(self, kept: Container[str] = _NOTHING) -> int:
        """The user cut in: the next frame holds nothing of what waits, but for the responses in `kept`.

        Returns:
            How much was dropped, in ms, rounded down.
        """
        flushed_bytes = self._maker.flush(kept)
        self._flushed_bytes += flushed_bytes
        return flushed_bytes // self._per_ms

    def end(self) -> None:
        """No more speech will come: the iteration ends when what waits was played."""
        self._ended = True
        self._buffer.end()

    # --- inside -----------------------------------------------------------------------------------------------

    async def _due(self) -> None:
        now = trio.current_time()
        if self._begins_at is None:
            self._begins_at = now
        due = self._begins_at + self._frames * self.frame_ms / 1000
        if now < due and not self.closed:
            with trio.CancelScope(deadline=due) as self._sleep:
                await trio.sleep_forever()
            return
        if (now - due) * 1000 > limits.AUDIO_OUT_LAG_MAX_MS:
            self._begins_at += now - due
            self._lag_s += now - due
        await trio.lowlevel.checkpoint()

    def _take(self) -> bytes:
        self._frames += 1
        frame, pieces = self._maker.frame()
        if pieces:
            self._tell(pieces, trio.current_time())
        return frame

    def _tell(self, pieces: list[Piece], at: float) -> None:
        for piece in pieces:
            samples = len(piece.audio) // self._wire.frame_bytes
            self._played_bytes += len(piece.audio)
            if self._playback is not None:
                self._playback.played(piece.item_id, samples, at)
            at += samples / self._wire.rate_hz

    def _drop(self, piece: Piece) -> None:
        self._dropped_bytes += len(piece.audio)
        self._pass_over(piece.item_id, len(piece.audio))

    def _pass_over(self, item_id: str, size_bytes: int) -> None:
        if self._playback is not None:
            self._playback.unplayed(item_id, size_bytes // self._wire.frame_bytes)


def _check(frame_ms: int, prebuffer_ms: int, rate_hz: int) -> None:
    ranges = {
        "frame_ms": (frame_ms, limits.AUDIO_OUT_FRAME_MIN_MS, limits.AUDIO_OUT_FRAME_MAX_MS),
        "prebuffer_ms": (prebuffer_ms, 0, limits.AUDIO_OUT_STALL_MS),
    }
    for field, (value, low, high) in ranges.items():
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ConfigError(field, value, f"{low} to {high}, a whole number")
    if rate_hz * frame_ms % 1000:
        raise ConfigError("frame_ms", frame_ms, f"a length of whole samples at {rate_hz} Hz, as 40 or 200")

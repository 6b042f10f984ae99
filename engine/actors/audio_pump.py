"""The audio pump: converts the microphone's audio, joins it to frames, encodes them and puts them on the audio lane.

`feed` is called in the caller's task and does the work there, without a hop. The pump has no task of its own but for
the moments in which something is due that no audio brings about: a rest that nobody completes, the end of what a
resampler holds back, or silence.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import pybase64
import trio

from engine import limits
from engine.audio.framing import Framer
from engine.audio.input import InputConverter
from engine.audio.shape import AudioShape
from engine.audio.silence import SilenceClock
from engine.config import AudioSettings, InputOverflow
from engine.errors import LimitExceeded
from engine.lane import Lane
from engine.waiting.alarms import Alarm

PAUSE_S: Final = 0.2
"""After so long without audio a stream counts as paused: what its resampler holds back, some 40 to 75 ms, is sent. Well
over the gaps between a sound card's blocks, as a stream that goes on must not be cut."""

_BLOCK_S: Final = 0.04
"""How much later a rest is due where audio is resampled: soxr gives it in blocks of some 30 to 40 ms, so that the next
piece may have nothing to complete the rest with."""

_TAIL = '"}'

_KIND: Final = "append"
"""Its messages, as `engine.outgoing` names them."""


Start = Callable[[Callable[[], Awaitable[None]]], object]
"""Starts a task, as `trio.Nursery.start_soon`."""


@attrs.frozen
class AudioPumpStatistics:
    """A snapshot of the microphone's way in.

    Attributes:
        fed_ms: Audio taken, whatever its shape.
        filled_ms: Silence sent where no audio came.
        shape_changes: How often audio came in another shape than what was before it.
        empty_frames: Frames without a byte; ignored.
    """

    fed_ms: float
    filled_ms: float
    shape_changes: int
    empty_frames: int


class AudioPump:
    """Microphone audio on its way out.

    Args:
        lane: Where messages go; weights are ms.
        audio: What `feed` is given, and what goes over the wire.
        frame_ms: Length of a message.
        overflow: What happens when the lane is full.
        fill_silence: Send silence while no audio comes, so that what was sent lasts as long as `run` has run.
        append_type: Type of the client event that carries audio.

    Raises:
        ConfigError: The audio needs to be resampled, and soxr or numpy is not installed.
    """

    __slots__ = (
        "_alarm",
        "_bytes_per_ms",
        "_clock",
        "_fill_silence",
        "_filled_frames",
        "_frame_ms",
        "_frame_s",
        "_frame_samples",
        "_framer",
        "_head",
        "_holds_silence",
        "_input",
        "_lane",
        "_overflow",
        "_pause_due",
        "_policy",
        "_rest_due",
        "_sent_bytes",
        "_silence",
        "_silence_due",
        "_start",
        "_timed",
        "_wire",
    )

    def __init__(
        self,
        lane: Lane,
        audio: AudioSettings,
        frame_ms: int,
        overflow: InputOverflow,
        *,
        fill_silence: bool = False,
        append_type: str = "input_audio_buffer.append",
    ) -> None:
        self._lane = lane
        self._head = f'{{"type":"{append_type}","audio":"'
        self._wire = audio.wire_shape
        self._bytes_per_ms = audio.bytes_per_ms
        self._frame_ms = frame_ms
        self._frame_s = frame_ms / 1000
        self._framer = Framer(frame_ms * self._bytes_per_ms)
        self._frame_samples = self._framer.frame_bytes // self._wire.frame_bytes
        self._silence = self._wire.silence(self._frame_samples) if fill_silence else b""
        self._input = InputConverter(audio.input_shape, self._wire)
        self._overflow = self._policy = overflow
        self._fill_silence = fill_silence
        self._clock: SilenceClock | None = None
        self._holds_silence = False
        self._timed = fill_silence or self._input.resamples
        self._start: Start | None = None
        self._alarm = Alarm(self._ring)
        self._rest_due = self._pause_due = self._silence_due = math.inf
        self._sent_bytes = 0
        self._filled_frames = 0

    @property
    def fed_ms(self) -> float:
        """Audio taken so far, in ms of its own rate."""
        return self._input.fed_ms

    def statistics(self) -> AudioPumpStatistics:
        """Give a snapshot."""
        filled_ms = float(self._filled_frames * self._frame_ms)
        return AudioPumpStatistics(self.fed_ms, filled_ms, self._input.shape_changes, self._input.empty_pieces)

    def hold(self, holds: bool) -> None:
        """Drop the oldest audio at the bound, whatever the policy: there is no connection that could take it.

        No silence is filled in then: the next connection begins its stream anew.

        Args:
            holds: False when there is one again. What waits for it counts for no bound: it is not dropped, nor does it
                keep out what comes.
        """
        self._overflow = "drop_oldest" if holds else self._policy
        self._lane.spare(not holds)
        if holds:  # Whoever waits for room would wait for the connection.
            while not self._lane.has_room() and self._lane.drop_oldest():
                pass
        self._hold_silence(holds)

    def _hold_silence(self, holds: bool) -> None:
        if holds and self._clock is not None:
            self._clock, self._silence_due, self._holds_silence = None, math.inf, True
            self._rearm()
        elif not holds and self._holds_silence:
            self._begin_silence()

    def _begin_silence(self) -> None:
        """Owe nothing until now: what waits is of the past, and silence has to follow it at once."""
        began_at = trio.current_time() - self._sent_samples() / self._wire.rate_hz
        self._clock = SilenceClock(self._wire.rate_hz, self._frame_samples, began_at)
        self._silence_due = self._clock.due_at(self._sent_samples())
        self._holds_silence = False
        self._rearm()

    async def room(self) -> None:
        """Wait until audio may be fed. A checkpoint only when it waits.

        Raises:
            LimitExceeded: The lane is full and the policy is `fail`.
        """
        if self._lane.has_room():
            return
        if self._overflow == "wait":
            await self._lane.room()
        elif self._overflow == "fail":
            way_out = "send slower, or choose another engine.input_overflow"
            waiting_s = self._lane.statistics().waiting / 1000
            raise LimitExceeded("AUDIO_LANE_S", limits.AUDIO_LANE_S, waiting_s, way_out)

    def feed(self, audio: bytes, shape: AudioShape | None = None) -> None:
        """Take audio. Ask for `room` first; this never waits.

        Args:
            audio: Whole samples; no byte at all is ignored and counted.
            shape: How to read them; the session's when None.

        Raises:
            ConfigError: The shape needs to be resampled, and soxr or numpy is not installed. Nothing was taken.
        """
        if shape is not None:
            self._timed = True
        self._take(self._input.take(audio, shape))
        if self._timed:
            self._came(trio.current_time())
        if self._overflow == "drop_oldest":
            self._drop_over_bound()

    def _drop_over_bound(self) -> None:
        while self._lane.is_over_bound and self._lane.drop_oldest():
            pass

    def flush(self) -> None:
        """Send all that was fed: what a resampler holds back, and what is not a whole message yet.

        What is fed next begins a new stream. Once the lane is closed, nothing is sent.
        """
        tail = self._input.finish()
        if not self._lane.closed:
            self._take(tail)
        self._send_rest()
        self._pause_due = math.inf
        self._rearm()

    def end_silence(self) -> None:
        """Fill in no more silence: the speech is over."""
        self._clock, self._holds_silence = None, False
        self._silence_due = math.inf
        self._rearm()

    def begin(self, start: Start) -> None:
        """From now on send what is due by time: a rest, one message's length after its first sample; a tail; silence.

        Args:
            start: Starts the task that does so, whenever there is something to wait for.
        """
        self._start = start
        if self._fill_silence:
            self._begin_silence()
        self._rearm()

    def end(self) -> None:
        """Start no task any more."""
        self._start = None

    def _ring(self) -> None:
        if self._start is not None and not self._lane.closed:
            try:
                self._start(self._do_what_is_due)
            except RuntimeError:  # Its nursery has just been closed: the session is over.
                self.end()

    @trio.lowlevel.enable_ki_protection
    async def _do_what_is_due(self) -> None:
        now = trio.current_time()
        if self._next_due() <= now:  # Else audio has come in the last moment.
            self._woken(now)
        self._rearm()

    def _take(self, audio: bytes) -> None:
        had_rest = self._rest_due != math.inf
        frames = self._framer.push(audio)
        for frame in frames:
            self._put(frame)
        if self._framer.rest == 0:
            if had_rest:  # Else nothing of it was due.
                self._rest_due = math.inf
                if self._timed:
                    self._rearm()
                else:
                    self._alarm.due = math.inf
        elif frames or not had_rest:
            patience_s = self._frame_s + _BLOCK_S if self._input.resamples else self._frame_s
            self._rest_due = trio.current_time() + patience_s
            self._rearm()

    def _came(self, now: float) -> None:
        """Put off what is due when no audio comes."""
        self._pause_due = now + PAUSE_S if self._input.resamples else math.inf
        if self._clock is not None:
            self._silence_due = max(now + self._frame_s, self._clock.due_at(self._sent_samples()))
        self._rearm()

    def _next_due(self) -> float:
        return min(self._rest_due, self._pause_due, self._silence_due)

    def _rearm(self) -> None:
        if self._start is not None:
            self._alarm.set(self._next_due())

    def _woken(self, now: float) -> None:
        if self._clock is not None and self._silence_due <= now:
            self._fill(self._clock, now)
        elif self._pause_due <= now:
            self.flush()
        else:
            self._send_rest()

    def _send_rest(self) -> None:
        rest = self._framer.flush()
        if not self._lane.closed:
            self._put(rest)
        self._rest_due = math.inf

    def _put(self, audio: bytes) -> None:
        if audio:
            size_bytes = len(audio)
            text = self._head + pybase64.b64encode_as_string(audio) + _TAIL
            self._lane.put(text, size_bytes / self._bytes_per_ms, kind=_KIND)
            self._sent_bytes += size_bytes

    def _fill(self, clock: SilenceClock, now: float) -> None:
        """Send the silence that is owed by now. It takes no other audio's room: what is left out stays owed."""
        self.flush()
        if self._lane.closed:
            self._silence_due = math.inf
            return
        for _ in range(clock.owed_frames(now, self._sent_samples())):
            if not self._lane.has_room():
                break
            self._put(self._silence)
            self._filled_frames += 1
        due = clock.due_at(self._sent_samples())
        self._silence_due = due if due > now else now + self._frame_s

    def _sent_samples(self) -> int:
        return self._sent_bytes // self._wire.frame_bytes

"""The audio pump: joins the microphone's frames, encodes them and puts them on the audio lane.

`feed` is called in the caller's task and does the work there, without a hop; the pump's own task only sleeps until a
rest that nobody completes is due.
"""

import math

import pybase64
import trio

from engine import limits
from engine.audio.framing import Framer
from engine.config import AudioSettings, InputOverflow
from engine.errors import LimitExceeded
from engine.lane import Lane

_HEAD = '{"type":"input_audio_buffer.append","audio":"'
_TAIL = '"}'


class AudioPump:
    """Microphone audio on its way out.

    Args:
        lane: Where messages go; weights are ms.
        audio: What `feed` is given.
        frame_ms: Length of a message.
        overflow: What happens when the lane is full.
    """

    def __init__(self, lane: Lane, audio: AudioSettings, frame_ms: int, overflow: InputOverflow) -> None:
        self._lane = lane
        self._bytes_per_ms = audio.bytes_per_ms
        self._frame_s = frame_ms / 1000
        self._framer = Framer(frame_ms * self._bytes_per_ms)
        self._overflow = overflow
        self._rest_due = trio.CancelScope()
        self._fed_bytes = 0

    @property
    def fed_ms(self) -> float:
        """Audio taken so far."""
        return self._fed_bytes / self._bytes_per_ms

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

    def feed(self, audio: bytes) -> None:
        """Take audio. Ask for `room` first; this never waits."""
        self._take(audio)
        if self._overflow == "drop_oldest":
            while self._lane.statistics().waiting > self._lane.bound and self._lane.drop_oldest():
                pass

    def flush(self) -> None:
        """Send what is not a whole message yet; nothing once the lane is closed."""
        rest = self._framer.flush()
        if not self._lane.closed:
            self._put(rest)
        self._rest_due.deadline = math.inf

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Send a rest when its time is over: one message's length after its first sample came."""
        while True:
            # `feed` moves the deadline, which is cheap; nothing wakes while frames come in time.
            with trio.CancelScope(deadline=math.inf) as self._rest_due:
                await trio.sleep_forever()
            self.flush()

    def _take(self, audio: bytes) -> None:
        self._fed_bytes += len(audio)
        had_rest = self._framer.rest > 0
        frames = self._framer.push(audio)
        for frame in frames:
            self._put(frame)
        if self._framer.rest == 0:
            self._rest_due.deadline = math.inf
        elif frames or not had_rest:
            self._rest_due.deadline = trio.current_time() + self._frame_s

    def _put(self, audio: bytes) -> None:
        if audio:
            text = _HEAD + pybase64.b64encode(audio).decode("ascii") + _TAIL
            self._lane.put(text, len(audio) / self._bytes_per_ms)

"""A sound card that is not there: a microphone and a loudspeaker that run in Trio's time, 20 ms at once."""

from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final

import attrs
import trio

from engine.audio.pcm import PCM_RATE_HZ, SAMPLE_BYTES, bytes_to_ms, ms_to_bytes, silence

FRAME_MS: Final = 20
FRAME_BYTES: Final = ms_to_bytes(FRAME_MS)
_BYTES_PER_S: Final = PCM_RATE_HZ * SAMPLE_BYTES


class Microphone:
    """Hears silence, and what is said into it."""

    def __init__(self) -> None:
        self._said = bytearray()

    @property
    def hears_speech(self) -> bool:
        """Tell whether somebody is still speaking."""
        return bool(self._said)

    def say(self, pcm: bytes) -> None:
        """Speak, after what is being said already."""
        self._said += pcm

    def frame(self) -> bytes:
        """Give the next 20 ms."""
        frame = bytes(self._said[:FRAME_BYTES])
        del self._said[:FRAME_BYTES]
        return frame.ljust(FRAME_BYTES, b"\0")


@attrs.frozen
class Place:
    """Where in the conversation a piece of the agent's audio belongs."""

    item_id: str
    content_index: int


@attrs.define
class Playing:
    """What the loudspeaker knows of one answer.

    Attributes:
        place: Which.
        received_ms: Audio of it that came.
        heard_ms: Audio of it that was played.
        began_s: When it began to sound, on the tape.
        ended_s: When its last sound so far ended, on the tape.
    """

    place: Place
    received_ms: float = 0.0
    heard_ms: float = 0.0
    began_s: float | None = None
    ended_s: float | None = None


class Loudspeaker:
    """Plays what it is given, at the pace of speech, until it is stopped."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Playing, bytearray]] = deque()
        self._stopped: set[str] = set()
        self.report: Callable[[str, float], None] = lambda _item_id, _played_ms: None
        """Told how much of an answer was played, after each frame of it."""
        self.played: dict[str, Playing] = {}
        """Answers by item id."""

    @property
    def idle(self) -> bool:
        """Tell whether everything was played."""
        return not self._waiting

    @property
    def now_playing(self) -> Playing | None:
        """The answer that sounds now."""
        return self._waiting[0][0] if self._waiting else None

    def play(self, place: Place, pcm: bytes) -> None:
        """Queue audio. What comes late of an answer that was stopped is not played."""
        playing = self.played.setdefault(place.item_id, Playing(place))
        playing.received_ms += bytes_to_ms(len(pcm))
        if pcm and place.item_id not in self._stopped:
            self._waiting.append((playing, bytearray(pcm)))

    def stop(self) -> list[Playing]:
        """Fall silent.

        Returns:
            The answers that were not played to their end, in order.
        """
        unfinished = list({playing.place.item_id: playing for playing, _ in self._waiting}.values())
        self._stopped |= {playing.place.item_id for playing in unfinished}
        self._waiting.clear()
        return unfinished

    def rest(self) -> bytes:
        """Give what was not played yet, for a listener who is in a hurry."""
        rest = b"".join(pcm for _, pcm in self._waiting)
        self._waiting.clear()
        return rest

    def frame(self, now_s: float) -> bytes:
        """Play the next 20 ms, which begin at `now_s` of the tape."""
        frame = bytearray()
        while self._waiting and len(frame) < FRAME_BYTES:
            playing, pcm = self._waiting[0]
            piece = pcm[: FRAME_BYTES - len(frame)]
            del pcm[: len(piece)]
            _note(playing, now_s + len(frame) / _BYTES_PER_S, bytes_to_ms(len(piece)))
            self.report(playing.place.item_id, playing.heard_ms)
            frame += piece
            if not pcm:
                self._waiting.popleft()
        return bytes(frame).ljust(FRAME_BYTES, b"\0")


def _note(playing: Playing, now_s: float, heard_ms: float) -> None:
    if playing.began_s is None:
        playing.began_s = now_s
    playing.heard_ms += heard_ms
    playing.ended_s = now_s + heard_ms / 1000


class Tape:
    """Both sides of the conversation as they sounded, sample by sample in step.

    Attributes:
        caller: PCM16 mono 24 kHz.
        agent: The same.
    """

    def __init__(self) -> None:
        self.caller = bytearray()
        self.agent = bytearray()

    @property
    def caller_s(self) -> float:
        """How much of the caller is on it."""
        return len(self.caller) / _BYTES_PER_S

    @property
    def length_s(self) -> float:
        """How much is on it."""
        return max(len(self.caller), len(self.agent)) / _BYTES_PER_S


class SoundCard:
    """Runs microphone and loudspeaker on one clock, and tapes both.

    Attributes:
        microphone: Speak into it.
        loudspeaker: Play on it.
        tape: What both heard.
        began: What Trio's clock said at second 0 of the tape; None before it runs.
    """

    def __init__(self) -> None:
        self.microphone = Microphone()
        self.loudspeaker = Loudspeaker()
        self.tape = Tape()
        self.began: float | None = None

    def tape_time(self, at: float) -> float:
        """Turn seconds of Trio's clock into seconds on the tape; 0 while it does not run yet."""
        return 0.0 if self.began is None else at - self.began

    async def run(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Run until cancelled.

        Args:
            send: Takes each 20 ms of the microphone.
        """
        began = self.began = trio.current_time()
        # A frame is heard while it lasts and sent when it is over; one that is played sounds from then on.
        self.tape.agent += silence(FRAME_MS)
        for number in count(1):
            now_s = number * FRAME_MS / 1000
            await trio.sleep_until(began + now_s)
            heard = self.microphone.frame()
            self.tape.caller += heard
            self.tape.agent += self.loudspeaker.frame(now_s)
            await send(heard)

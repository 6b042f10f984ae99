"""The caller's mouth: speaks into the session's microphone at the pace of speech, and keeps what was said when."""

from typing import Final

import attrs
import trio

from engine.audio.pcm import PCM_RATE_HZ, SAMPLE_BYTES, ms_to_bytes, silence
from engine.session import Session

LATE_MAX_S: Final = 1.0
"""How far behind its pace a caller may be on a busy machine and still catch up, as a sound card's buffer does; past it
the rest comes later."""


@attrs.define(eq=False)
class Spoken:
    """Sound that the caller made.

    Attributes:
        at: Clock time of its begin, in s.
        pcm: All of it, PCM16 mono 24 kHz.
        samples: How much of it was said so far.
    """

    at: float
    pcm: bytes = attrs.field(repr=False)
    samples: int = 0

    @property
    def until(self) -> float:
        """Clock time of its end so far, in s."""
        return self.at + self.samples / PCM_RATE_HZ


class Mouth:
    """Speaks.

    Args:
        session: Who listens.
        frame_ms: Length of a microphone frame.
    """

    __slots__ = ("_frame_bytes", "_frame_s", "_next_at", "_session", "_silence", "said", "silence_ms", "speaking")

    def __init__(self, session: Session, frame_ms: int) -> None:
        self._session = session
        self._frame_s = frame_ms / 1000
        self._frame_bytes = ms_to_bytes(frame_ms)
        self._silence = silence(frame_ms)
        self._next_at = 0.0
        self.said: list[Spoken] = []
        """All sounds, in order."""
        self.silence_ms = 0.0
        """Silence that was sent beside them."""
        self.speaking = False
        """A sound is being made."""

    async def say(self, pcm: bytes) -> Spoken:
        """Say it, in real time; a last frame that is not full is filled with silence.

        Raises:
            SessionEnded: The session is over.
        """
        spoken = Spoken(self._begin(), pcm)
        self.said.append(spoken)
        self.speaking = True
        try:
            for at in range(0, len(pcm), self._frame_bytes):
                frame = pcm[at : at + self._frame_bytes]
                await self._send(frame.ljust(self._frame_bytes, b"\0"))
                spoken.samples += len(frame) // SAMPLE_BYTES
        finally:
            self.speaking = False
        return spoken

    async def keep_silent(self) -> None:
        """Send one frame of silence, as an open microphone does.

        Raises:
            SessionEnded: The session is over.
        """
        self._begin()
        await self._send(self._silence)
        self.silence_ms += self._frame_s * 1000

    def _begin(self) -> float:
        """Give the time at which the next frame begins: right after the one before, unless there was a pause."""
        now = trio.current_time()
        if now > self._next_at + self._frame_s:
            self._next_at = now
        return self._next_at

    async def _send(self, frame: bytes) -> None:
        """Send a frame when it is over, as a microphone does."""
        self._next_at += self._frame_s
        await trio.sleep_until(self._next_at)
        await self._session.send_audio(frame)
        self._next_at = max(self._next_at, trio.current_time() - LATE_MAX_S)

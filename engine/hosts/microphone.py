"""Microphone audio out of an event loop: checked there, and posted without waiting for the Trio thread."""

import asyncio
from functools import partial
from typing import Any, Final

from engine.content import audio_input, check_audio
from engine.events import BidiAudioInputEvent
from engine.hosts.home import Home
from engine.session import TranslationSession

AHEAD_MAX: Final = 64
"""Frames that may be under way to the Trio thread before a sender waits for it: 1.3 s of 20 ms each."""

_FRAMES_A_CHECKPOINT: Final = 16
"""Frames taken between two looks at the loop's other tasks: a loop over a long recording must let them run."""


class Microphone:
    """The way in for one session's audio.

    Args:
        session: A session of any kind.
        home: Where it lives.
    """

    def __init__(self, session: Any, home: Home) -> None:
        self._session = session
        self._home = home
        # Each is counted by one thread alone.
        self._posted = 0
        self._fed = 0

    async def send(self, audio: bytes | BidiAudioInputEvent) -> None:
        """Send audio; see `BaseSession.send_audio`. Cancelled, it has sent all or nothing."""
        session, thread = self._session, self._home.thread
        session._supervisor.check_live()
        if isinstance(audio, BidiAudioInputEvent):
            data, shape = audio_input(audio, session._audio)
        else:
            check_audio(audio, session._audio)
            data, shape = bytes(audio), None  # The caller may fill the same buffer again before it is read.
        if thread is None or self._must_wait():
            await self._home.cross(partial(session.send_audio, audio))
            return
        self._posted += 1
        thread.post(self._feed, data, shape)
        if self._posted % _FRAMES_A_CHECKPOINT == 0:
            await asyncio.sleep(0)

    def _must_wait(self) -> bool:
        """Tell whether the session has to be asked: it may have no room, or refuse."""
        if self._posted - self._fed >= AHEAD_MAX or not self._session._out.audio.has_room():
            return True
        return isinstance(self._session, TranslationSession) and self._session._translator.finishing

    def _feed(self, data: bytes, shape: Any) -> None:
        self._fed += 1
        session = self._session
        if session._supervisor.state in ("live", "renewing", "reconnecting"):
            session._out.pump.feed(data, shape)

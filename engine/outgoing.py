"""The way out: which lane a message takes, and in which order. Control overtakes audio, but for what belongs behind it.

`input_audio_buffer.commit` and `.clear` speak of the audio before them, so they travel in the audio lane; and while one
of them is on its way, what is sent after it follows it there. They also wait for the control messages that were sent
before them: an item belongs to the turn that it was sent in. Everything else goes ahead of waiting audio; only what the
session begins with goes ahead of all audio.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import trio

from engine import limits
from engine.actors.audio_pump import AudioPump
from engine.config import AudioSettings, EngineSettings
from engine.errors import LimitExceeded, LocalMisuse
from engine.lane import Lane, Queued
from engine.wire.client import (
    ClientEvent,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
)
from engine.wire.codec import encode
from engine.wire.translation import (
    TranslationClientEvent,
    TranslationInputAudioBufferAppend,
    TranslationSessionClose,
)

_BEHIND_AUDIO: Final = (
    InputAudioBufferAppend,
    InputAudioBufferCommit,
    InputAudioBufferClear,
    TranslationInputAudioBufferAppend,
    TranslationSessionClose,
)

APPEND: Final = "append"
COMMIT: Final = "commit"
CLEAR: Final = "clear"
_KINDS_OF_SPEECH: Final = frozenset({APPEND, COMMIT, CLEAR})
"""Kinds of messages in the audio lane that outlive their connection: what was said has no other copy."""

OF_SPEECH: Final = (InputAudioBufferAppend, InputAudioBufferCommit, InputAudioBufferClear)
"""Those messages."""

_MARKER_MS: Final = limits.AUDIO_LANE_S * 1000 / limits.CONTROL_LANE_MESSAGES
"""What a control message weighs in the audio lane: as many fill it as fill the lane that they have to themselves."""


_KINDS: Final[Mapping[type, str]] = {InputAudioBufferCommit: COMMIT, InputAudioBufferClear: CLEAR}


class Outgoing:
    """Both lanes to the sender, and the pump that fills the one for audio.

    Args:
        audio: Formats.
        engine: Frames and policies.
        append_type: Type of the client event that carries audio.
    """

    __slots__ = ("_begun", "_by_hand_ms", "_bytes_per_ms", "_committed_ms", "_is_held", "audio", "control", "pump")

    def __init__(
        self, audio: AudioSettings, engine: EngineSettings, append_type: str = "input_audio_buffer.append"
    ) -> None:
        self.control = Lane(limits.CONTROL_LANE_MESSAGES)
        """Weights are messages."""
        self.audio = Lane(limits.AUDIO_LANE_S * 1000, ahead=self.control)
        """Weights are ms."""
        self.pump = AudioPump(
            self.audio,
            audio,
            engine.input_frame_ms,
            engine.input_overflow,
            fill_silence=engine.fill_silence,
            append_type=append_type,
        )
        """Takes the microphone's audio."""
        self._bytes_per_ms = audio.bytes_per_ms
        self._begun = 0
        self._is_held = False
        self._by_hand_ms = 0.0
        self._committed_ms = 0.0

    @property
    def uncommitted_ms(self) -> float:
        """Audio that was sent since the last turn was ended or taken back by hand."""
        return self.pump.fed_ms + self._by_hand_ms - self._committed_ms

    def check_committable(self) -> None:
        """Make sure that a turn is long enough to be ended by hand.

        Raises:
            LocalMisuse: It is not.
        """
        waiting_ms = self.uncommitted_ms
        if waiting_ms < limits.COMMIT_MIN_MS:
            raise LocalMisuse(
                f"a turn of {waiting_ms:.0f} ms can't be committed | "
                f"the service takes {limits.COMMIT_MIN_MS} ms and more"
            )

    def begin(self, texts: Sequence[str]) -> None:
        """Put what the session begins with, however much it is; audio waits for it."""
        for text in texts:
            self.control.put(text, 1)
        self.audio.follow()
        self._begun = len(texts)

    async def room(self, event: ClientEvent | TranslationClientEvent | None = None) -> None:
        """Wait until a control message may be put; for one that goes behind audio, until that may.

        Whatever is sent while a turn's end is on its way goes behind audio too. While there is no connection, audio
        makes room.
        """
        await self.control.room()
        while self._goes_behind_audio(event) and not self.audio.has_room():
            if self._is_held and self.audio.drop_oldest():
                continue
            await self.audio.room()
            await self.control.room()

    def put(self, event: ClientEvent | TranslationClientEvent) -> None:
        """Add a message. Never waits.

        Raises:
            LimitExceeded: The server does not read what its own events call for.
        """
        text = encode(event)
        match event:
            case InputAudioBufferAppend(audio=audio) | TranslationInputAudioBufferAppend(audio=audio):
                self.pump.flush()
                length_ms = len(audio) * 3 / 4 / self._bytes_per_ms
                self._by_hand_ms += length_ms
                self.audio.put(text, length_ms, kind=APPEND)
            case InputAudioBufferCommit() | InputAudioBufferClear() | TranslationSessionClose():
                if isinstance(event, TranslationSessionClose):
                    self.pump.end_silence()
                self.pump.flush()
                self._committed_ms += self.uncommitted_ms
                self.audio.follow()
                self.audio.put(text, _MARKER_MS, keep=True, kind=_KINDS.get(type(event), ""))
            case _ if self.audio.keeps:
                self._check_stuck(self.audio.kept)
                self.audio.put(text, _MARKER_MS, keep=True)
            case _:
                self._check_stuck(int(self.control.statistics().waiting) - self._begun)
                self.control.put(text, 1)

    def hold(self, holds: bool) -> None:
        """Take audio while there is no connection, the oldest of it dropped at the bound; or go on as before."""
        self._is_held = holds
        self.pump.hold(holds)

    def move(self, texts: Sequence[str], speech: Sequence[Queued]) -> None:
        """Go on over a new connection: what was meant for the old one is forgotten, but for speech.

        Args:
            texts: What goes out before all else.
            speech: Audio, and turns' ends among it, that is sent again before what waits.
        """
        self.control.take_all()
        waiting = [each for each in self.audio.take_all() if each.kind in _KINDS_OF_SPEECH]
        self.begin(texts)
        for each in (*speech, *waiting):
            self.audio.put(each.text, each.weight, keep=each.keep, kind=each.kind)

    async def drain(self, limit_s: float) -> None:
        """Flush the pump, which fills in no more silence, and wait until everything is on the socket.

        Args:
            limit_s: How long to wait at most.
        """
        self.pump.end_silence()
        self.pump.flush()
        if not self.audio.statistics().waiting and not self.control.statistics().waiting:
            return  # As a rule.
        with trio.move_on_after(limit_s):
            await self.audio.emptied()
            await self.control.emptied()

    def close(self) -> None:
        """Take nothing more."""
        self.pump.end()
        self.pump.end()
        self.audio.close()
        self.control.close()

    def _goes_behind_audio(self, event: ClientEvent | TranslationClientEvent | None) -> bool:
        return self.audio.keeps or isinstance(event, _BEHIND_AUDIO)

    def _check_stuck(self, waiting: int) -> None:
        """Whoever sends waits for room; what the server's own events call for does not, and must not pile up."""
        bound = limits.CONTROL_LANE_MESSAGES
        if waiting >= 2 * bound:
            way_out = "the server does not read what it is sent; open a new session"
            raise LimitExceeded("CONTROL_LANE_MESSAGES", bound, waiting, way_out)

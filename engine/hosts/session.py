"""Stand-ins for sessions in an event loop: the same members, while the session itself lives in the Trio thread."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from engine import limits
from engine.audio.shape import Encoding
from engine.event_stream import EventStream
from engine.events import BidiAudioInputEvent, SessionInput
from engine.hosts.errand import at_home
from engine.hosts.held import Held
from engine.hosts.home import Home
from engine.hosts.microphone import Microphone
from engine.hosts.parts import HostedHistory, HostedInput, HostedItems, HostedMcp, HostedPlayback
from engine.hosts.shared_inbox import SharedInbox
from engine.hosts.stand_in import StandIn, crossed, hopped
from engine.hosts.streams import HostedAudioOut, HostedRaw, HostedResponses
from engine.hosts.tools import HostedTools
from engine.inbox import Inbox
from engine.recording import AudioKept, Recorder
from engine.recording.recorder import RECORDING_MAX_BYTES
from engine.session import Session, Spawn, TranscriptionSession, TranslationSession
from engine.session.base import BaseSession
from engine.session.tools import Toolbox
from engine.transport.base import Connector

S = TypeVar("S", bound=BaseSession)


class HostedBase(StandIn[S], Generic[S]):
    """What stand-ins of all kinds of sessions share.

    Args:
        session: Not started yet; its inbox is a `SharedInbox`.
    """

    def __init__(self, session: S) -> None:
        super().__init__(session, Home(session))
        self.raw = HostedRaw(session.raw, self._home)
        self._microphone = Microphone(session, self._home)

    @property
    def connection_id(self) -> str:
        """Names the session."""
        return self._it.connection_id

    @property
    def inbox(self) -> Inbox:
        """What waits for `receive()`."""
        return self._it.inbox

    async def start(self, spawn: Spawn | None = None) -> None:  # noqa: ARG002 - where it runs is not the caller's choice
        """Connect and configure; see `BaseSession.start`."""
        await self._home.start()

    async def stop(self) -> None:
        """End the session; see `BaseSession.stop`."""
        await self._home.stop()

    async def send_audio(self, audio: bytes | BidiAudioInputEvent) -> None:
        """Send microphone audio; see `BaseSession.send_audio`."""
        await self._microphone.send(audio)

    def receive(self) -> EventStream:
        """Iterate over the session's events; see `BaseSession.receive`."""
        return EventStream(lambda: self._it.inbox)

    def record(
        self, path: str | Path | Recorder, *, audio: AudioKept = "whole", max_bytes: int = RECORDING_MAX_BYTES
    ) -> AbstractAsyncContextManager[Recorder]:
        """Record every message both ways; see `BaseSession.record`."""
        return Held(self._it.record(path, audio=audio, max_bytes=max_bytes))


class HostedSpeaking(HostedBase[S], Generic[S]):
    """What stand-ins of sessions share whose service speaks."""

    _it: Any

    def audio_out(
        self,
        frame_ms: int = 20,
        *,
        rate: int | None = None,
        channels: int = 1,
        format: Encoding = "pcm",
        prebuffer_ms: int = limits.AUDIO_OUT_PREBUFFER_MS,
    ) -> HostedAudioOut:
        """Hear the model in real time; see `SpeakingSession.audio_out`."""
        shape = {"rate": rate, "channels": channels, "format": format, "prebuffer_ms": prebuffer_ms}
        return HostedAudioOut(self._home.hop(partial(self._it.audio_out, frame_ms, **shape)), self._home)


class HostedSession(HostedSpeaking[Session]):
    """Stands in for `engine.session.session.Session`."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.input = HostedInput(session.input, self._home)
        self.playback = HostedPlayback(session.playback, self._home)
        self.items = HostedItems(session.items, self._home)
        self.responses = HostedResponses(session.responses, self._home)
        self.mcp = HostedMcp(session.mcp, self._home)
        self._history = HostedHistory(session.history, self._home)
        self._tools: HostedTools | None = None

    config = property(lambda self: self._it.config)
    settings = property(lambda self: self._it.settings)
    history = property(lambda self: self._history)
    turns = property(lambda self: self._it.turns)
    rate_limits = property(lambda self: self._it.rate_limits)
    update = crossed(Session.update)
    interrupt = crossed(Session.interrupt)
    statistics = hopped(Session.statistics)
    cost = hopped(Session.cost)

    async def send(self, content: SessionInput) -> None:
        """Send text, audio, a tool result, or an image; see `Session.send`."""
        if isinstance(content, BidiAudioInputEvent):
            await self._microphone.send(content)
        else:
            await self._home.cross(partial(self._it.send, content))

    def run(self, tools: Toolbox) -> EventStream:
        """Receive events while tools run, their functions in this event loop; see `Session.run`."""
        hosted = self._tools
        if hosted is None or hosted.tools is not tools:
            hosted = HostedTools(tools, self._home, self)
        self._home.hop(partial(self._it.run, hosted))
        self._tools = hosted
        return self.receive()


class HostedTranscription(HostedBase[TranscriptionSession]):
    """Stands in for `engine.session.transcription.TranscriptionSession`."""

    config = property(lambda self: self._it.config)
    commit = crossed(TranscriptionSession.commit)
    clear = crossed(TranscriptionSession.clear)

    async def update(self, **changes: Any) -> None:
        """Change settings while it runs; see `TranscriptionSession.update`."""
        await self._home.cross(partial(self._it.update, **changes))


class HostedTranslation(HostedSpeaking[TranslationSession]):
    """Stands in for `engine.session.translation.TranslationSession`."""

    config = property(lambda self: self._it.config)
    finish = crossed(TranslationSession.finish)

    async def update(self, **changes: Any) -> None:
        """Change settings while it runs; see `TranslationSession.update`."""
        await self._home.cross(partial(self._it.update, **changes))


_STAND_INS: Final[Mapping[type, Callable[[Any], Any]]] = {
    Session: HostedSession,
    TranscriptionSession: HostedTranscription,
    TranslationSession: HostedTranslation,
}


def stand_in_for(kind: Any, config: Any, connector: Connector | None) -> Any:
    """Make a session that will live in the Trio thread, and give its stand-in for this event loop.

    Raises:
        ConfigError: As the session's own constructor.
    """
    return _STAND_INS[kind](kind(at_home(config), connector, inbox=SharedInbox))

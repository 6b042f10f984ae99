"""A session: what an application holds in its hands while a person and a model talk."""

import uuid
from typing import Final

import trio

from engine import limits
from engine.actors.audio_out import AudioOut
from engine.audio.pcm import G711_RATE_HZ
from engine.audio.shape import AudioShape, Encoding
from engine.config import SessionConfig
from engine.content import audio_input, check_audio, check_text
from engine.errors import UnsupportedContent
from engine.event_stream import EventStream
from engine.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiImageInputEvent,
    BidiTextInputEvent,
    SessionInput,
    ToolResultEvent,
)
from engine.inbox import Inbox
from engine.outgoing import Outgoing
from engine.protocol.conversation import Conversation
from engine.protocol.effects import AudioDone, PurgeAudio
from engine.protocol.history import History
from engine.raw import Raw
from engine.session.input import SpokenInput
from engine.session.playback import SessionPlayback
from engine.session.speaker import Speaker
from engine.session.statistics import SessionStatistics
from engine.session.supervisor import Plan, Spawn, Supervisor
from engine.transport import trio_ws
from engine.transport.base import Connector, Endpoint
from engine.wire.client import ClientEvent
from engine.wire.codec import encode

_FEEDS_A_CHECKPOINT: Final = 16
"""Audio frames taken between two full checkpoints: a loop over a long recording must let other tasks run."""


class Session:
    """One conversation over one connection. Made by `open_session`.

    Args:
        config: What the session is.
        connector: How to connect; the network when None.
    """

    def __init__(self, config: SessionConfig, connector: Connector | None = None) -> None:
        self.config = config
        self.connection_id = str(uuid.uuid4())
        """Names the session."""
        self._conversation = Conversation(config, self.connection_id)
        self._speaker = Speaker(config.audio, self._conversation.playback)
        self.inbox = Inbox(
            config.engine.inbox_max_bytes,
            config.engine.inbox_overflow,
            taken={BidiAudioStreamEvent: self._speaker.taken},
            lost=self._speaker.lost,
        )
        """What waits for `receive()`."""
        self._out = Outgoing(config)
        self.raw: Raw = Raw(self._send_raw)
        """Typed wire events, both ways."""
        plan = Plan(
            connection_id=self.connection_id,
            engine=config.engine,
            lifetime_s=config.client.timeout_s,
            connector=connector or trio_ws.connect,
            endpoint=self._endpoint,
        )
        self._supervisor = Supervisor(
            plan,
            self._conversation,
            inbox=self.inbox,
            out=self._out,
            raw=self.raw,
            carry={PurgeAudio: self._purge, AudioDone: self._speaker.done, BidiAudioStreamEvent: self._speaker.play},
        )
        self._speaker.put = self._supervisor.deliver
        self._supervisor.when_over(self._over)
        self.input = SpokenInput(self._conversation, self._out, self._supervisor)
        """Turns by hand."""
        self.playback = SessionPlayback(self._conversation.playback)
        """What the user has heard."""
        self._feeds = 0
        self._stopping = False

    async def _endpoint(self) -> Endpoint:
        client = self.config.client
        return Endpoint(url=client.url(self.config.model), headers=client.headers(), ssl_context=client.ssl_context)

    @property
    def history(self) -> History:
        """The server's items, mirrored."""
        return self._conversation.history

    async def start(self, spawn: Spawn) -> None:
        """Connect and configure; returns when the service has opened the session.

        Args:
            spawn: Starts the supervisor, which never raises what the session can report.

        Raises:
            ConnectionLost: No connection could be made.
            DeadlinePassed: It took longer than `connect_deadline_s`.
            ServerReported: The service refused, as with a bad key.
            UnsupportedContent: The history holds what the service can't take.
        """
        await self._supervisor.start(spawn)

    async def stop(self) -> None:
        """End the session: flush, close, leave nothing behind. Takes at most `close_deadline_s`; may be repeated.

        Audio that was not received yet is dropped and counted; other events can still be read.
        """
        self._stopping = True
        self.inbox.purge_audio()
        self._speaker.end(at_once=True)
        await self._supervisor.stop()

    # --- talking ----------------------------------------------------------------------------------------------

    async def send(self, content: SessionInput) -> None:
        """Send text, audio, a tool result, or (by opt-in) an image. Cancelled, it has sent all or nothing.

        Raises:
            UnsupportedContent: It can't be sent; the text says what can.
            NotStarted: The session is not open yet.
            SessionEnded: The session is over.
            LimitExceeded: Too much audio waits for the socket, with `input_overflow="fail"`.
        """
        self._supervisor.check_live()
        if isinstance(content, BidiAudioInputEvent):
            await self._feed(*audio_input(content, self.config.audio))
        elif isinstance(content, (BidiTextInputEvent, BidiImageInputEvent, ToolResultEvent)):
            check_text(content)
            await self._supervisor.submit(lambda now: self._conversation.submit(content, now))
        else:
            # Callers without a type checker come here.
            ways = "BidiTextInputEvent, BidiAudioInputEvent, BidiImageInputEvent or ToolResultEvent"  # type: ignore[unreachable]
            raise UnsupportedContent(f"content_type={type(content).__name__} | content not supported; send {ways}")

    async def send_audio(self, audio: bytes) -> None:
        """Send microphone audio, as `send` does with a `BidiAudioInputEvent` but without base64.

        Args:
            audio: In the shape of `config.audio`, any whole number of samples.

        Raises:
            UnsupportedContent: It ends inside a sample.
            SessionEnded: The session is over.
            LimitExceeded: It is over `limits.APPEND_MAX_BYTES`; or too much audio waits for the socket, with
                `input_overflow="fail"`.
        """
        self._supervisor.check_live()
        check_audio(audio, self.config.audio)
        await self._feed(audio)

    async def _feed(self, audio: bytes, shape: AudioShape | None = None) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._out.pump.room()
        self._supervisor.check_live()
        self._out.pump.feed(audio, shape)
        self._feeds += 1
        if self._feeds % _FEEDS_A_CHECKPOINT == 0:
            await trio.lowlevel.cancel_shielded_checkpoint()

    def audio_out(
        self,
        frame_ms: int = 20,
        *,
        rate: int | None = None,
        channels: int = 1,
        format: Encoding = "pcm",
        prebuffer_ms: int = limits.AUDIO_OUT_PREBUFFER_MS,
    ) -> AudioOut:
        """Hear the model in real time: frames of one length, each when it is due, silence where there is no speech.

        An interruption empties it at once. It is beside `receive()`, which goes on to give the same audio as it comes.
        The first that is open tells `playback` what was heard, to the sample.

        Args:
            frame_ms: Length of a frame.
            rate: Samples a second, 8000 to 48000; the format's own when None.
            channels: 1, or 2 with their samples in turn.
            format: `pcm` (PCM16), `pcmu` or `pcma` (G.711).
            prebuffer_ms: Speech that must be there before an answer begins to sound.

        Returns:
            An asynchronous iterator of frames, as bytes. Close it when you leave it before the session's end.

        Raises:
            ConfigError: A setting is not possible, or needs the extra `audio`.
        """
        own_hz = limits.WIRE_RATE_HZ if format == "pcm" else G711_RATE_HZ
        return self._speaker.open(AudioShape(format, rate or own_hz, channels), frame_ms, prebuffer_ms)

    def receive(self) -> EventStream:
        """Iterate over the session's events, until its close event. What is not taken stays for the next call.

        Raises:
            BidiModelTimeoutError: The session's lifetime is over.
            ConnectionLost: The connection broke.
            ServerReported: The service ended the session with an error.
            LimitExceeded: A bound was passed whose policy ends the session.
        """
        return EventStream(lambda: self.inbox)

    async def interrupt(self) -> None:
        """Make the model fall silent, as when the user presses a key to speak.

        The active response is cancelled, audio that waits is dropped, the service is told what was heard, and
        `receive()` gives a `BidiInterruptionEvent`, as if the service had heard the user speak.

        Raises:
            SessionEnded: The session is over.
        """
        await self._supervisor.submit(self._conversation.interrupt)

    async def _send_raw(self, event: ClientEvent) -> None:
        self._supervisor.check_live()
        encode(event)  # What can't be written must not count as sent.
        await self._supervisor.submit(lambda now: self._conversation.sent_by_hand(event, now), event)

    def _purge(self, effect: PurgeAudio) -> None:
        self.inbox.purge_audio(effect.kept)
        self._speaker.purge(effect)

    def _over(self) -> None:
        # Who is told that the session broke hears what came before it; who has stopped it wants no more.
        self._speaker.end(at_once=self._stopping)

    # --- figures ----------------------------------------------------------------------------------------------

    def statistics(self) -> SessionStatistics:
        """Give a snapshot."""
        traffic = self._supervisor.traffic
        return SessionStatistics(
            connection_id=self.connection_id,
            state=self._supervisor.state,
            age_s=self._supervisor.age_s,
            messages_received=traffic.messages,
            events_received=traffic.events.snapshot(),
            audio_fed_ms=self._out.pump.fed_ms,
            audio_received_ms=traffic.audio_chars * 3 / 4 / self.config.audio.bytes_per_ms,
            inbox=self.inbox.statistics(),
            control_lane=self._out.control.statistics(),
            audio_lane=self._out.audio.statistics(),
            conversation=self._conversation.statistics(),
            transport=self._supervisor.transport_statistics(),
        )

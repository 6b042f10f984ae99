"""What sessions of every kind share: audio in, events out, start and stop, the raw wire."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from engine.actors.receiver import Decode
from engine.audio.shape import AudioShape
from engine.config import AudioSettings, ClientSettings, EngineSettings
from engine.content import audio_input, check_audio
from engine.dispatch import Handles
from engine.event_stream import EventStream
from engine.events import BidiAudioInputEvent, BidiAudioStreamEvent
from engine.inbox import Inbox
from engine.limits import APPEND_MAX_BYTES
from engine.outgoing import Outgoing
from engine.raw import Raw
from engine.recording import AudioKept, Recorder
from engine.recording.recorder import RECORDING_MAX_BYTES
from engine.session.plan import Core, Plan
from engine.session.recording import recorded
from engine.session.supervisor import Spawn, Supervisor
from engine.telemetry import SessionMeter
from engine.transport.base import Connector, Endpoint
from engine.transport.masked import masking
from engine.transport.network import network
from engine.wire.codec import decode_client, decode_server, encode

_FEEDS_A_CHECKPOINT: Final = 16
"""Audio frames taken between two full checkpoints: a loop over a long recording must let other tasks run."""


@attrs.frozen(kw_only=True)
class Dialect:
    """How a kind of session speaks on the wire.

    Attributes:
        decode: Reads a server message.
        decode_sent: Reads a client message, for those who look at the raw events.
        append_type: Type of the client event that carries audio.
    """

    decode: Decode = decode_server
    decode_sent: Decode = decode_client
    append_type: str = "input_audio_buffer.append"


@attrs.frozen(kw_only=True)
class Hooks:
    """What one kind of session does that others don't.

    Attributes:
        carriers: Carry out effects, as their classes say.
        taken: Told of events of these classes, and of the time, when the application takes them.
        lost: Told of audio that was dropped before.
        meter: Watches the wire.
    """

    carriers: Sequence[Handles] = ()
    taken: Mapping[type, Callable[[Any, float], None]] = attrs.field(factory=dict)
    lost: Callable[[BidiAudioStreamEvent], None] | None = None
    meter: SessionMeter | None = None


class BaseSession:
    """One session, over one connection after another.

    Args:
        core: What it is about.
        connection_id: Names it.
        model: Told in recordings.
        audio: Formats.
        client: Whom it talks to.
        engine: How it runs.
        endpoint: Where it connects.
        connector: How; the network when None.
        dialect: How it speaks.
        hooks: What is its own.
        inbox: Class of the inbox.
    """

    def __init__(
        self,
        core: Core,
        *,
        connection_id: str,
        model: str,
        audio: AudioSettings,
        client: ClientSettings,
        engine: EngineSettings,
        endpoint: Callable[[], Awaitable[Endpoint]],
        connector: Connector | None,
        dialect: Dialect,
        hooks: Hooks,
        inbox: type[Inbox] = Inbox,
    ) -> None:
        self.connection_id = connection_id
        """Names the session."""
        self._core = core
        self._audio = audio
        self._frame_bytes = audio.input_shape.frame_bytes
        self._client = client
        self._model = model
        self.inbox = inbox(engine.inbox_max_bytes, engine.inbox_overflow, taken=hooks.taken, lost=hooks.lost)
        """What waits for `receive()`."""
        self._out = Outgoing(audio, engine, dialect.append_type)
        self.raw: Raw = Raw(self._send_raw)
        """Typed wire events, both ways."""
        plan = Plan(
            connection_id=connection_id,
            engine=engine,
            lifetime_s=client.timeout_s,
            connector=masking(connector or network(engine.transport)),
            endpoint=endpoint,
            decode=dialect.decode,
            decode_sent=dialect.decode_sent,
            moves=client.call_id is None,
        )
        self._supervisor = Supervisor(
            plan, core, inbox=self.inbox, out=self._out, raw=self.raw, carriers=hooks.carriers, meter=hooks.meter
        )
        self._feeds = 0

    async def start(self, spawn: Spawn) -> None:
        """Connect and configure; returns when the service has opened the session.

        Args:
            spawn: Starts the supervisor, which never raises what the session can report.

        Raises:
            ConfigError: The key can't be had or sent.
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
        self.inbox.purge_audio()
        await self._supervisor.stop()

    async def send_audio(self, audio: bytes | BidiAudioInputEvent) -> None:
        """Send microphone audio. Cancelled, it has sent all or nothing.

        Args:
            audio: Bytes in the shape of `config.audio`, any whole number of samples; or an event, in any shape that it
                names.

        Raises:
            UnsupportedContent: It can't be read or converted, or ends inside a sample.
            NotStarted: The session is not open yet.
            SessionEnded: The session is over.
            LimitExceeded: It is over `limits.APPEND_MAX_BYTES`; or too much audio waits for the socket, with
                `input_overflow="fail"`.
        """
        # The hot path, once for each microphone frame: a coroutine for each part would cost more than the part.
        self._supervisor.check_live()
        shape: AudioShape | None = None
        if isinstance(audio, BidiAudioInputEvent):
            audio, shape = audio_input(audio, self._audio)
        elif type(audio) is not bytes or len(audio) % self._frame_bytes or len(audio) > APPEND_MAX_BYTES:
            check_audio(audio, self._audio)
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self._out.audio.has_room():
            await self._out.pump.room()
        self._supervisor.check_sendable()  # Not before: who is cancelled with the session is told that alone.
        self._out.pump.feed(audio, shape)
        self._feeds += 1
        if self._feeds % _FEEDS_A_CHECKPOINT == 0:
            await trio.lowlevel.cancel_shielded_checkpoint()

    def receive(self) -> EventStream:
        """Iterate over the session's events, until its close event. What is not taken stays for the next call.

        Raises:
            BidiModelTimeoutError: The connection's lifetime is over, with `on_timeout="raise"`.
            ConnectionLost: The connection broke, and could not be made anew.
            ServerReported: The service ended the session with an error.
            LimitExceeded: A bound was passed whose policy ends the session.
        """
        return EventStream(lambda: self.inbox)

    def record(
        self, path: str | Path | Recorder, *, audio: AudioKept = "whole", max_bytes: int = RECORDING_MAX_BYTES
    ) -> AbstractAsyncContextManager[Recorder]:
        """Record every message both ways, from now on, for the length of a block. Never a key.

        Args:
            path: The file; compressed when its name ends in `.gz`, and replaced when it is there. Or a recorder, whose
                own settings then count.
            audio: What is kept of audio: `whole`, `cut` or `none`.
            max_bytes: Largest file; the recording ends at it.

        Raises:
            ConfigError: The file can't be written.
            LocalMisuse: The recorder was used before.
        """
        recorder = path if isinstance(path, Recorder) else Recorder(path, audio=audio, max_bytes=max_bytes)
        secrets = [self._client.api_key] if isinstance(self._client.api_key, str) else []
        recorder.about(model=self._model, url=self._client.base_url, secrets=secrets)
        return recorded(self._supervisor, recorder)

    async def _send_raw(self, event: Any) -> None:
        self._supervisor.check_live()
        encode(event)  # What can't be written must not count as sent.
        await self._supervisor.connected(event)  # Nobody could tell it again to another connection.
        await self._supervisor.submit(lambda now: self._core.sent_by_hand(event, now), event)


def new_id() -> str:
    """Make a name for a session."""
    return str(uuid.uuid4())

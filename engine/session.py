"""A session: wires conversation, actors, lanes and inbox together and supervises them; `open_session`."""

import logging
import math
import traceback
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, cast

import attrs
import trio

from engine.actors.receiver import receiver
from engine.actors.sender import sender
from engine.actors.watchdog import Watchdog, deadline
from engine.blocks import block_nursery
from engine.config import SessionConfig
from engine.content import audio_bytes, check_text, check_whole_samples
from engine.errors import (
    BidiModelTimeoutError,
    ConnectionLost,
    EngineError,
    LimitExceeded,
    NotStarted,
    SessionEnded,
    UnsupportedContent,
)
from engine.event_stream import EventStream
from engine.events import (
    BidiAudioInputEvent,
    BidiConnectionCloseEvent,
    BidiImageInputEvent,
    BidiOutputEvent,
    BidiTextInputEvent,
    CloseReason,
    SessionInput,
    ToolResultEvent,
)
from engine.inbox import Inbox, InboxStatistics
from engine.lane import LaneStatistics
from engine.outgoing import Outgoing
from engine.protocol.conversation import Conversation, ConversationStatistics
from engine.protocol.effects import Effect, End, Opened, PurgeAudio, Rearm, Transmit
from engine.protocol.history import History
from engine.raw import Raw
from engine.traffic import Traffic
from engine.transport import trio_ws
from engine.transport.base import Connector, Endpoint, Transport, TransportStatistics
from engine.wire.client import ClientEvent
from engine.wire.codec import encode

logger = logging.getLogger(__name__)

Spawn = Callable[[Callable[[], Awaitable[None]]], None]
"""Starts the supervisor's task."""

_FEEDS_A_CHECKPOINT: Final = 16
"""Audio frames taken between two full checkpoints: a loop over a long recording must let other tasks run."""


@attrs.frozen(kw_only=True)
class SessionStatistics:
    """A snapshot of a session.

    Attributes:
        connection_id: As in the session's first event.
        state: `new`, `connecting`, `live`, `closing` or `closed`.
        age_s: Seconds since the connection was begun, until the session's end.
        messages_received: Server messages, those that could not be read included.
        events_received: Server events by type.
        audio_fed_ms: Microphone audio taken.
        audio_received_ms: The model's audio received.
        inbox: What waits for `receive()`.
        control_lane: Control messages that wait for the socket; weights are messages.
        audio_lane: Audio that waits for the socket; weights are ms.
        conversation: The conversation's own figures.
        transport: Bytes, once connected.
    """

    connection_id: str
    state: str
    age_s: float
    messages_received: int
    events_received: Mapping[str, int]
    audio_fed_ms: float
    audio_received_ms: float
    inbox: InboxStatistics
    control_lane: LaneStatistics
    audio_lane: LaneStatistics
    conversation: ConversationStatistics
    transport: TransportStatistics | None


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
        self._connector = connector or trio_ws.connect
        self._conversation = Conversation(config, self.connection_id)
        self.inbox = Inbox(config.engine.inbox_max_bytes, config.engine.inbox_overflow)
        """What waits for `receive()`."""
        self._out = Outgoing(config)
        self._transport: Transport | None = None
        self._watchdog: Watchdog | None = None
        self._begin: Sequence[str] = ()
        self._connecting = trio.CancelScope()
        self._started_at = 0.0
        self._closed_at: float | None = None
        self._end: End | None = None
        self._error: BaseException | None = None
        self._opened = False
        self._link_is_down = False
        self._settled = trio.Event()
        self._ending = trio.Event()
        self._ended = trio.Event()
        self._state = "new"
        self._feeds = 0
        self._special: dict[type, Callable[..., None]] = {
            Transmit: self._transmit,
            PurgeAudio: self._purge,
            Rearm: self._rearm,
            Opened: self._open,
            End: self._finish,
        }
        self.raw: Raw = Raw(self._send_raw)
        """Typed wire events, both ways."""
        self._traffic = Traffic(self._conversation, self.raw)

    # --- for the application ----------------------------------------------------------------------------------

    @property
    def history(self) -> History:
        """The server's items, mirrored."""
        return self._conversation.history

    async def send(self, content: SessionInput) -> None:
        """Send text, audio, a tool result, or (by opt-in) an image. Cancelled, it has sent all or nothing.

        Raises:
            UnsupportedContent: It can't be sent; the text says what can.
            NotStarted: The session is not open yet.
            SessionEnded: The session is over.
            LimitExceeded: Too much audio waits for the socket, with `input_overflow="fail"`.
        """
        self._check_live()
        if isinstance(content, BidiAudioInputEvent):
            await self.send_audio(audio_bytes(content, self.config.audio))
        elif isinstance(content, (BidiTextInputEvent, BidiImageInputEvent, ToolResultEvent)):
            check_text(content)
            await self._submit(lambda now: self._conversation.submit(content, now))
        else:
            # Callers without a type checker come here.
            ways = "BidiTextInputEvent, BidiAudioInputEvent, BidiImageInputEvent or ToolResultEvent"  # type: ignore[unreachable]
            raise UnsupportedContent(f"content_type={type(content).__name__} | content not supported; send {ways}")

    async def send_audio(self, audio: bytes) -> None:
        """Send microphone audio, as `send` does with a `BidiAudioInputEvent` but without base64.

        Args:
            audio: In the format of `config.audio`, any whole number of samples.

        Raises:
            UnsupportedContent: It ends inside a sample.
            SessionEnded: The session is over.
            LimitExceeded: Too much audio waits for the socket, with `input_overflow="fail"`.
        """
        self._check_live()
        check_whole_samples(audio, self.config.audio)
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._out.pump.room()
        self._check_live()
        self._out.pump.feed(audio)
        self._feeds += 1
        if self._feeds % _FEEDS_A_CHECKPOINT == 0:
            await trio.lowlevel.cancel_shielded_checkpoint()

    def receive(self) -> EventStream:
        """Iterate over the session's events, until its close event. What is not taken stays for the next call.

        Raises:
            BidiModelTimeoutError: The session's lifetime is over.
            ConnectionLost: The connection broke.
            ServerReported: The service ended the session with an error.
            LimitExceeded: A bound was passed whose policy ends the session.
        """
        return EventStream(lambda: self.inbox)

    def statistics(self) -> SessionStatistics:
        """Give a snapshot."""
        audio = self.config.audio
        return SessionStatistics(
            connection_id=self.connection_id,
            state=self._state,
            age_s=self._age_s(),
            messages_received=self._traffic.messages,
            events_received=self._traffic.events.snapshot(),
            audio_fed_ms=self._out.pump.fed_ms,
            audio_received_ms=self._traffic.audio_chars * 3 / 4 / audio.bytes_per_ms,
            inbox=self.inbox.statistics(),
            control_lane=self._out.control.statistics(),
            audio_lane=self._out.audio.statistics(),
            conversation=self._conversation.statistics(),
            transport=self._transport.statistics() if self._transport is not None else None,
        )

    def _age_s(self) -> float:
        if self._state == "new":
            return 0.0
        return (trio.current_time() if self._closed_at is None else self._closed_at) - self._started_at

    async def stop(self) -> None:
        """End the session: flush, close, leave nothing behind. Takes at most `close_deadline_s`; may be repeated.

        Audio that was not received yet is dropped and counted; other events can still be read.
        """
        self.inbox.purge_audio()
        self._finish(End("client_disconnect"))
        if self._state == "new":
            self._state = "closed"
            self._closed_at = self._started_at
            self.raw.close()
            self._ended.set()
        with trio.CancelScope(shield=True):
            # Bounded: the supervisor's own cleanup has a deadline.
            await self._ended.wait()

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
        # Encoded here: what can't be sent fails before anything is connected.
        self._begin = [encode(effect.event) for effect in self._conversation.begin() if isinstance(effect, Transmit)]
        self._state = "connecting"
        self._started_at = trio.current_time()
        spawn(self._supervise)
        try:
            await self._settled.wait()
        except BaseException:
            await self.stop()
            raise
        if not self._opened:
            await self.stop()
            raise self._error or SessionEnded(self._reason())

    # --- supervision ------------------------------------------------------------------------------------------

    @trio.lowlevel.enable_ki_protection
    async def _supervise(self) -> None:
        # Ctrl-C is kept out of this task and the actors, as in them it would be a crash: it goes to the main task.
        try:
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                await self._link(nursery)
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            bugs, rest = group.split(Exception)
            if bugs is not None:
                self._crashed(bugs)
            if rest is not None:
                raise rest from None
        finally:
            self._finish(End("client_disconnect"))
            self._state = "closed"
            self._closed_at = trio.current_time()
            self.raw.close()
            self._ended.set()
            logger.info("session %s closed: %s", self.connection_id, self._reason())

    def _crashed(self, bugs: BaseExceptionGroup[BaseException]) -> None:
        """A bug of ours: it ends the session and reaches whoever receives."""
        # Not what it says: that may quote what somebody said.
        logger.error("session %s crashed: %s", self.connection_id, "; ".join(_leaves(bugs)))
        error: BaseException = bugs
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        self._finish(End("error"), error)

    async def _link(self, nursery: trio.Nursery) -> None:
        """Live one connection, from the first packet to the last."""
        limit_s, close_by = self.config.engine.close_deadline_s, math.inf
        try:
            with self._connecting:
                await self._connect(nursery)
            if self._end is None:
                self._state = "live"
                await self._ending.wait()
            close_by = trio.current_time() + limit_s
            await self._drain(limit_s / 2)
        finally:
            self._state = "closing"
            await self._close(max(0.0, min(limit_s, close_by - trio.current_time())))

    async def _connect(self, nursery: trio.Nursery) -> None:
        config = self.config
        try:
            with deadline("connect", config.engine.connect_deadline_s):
                endpoint = Endpoint(
                    url=config.client.url(config.model),
                    headers=config.client.headers(),
                    ssl_context=config.client.ssl_context,
                )
                self._transport = await self._connector(nursery, endpoint)
                self._start_actors(nursery, self._transport)
                await self._settled.wait()
        except EngineError as error:
            self._finish(End("error", error))

    def _start_actors(self, nursery: trio.Nursery, transport: Transport) -> None:
        self._out.begin(self._begin)
        self._begin = ()
        self._watchdog = Watchdog(
            self._conversation, self._apply, self._started_at + self.config.client.timeout_s, self._lifetime_over
        )
        nursery.start_soon(self._run_receiver, transport, name="engine receiver")
        nursery.start_soon(self._run_sender, transport, name="engine sender")
        nursery.start_soon(self._out.pump.run, name="engine audio pump")
        nursery.start_soon(self._watchdog.run, name="engine watchdog")

    @trio.lowlevel.enable_ki_protection
    async def _run_receiver(self, transport: Transport) -> None:
        await receiver(
            transport,
            self._traffic,
            self._apply,
            room=self.inbox.has_room,
            wait_for_room=self.inbox.room,
            message_max_bytes=self.config.engine.message_max_bytes,
            on_lost=self._lost,
        )

    async def _run_sender(self, transport: Transport) -> None:
        await sender(
            transport, self._out.control, self._out.audio, on_sent=self._traffic.sent, on_lost=self._cannot_send
        )

    @trio.lowlevel.enable_ki_protection
    async def _cannot_send(self, lost: ConnectionLost) -> None:
        """Leave the end to the receiver, which reads what came before it and sees the close code."""
        self._link_is_down = True
        await trio.sleep(self.config.engine.close_deadline_s)
        self._lost(lost)

    async def _drain(self, limit_s: float) -> None:
        """Send what waits; a cancelled session does not."""
        if self._opened and not self._link_is_down:
            await self._out.drain(limit_s)

    async def _close(self, limit_s: float) -> None:
        """Say goodbye, drop the connection: bounded, whatever is cancelled."""
        self._out.close()
        if self._transport is not None:
            with trio.CancelScope(shield=True):
                await self._transport.close(limit_s)

    def _finish(self, end: End, crash: BaseException | None = None) -> None:
        """The session is over; only the first reason counts."""
        if self._end is not None:
            return
        self._end = end
        self._error = crash or end.error
        if self._error is None:
            self.inbox.close(last=BidiConnectionCloseEvent(self.connection_id, end.reason))
        else:
            self.inbox.close(self._error)
        self._ending.set()
        self._settled.set()
        if not self._opened:
            self._connecting.cancel()

    def _reason(self) -> CloseReason:
        return cast("End", self._end).reason

    # --- what actors call -------------------------------------------------------------------------------------

    def _apply(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            special = self._special.get(type(effect))
            if special is not None:
                special(effect)
                continue
            try:
                self.inbox.put(cast("BidiOutputEvent", effect))
            except LimitExceeded as error:
                self._finish(End("error", error))

    def _transmit(self, effect: Transmit) -> None:
        if self._end is not None:
            return
        try:
            self._out.put(effect.event)
        except LimitExceeded as error:
            self._finish(End("error", error))

    def _rearm(self, _: Rearm) -> None:
        # The conversation has a say only once its actors run.
        cast("Watchdog", self._watchdog).rearm()

    def _purge(self, effect: PurgeAudio) -> None:
        self.inbox.purge_audio(effect.kept)

    def _open(self, _: Opened) -> None:
        if self._end is not None:  # `stop` came before the service's answer.
            return
        self._opened = True
        self._settled.set()
        logger.info("session %s open after %.3f s", self.connection_id, trio.current_time() - self._started_at)

    def _lost(self, lost: ConnectionLost) -> None:
        self._link_is_down = True
        self._apply(self._conversation.link_ended(lost))

    def _lifetime_over(self) -> None:
        timeout_s = self.config.client.timeout_s
        error = BidiModelTimeoutError(f"timeout_s={timeout_s} has passed")
        error.limit_s = timeout_s
        self._finish(End("timeout", error))

    async def _send_raw(self, event: ClientEvent) -> None:
        self._check_live()
        encode(event)  # What can't be written must not count as sent.
        await self._submit(lambda now: self._conversation.sent_by_hand(event, now), event)

    async def _submit(self, content: Callable[[float], Sequence[Effect]], event: ClientEvent | None = None) -> None:
        """Let the conversation take something when there is room: all or nothing."""
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._out.room(event)
        self._check_live()
        self._apply(content(trio.current_time()))
        await trio.lowlevel.cancel_shielded_checkpoint()

    def _check_live(self) -> None:
        if self._end is not None:
            raise SessionEnded(self._reason()) from self._error
        if not self._opened:
            raise NotStarted("the session is not open yet | call start before sending, and let it return")


def _leaves(error: BaseException) -> Iterator[str]:
    """Tell an exception, or each of a group, by its type and where it was raised, innermost frame last."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
        return
    frames = (f"{frame.f_code.co_filename}:{line}" for frame, line in traceback.walk_tb(error.__traceback__))
    yield f"{type(error).__name__} at {' > '.join(frames)}"


@asynccontextmanager
async def open_session(
    config: SessionConfig | None = None, *, connector: Connector | None = None
) -> AsyncIterator[Session]:
    """Open a session for the length of a block.

    Args:
        config: What the session is; the defaults and the environment when None.
        connector: How to connect; the network when None.

    Yields:
        The session, open and configured.

    Raises:
        EngineError: As `Session.start` tells.
    """
    session = Session(config or SessionConfig(), connector)
    async with block_nursery() as nursery:
        await session.start(lambda supervise: nursery.start_soon(supervise, name="engine session"))
        try:
            yield session
        finally:
            await session.stop()

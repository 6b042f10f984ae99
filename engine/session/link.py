"""A link: one connection with the actors that live on it, in a nursery of its own."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, cast

import trio

from engine.actors.liveness import pulse
from engine.actors.receiver import Listener, Receiver
from engine.actors.sender import OnSent, Sender
from engine.actors.watchdog import Watchdog, deadline
from engine.errors import ConnectionLost, DeadlinePassed, EngineError
from engine.inbox import Inbox
from engine.outgoing import Outgoing
from engine.protocol.effects import Effect
from engine.session.plan import Plan
from engine.session.prelude import Postlude, Prelude
from engine.traffic import LinkChange, Traffic
from engine.transport.base import Transport, TransportStatistics
from engine.waiting.latch import Latch

OnLost = Callable[["Link", EngineError], None]

_TICKS: Final = 3
"""Rounds of the scheduler in which a receiver that has something to read reads some of it."""


class Link:
    """One connection.

    Args:
        plan: How to make it.
        number: Of the connection in its session, from 1.
        watchdog: The session's; wakes it when a ping is due.
        inbox: Takes what the application is told.
        out: Holds what the service is to be told.
        traffic: Sees what goes by.
        apply: Carries out what the core wants done.
        on_sent: Told of each message of the lanes that is on the socket.
        on_arrived: Told of a time before which all that was sent has arrived.
        on_lost: Told when the connection is lost, once.
    """

    def __init__(
        self,
        plan: Plan,
        number: int,
        *,
        watchdog: Watchdog,
        inbox: Inbox,
        out: Outgoing,
        traffic: Traffic,
        apply: Callable[[Sequence[Effect]], None],
        on_sent: OnSent,
        on_arrived: Callable[[float], None],
        on_lost: OnLost,
    ) -> None:
        self._plan = plan
        self.number = number
        """In its session, from 1."""
        self._watchdog = watchdog
        self._inbox = inbox
        self._out = out
        self._traffic = traffic
        self._apply = apply
        self._on_sent = on_sent
        self._on_arrived = on_arrived
        self.on_lost = on_lost
        """Told when the connection is lost, once."""
        self._nursery: trio.Nursery | None = None
        self.running = Latch()
        """Its nursery is open."""
        self._connected = Latch()
        self._done = Latch()
        self._closing: trio.CancelScope | None = None
        self._closed = Latch()
        self._transport: Transport | None = None
        self._one_ping: trio.Lock | None = None
        self._receiver: Receiver | None = None
        self._sender: Sender | None = None
        self._is_over = False
        self._is_ended = False
        self.url = ""
        """Where it leads."""
        self.began_at = 0.0
        """When its first packet went out, in seconds of Trio's clock."""
        self.is_down = False
        """Nothing can be sent on it any more."""
        self.is_closing = False
        """It was asked to close."""

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Be there for the actors, and be the receiver, until it is closed or the session is cancelled."""
        try:
            async with trio.open_nursery(strict_exception_groups=True) as self._nursery:
                self.running.set()
                await self._connected.wait()
                await cast("Receiver", self._receiver).run()
                await trio.sleep_forever()
        finally:
            if self._sender is not None:  # It can start no task any more.
                self._sender.cut_off()
            self._done.set()

    # --- from the first packet on -----------------------------------------------------------------------------

    async def connect(self, listener: Listener) -> None:
        """Connect, and listen.

        Args:
            listener: Hears what the service says, until another takes over.

        Raises:
            EngineError: There is no connection.
        """
        self.began_at = trio.current_time()
        transport = await self._connect(self._running())
        self._receiver = Receiver(
            transport,
            listener,
            self._apply,
            decode=self._plan.decode,
            room=self._inbox.has_room,
            wait_for_room=self._inbox.room,
            message_max_bytes=self._plan.engine.message_max_bytes,
            on_lost=self._lost,
        )
        self._connected.set()
        self._ping_later()

    async def _connect(self, nursery: trio.Nursery) -> Transport:
        try:
            endpoint = await self._plan.endpoint()
            self.url = endpoint.url
            self._transport = await self._plan.connector(nursery, endpoint)
        except EngineError as error:
            self._ended(error)
            raise
        self._changed("opened")
        return self._transport

    async def hand_over(self, prelude: Prelude) -> None:
        """Tell a new connection what it begins with, and wait until it is ready to take over.

        Raises:
            EngineError: It never will be.
            DeadlinePassed: It took longer than `session_created_deadline_s`.
        """
        self._running().start_soon(self._tell, prelude, name="engine handover")
        limit_s = self._plan.engine.session_created_deadline_s
        if limit_s is not None:
            with deadline("session_created", limit_s):
                await prelude.created.wait()
        await prelude.settled.wait()
        if prelude.error is not None:
            raise prelude.error

    def take_over(self) -> None:
        """Carry the talk from now on: write the session's lanes, and let the conversation hear what comes."""
        self._write_lanes()
        self.hear(self._traffic)

    async def stop_sending(self, limit_s: float) -> None:
        """Send nothing more, for another to go on.

        Args:
            limit_s: How long the message that is being written may take. Then it is torn, and this one of no more use.
        """
        if self._sender is not None:
            await self._sender.stop(limit_s)

    async def has_all(self, limit_s: float) -> bool:
        """Tell whether all that was sent has arrived; then all that the service had to say by then was heard, too.

        Args:
            limit_s: How long the answer may take. Without pings nothing is asked, and it is taken for granted.
        """
        if self.is_down or self._is_torn:
            return False
        if self._plan.engine.ping_interval_s is None:
            return True
        sent_before = trio.current_time()
        with trio.move_on_after(limit_s):
            try:
                await self.ping()
            except ConnectionLost:
                return False
            await self._hear_out()
            self._arrived(sent_before)
            return True
        return False

    async def _hear_out(self) -> None:
        """Wait until what has come is heard: the answer to a ping is seen before the messages that stand in line."""
        heard = -1
        while heard != self._traffic.messages:
            heard = self._traffic.messages
            while not self._inbox.has_room():
                await self._inbox.room()
            for _ in range(_TICKS):
                await trio.lowlevel.checkpoint()

    def go_on_sending(self) -> None:
        """Send again, after all; where a message was torn, that can't be."""
        if self._is_over:
            return
        if self._is_torn:
            self._lost(ConnectionLost("a message could not be written in time"))
        elif not self.is_down:
            self._write_lanes()

    @property
    def _is_torn(self) -> bool:
        return self._sender is not None and self._sender.is_torn

    def hear(self, listener: Listener) -> None:
        """Let another hear what the service says from now on."""
        if self._receiver is not None:
            self._receiver.listener = listener

    def fence_off(self) -> None:
        """Nothing of this connection reaches the conversation any more, nor is it told of its end."""
        self._is_over = True
        if self._sender is not None:
            self._sender.cut_off()
        self.hear(Postlude(self._traffic, self.number))

    def statistics(self) -> TransportStatistics | None:
        """Give the connection's figures, once there is one."""
        return self._transport.statistics() if self._transport is not None else None

    async def ping(self) -> None:
        """Send a ping and wait for its answer; a transport takes one at a time.

        Raises:
            ConnectionLost: The connection ended.
        """
        if self._one_ping is None:
            self._one_ping = trio.Lock()
        async with self._one_ping:
            await self._made().ping()

    # --- the end ----------------------------------------------------------------------------------------------

    async def drain(self, limit_s: float) -> None:
        """Send what waits, while there is somebody to read it."""
        if not self.is_down and self._sender is not None:
            if self._sender.is_stopped:  # The session ends while the talk was about to move on.
                await self._sender.stop(limit_s)
                self.go_on_sending()
            if not self.is_down:
                await self._out.drain(limit_s)

    async def close(self, limit_s: float) -> None:
        """Say goodbye, drop the connection, end the actors: bounded, whatever is cancelled."""
        if self._closing is not None:  # By another task, which may have more time than there is now.
            self._closing.deadline = min(self._closing.deadline, trio.current_time() + limit_s)
            with trio.CancelScope(shield=True):
                await self._closed.wait()
            return
        self.is_closing = True
        self._ended()
        try:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + limit_s) as self._closing:
                if self._transport is not None:
                    await self._transport.close(limit_s)
                await self._end_actors()
            if not self._done.is_set():  # The time was over before: that ends the goodbye, not this.
                with trio.CancelScope(shield=True):
                    await self._end_actors()
        finally:
            self._closed.set()

    async def _end_actors(self) -> None:
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()
            await self._done.wait()

    # --- the actors -------------------------------------------------------------------------------------------

    @trio.lowlevel.enable_ki_protection
    async def _tell(self, prelude: Prelude) -> None:
        try:
            for text in prelude.texts:
                await self._made().send(text)
                self._traffic.sent(text, self.number)
        except ConnectionLost as lost:
            await self._cannot_send(lost)

    def _write_lanes(self) -> None:
        self._sender = Sender(
            self._made(),
            self._out.control,
            self._out.audio,
            start=self._start_sender,
            on_sent=self._on_sent,
            on_lost=self._cannot_send,
        )
        self._sender.begin()

    def _start_sender(self, job: Callable[[], Awaitable[None]]) -> None:
        self._running().start_soon(job, name="engine sender")

    @property
    def _ping(self) -> str:
        """Name of the deadline at which a ping is due."""
        return f"ping {self.number}"

    def _ping_later(self) -> None:
        interval_s = self._plan.engine.ping_interval_s
        if interval_s is not None and not self._is_ended:
            self._watchdog.set(self._ping, trio.current_time() + interval_s, self._ping_now)

    def _ping_now(self) -> None:
        self._running().start_soon(self._stay_alive, name="engine liveness")

    @trio.lowlevel.enable_ki_protection
    async def _stay_alive(self) -> None:
        engine = self._plan.engine
        try:
            lives = await pulse(
                self,
                deadline_s=engine.ping_deadline_s,
                look_s=engine.ping_interval_s or engine.ping_deadline_s,
                reading=self._inbox.has_room,
                on_answered=self._arrived,
            )
        except DeadlinePassed as dead:
            self._lost(dead)
        else:
            if lives:
                self._ping_later()

    def _arrived(self, sent_before: float) -> None:
        if self._sender is not None and not self._is_over:
            self._on_arrived(sent_before)

    @trio.lowlevel.enable_ki_protection
    async def _cannot_send(self, lost: ConnectionLost) -> None:
        """Leave the end to the receiver, which reads what came before it and sees the close code."""
        self.is_down = True
        await trio.sleep(self._plan.engine.close_deadline_s)
        self._lost(lost)

    def _lost(self, error: EngineError) -> None:
        self.is_down = True
        self._ended(error)
        if not self._is_over:
            self._is_over = True
            self.on_lost(self, error)

    def _ended(self, error: EngineError | None = None) -> None:
        """Whoever looks is told once, whichever side ended it."""
        if not self._is_ended:
            self._is_ended = True
            self._watchdog.clear(self._ping)
            self._changed("failed" if self._transport is None else "closed", error)

    def _changed(self, did: Literal["opened", "closed", "failed"], error: EngineError | None = None) -> None:
        self._traffic.linked(LinkChange(self.number, did, trio.current_time(), error))

    def _running(self) -> trio.Nursery:
        if self._nursery is None:
            raise AssertionError("a link runs before it connects")
        return self._nursery

    def _made(self) -> Transport:
        if self._transport is None:
            raise AssertionError("a link connects before it carries anything")
        return self._transport

"""A link: one connection with the actors that live on it, from the first packet to the last."""

from collections.abc import Callable, Sequence

import trio

from engine.actors.receiver import receiver
from engine.actors.sender import sender
from engine.actors.watchdog import Watchdog
from engine.errors import ConnectionLost
from engine.inbox import Inbox
from engine.outgoing import Outgoing
from engine.protocol.effects import Effect
from engine.session.plan import Core, Plan
from engine.telemetry import SessionMeter
from engine.traffic import Traffic
from engine.transport.base import Transport, TransportStatistics


class Link:
    """One connection.

    Args:
        plan: How to make it.
        core: What the session is about.
        inbox: Takes what the application is told.
        out: Holds what the service is to be told.
        traffic: Sees what goes by.
        apply: Carries out what the core wants done.
        on_lost: Told when the connection is lost.
        on_lifetime: Told when the session's time is over.
        meter: Told when the connection is made.
    """

    def __init__(
        self,
        plan: Plan,
        core: Core,
        *,
        inbox: Inbox,
        out: Outgoing,
        traffic: Traffic,
        apply: Callable[[Sequence[Effect]], None],
        on_lost: Callable[[ConnectionLost], None],
        on_lifetime: Callable[[], None],
        meter: SessionMeter | None,
    ) -> None:
        self._plan = plan
        self._core = core
        self._inbox = inbox
        self._out = out
        self._traffic = traffic
        self._apply = apply
        self._on_lost = on_lost
        self._on_lifetime = on_lifetime
        self._meter = meter
        self._transport: Transport | None = None
        self._watchdog: Watchdog | None = None
        self._is_down = False

    async def connect(self, nursery: trio.Nursery, begin: Sequence[str], lifetime_ends: float) -> None:
        """Connect and start the actors.

        Args:
            nursery: Where they run.
            begin: What is sent first.
            lifetime_ends: When the session's time is over, in seconds of Trio's clock.

        Raises:
            EngineError: There is no connection.
        """
        endpoint = await self._plan.endpoint()
        transport = self._transport = await self._plan.connector(nursery, endpoint)
        if self._meter is not None:
            self._meter.link_opened(trio.current_time(), endpoint.url)
        self._out.begin(begin)
        self._watchdog = Watchdog(self._core, self._apply, lifetime_ends, self._on_lifetime)
        nursery.start_soon(self._receive, transport, name="engine receiver")
        nursery.start_soon(self._send, transport, name="engine sender")
        nursery.start_soon(self._out.pump.run, name="engine audio pump")
        nursery.start_soon(self._watchdog.run, name="engine watchdog")

    def rearm(self) -> None:
        """Look at the deadlines anew. The core has a say only once its actors run."""
        if self._watchdog is not None:
            self._watchdog.rearm()

    def statistics(self) -> TransportStatistics | None:
        """Give the connection's figures, once there is one."""
        return self._transport.statistics() if self._transport is not None else None

    async def drain(self, limit_s: float) -> None:
        """Send what waits, while there is somebody to read it."""
        if not self._is_down:
            await self._out.drain(limit_s)

    async def close(self, limit_s: float) -> None:
        """Say goodbye, drop the connection: bounded, whatever is cancelled."""
        self._out.close()
        if self._transport is not None:
            with trio.CancelScope(shield=True):
                await self._transport.close(limit_s)

    @trio.lowlevel.enable_ki_protection
    async def _receive(self, transport: Transport) -> None:
        await receiver(
            transport,
            self._traffic,
            self._apply,
            decode=self._plan.decode,
            room=self._inbox.has_room,
            wait_for_room=self._inbox.room,
            message_max_bytes=self._plan.engine.message_max_bytes,
            on_lost=self._lost,
        )

    async def _send(self, transport: Transport) -> None:
        await sender(
            transport, self._out.control, self._out.audio, on_sent=self._traffic.sent, on_lost=self._cannot_send
        )

    @trio.lowlevel.enable_ki_protection
    async def _cannot_send(self, lost: ConnectionLost) -> None:
        """Leave the end to the receiver, which reads what came before it and sees the close code."""
        self._is_down = True
        await trio.sleep(self._plan.engine.close_deadline_s)
        self._lost(lost)

    def _lost(self, lost: ConnectionLost) -> None:
        self._is_down = True
        self._on_lost(lost)

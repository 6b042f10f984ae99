"""The supervisor: lives a session from the first packet to the last, whatever kind of session it is.

It connects, starts the actors, carries out the core's effects, and closes, in time and in order. What the session is
about is its core's business (`engine.protocol`); how it gets going is `beginning`'s, and who is told that it is over,
and why, `ending`'s.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar, cast

import trio

from engine.dispatch import Dispatch, Handles
from engine.errors import EngineError, LimitExceeded, LocalMisuse, NotStarted, SessionEnded
from engine.events import BidiOutputEvent, CloseReason
from engine.inbox import Inbox
from engine.outgoing import OF_SPEECH, Outgoing
from engine.protocol.effects import Effect, End, LinkOver, Opened, Rearm, Transmit
from engine.raw import Raw
from engine.session.beginning import Beginning
from engine.session.ending import Ending
from engine.session.links import Links
from engine.session.plan import Core, Plan
from engine.session.statistics import LinksStatistics
from engine.telemetry import SessionMeter
from engine.traffic import Traffic
from engine.transport.base import TransportStatistics
from engine.waiting.latch import Latch
from engine.wire.client import ClientEvent
from engine.wire.translation import TranslationClientEvent

logger = logging.getLogger(__name__)

Spawn = Callable[[Callable[[], Awaitable[None]]], None]
"""Starts the supervisor's task."""

Job = Callable[[], Awaitable[None]]


class Supervisor:
    """Runs a session.

    Args:
        plan: What it is.
        core: What it is about.
        inbox: Takes what the application is told.
        out: Takes what the service is told.
        raw: Who listens to the wire.
        carriers: Carry out effects that only this kind of session knows.
        meter: Watches what goes by.
    """

    __slots__ = (
        "_beginning",
        "_carry",
        "_closed_at",
        "_closing",
        "_core",
        "_ended",
        "_ending",
        "_inbox",
        "_links",
        "_meter",
        "_nursery",
        "_out",
        "_plan",
        "_raw",
        "_started_at",
        "state",
        "traffic",
    )

    def __init__(
        self,
        plan: Plan,
        core: Core,
        *,
        inbox: Inbox,
        out: Outgoing,
        raw: Raw,
        carriers: Sequence[Handles] = (),
        meter: SessionMeter | None = None,
    ) -> None:
        self._meter = meter
        self._plan = plan
        self._core = core
        self._inbox = inbox
        self._out = out
        self._raw = raw
        self.traffic = Traffic(core, raw, plan.decode_sent, meter)
        """What goes by on the wire."""
        self._links = Links(plan, core, self, inbox=inbox, out=out, traffic=self.traffic, meter=meter)
        self._beginning = Beginning(plan.engine, self._links)
        self._ending = Ending(plan.connection_id, inbox)
        self._nursery: trio.Nursery | None = None
        self._started_at = 0.0
        self._closed_at: float | None = None
        self._closing = False
        self._ended = Latch()
        self.state = "new"
        """`new`, `connecting`, `live`, `renewing`, `reconnecting`, `closing` or `closed`."""
        self._carry = Dispatch(*carriers, self)

    # --- for the session --------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Tell whether the session is over, or about to be."""
        return self._ending.end is not None

    @property
    def reason(self) -> CloseReason:
        """Why it is over. It must be."""
        return self._ending.reason

    @property
    def error(self) -> BaseException | None:
        """What ended it, if an error did."""
        return self._ending.error

    @property
    def lost(self) -> EngineError | None:
        """How the connection was lost, where that ended the session."""
        return self._links.lost

    @property
    def age_s(self) -> float:
        """Seconds since the connection was begun, until the session's end."""
        if self.state == "new":
            return 0.0
        return (trio.current_time() if self._closed_at is None else self._closed_at) - self._started_at

    @property
    def closed_at(self) -> float | None:
        """When all was over, in seconds of Trio's clock; None until then."""
        return self._closed_at

    def links_statistics(self) -> LinksStatistics:
        """Give the figures of all connections."""
        return self._links.figures()

    def transport_statistics(self) -> TransportStatistics | None:
        """Give the connection's figures, once there is one."""
        return self._links.statistics()

    def check_live(self) -> None:
        """Make sure that something can be sent.

        Raises:
            SessionEnded: The session is over.
            NotStarted: It is not open yet.
        """
        if self._ending.end is not None:
            raise self._ending.over()
        if not self._beginning.is_open:
            raise NotStarted("the session is not open yet | call start before sending, and let it return")

    def check_sendable(self) -> None:
        """As `check_live`, for one who was not cancelled: a session that was has no way out any more.

        Raises:
            SessionEnded: The session is over, or about to be.
            NotStarted: It is not open yet.
        """
        self.check_live()
        if self._closing:  # Was it cancelled, or did it crash? That is known when all its tasks have ended.
            raise SessionEnded("client_disconnect")

    def over(self) -> SessionEnded:
        """Make the error of one who waits for what will never come."""
        return self._ending.over()

    def when_over(self, do: Callable[[], None]) -> None:
        """Do this at the session's end, or at once when it is over. It must not raise; if it does, that is logged."""
        self._ending.when_over(do)

    def spawn(self, job: Job, name: str) -> None:
        """Run something in the session's nursery, which ends with the session; what it raises ends the session.

        Raises:
            SessionEnded: The session is over.
            NotStarted: It is not open yet.
        """
        self.check_live()
        cast("trio.Nursery", self._nursery).start_soon(_guarded, job, name=name)

    async def connected(self, event: ClientEvent | TranslationClientEvent) -> None:
        """Wait for a connection that stays, and for room for an event on it. A checkpoint only when it waits.

        An outage's own bound ends the wait.
        """
        await self._out.room(event)
        while self._ending.end is None and not self._links.is_steady:
            await self._links.wait_steady()
            await self._out.room(event)

    async def submit(
        self, content: Callable[[float], Sequence[Effect]], event: ClientEvent | TranslationClientEvent | None = None
    ) -> None:
        """Let the core take something when there is room: all or nothing."""
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._out.room(event)
        self.check_sendable()
        self.apply(content(trio.current_time()))
        await trio.lowlevel.cancel_shielded_checkpoint()

    def apply(self, effects: Sequence[Effect]) -> None:
        """Carry out what the core wants done; never waits."""
        for effect in effects:
            carry = self._carry[type(effect)]
            if carry is not None:
                carry(effect)
            else:
                self.deliver(cast("BidiOutputEvent", effect))

    def deliver(self, event: BidiOutputEvent) -> None:
        """Put an event into the inbox."""
        try:
            self._inbox.put(event)
        except LimitExceeded as error:
            self.finish(End("error", error))

    async def start(self, spawn: Spawn) -> None:
        """Connect and configure; returns when the service has opened the session.

        Args:
            spawn: Starts the supervisor, which never raises what the session can report.

        Raises:
            ConnectionLost: No connection could be made.
            DeadlinePassed: It took longer than `connect_deadline_s`.
            LocalMisuse: It is started already.
            ServerReported: The service refused, as with a bad key.
            SessionEnded: It was stopped before.
            UnsupportedContent: The history holds what the service can't take.
        """
        if self._ending.end is not None:
            raise self.over()
        if self.state != "new":
            raise LocalMisuse("the session is started already | a session is started once: make another")
        self._beginning.prepare(self._core.begin())
        self._started_at = trio.current_time()
        if self._meter is not None:
            self._meter.started(self._started_at)
        spawn(self._supervise)
        self.state = "connecting"  # Not before: what could not be spawned needs no end.
        try:
            await self._beginning.settled.wait()
        except BaseException:
            await self.stop()
            raise
        if not self._beginning.is_open:
            await self.stop()
            raise self.error or SessionEnded(self.reason)

    async def stop(self, reason: CloseReason = "client_disconnect") -> None:
        """End the session; see `Session.stop`."""
        self.finish(End(reason))
        if self.state == "new":
            self.state = "closed"
            self._closed_at = self._started_at
            self._raw.close()
            self._ended.set()
        # Bounded: the supervisor's own cleanup has a deadline.
        with trio.CancelScope(shield=not self._runs_the_caller()):
            await self._ended.wait()

    def _runs_the_caller(self) -> bool:
        """Tell whether a task of the session's own asks, as a tool's: shielded, it would wait for itself for ever."""
        nursery = trio.lowlevel.current_task().parent_nursery
        while nursery is not None and nursery is not self._nursery:
            nursery = nursery.parent_task.parent_nursery
        return nursery is not None

    def finish(self, end: End, crash: BaseException | None = None) -> None:
        """The session is over; only the first reason counts."""
        if self._ending.come(end, crash):
            self._beginning.over()
            self._links.nudge()
            self._ending.tell()

    # --- from the first packet to the last --------------------------------------------------------------------

    @trio.lowlevel.enable_ki_protection
    async def _supervise(self) -> None:
        # Ctrl-C is kept out of this task and the actors, as in them it would be a crash: it goes to the main task.
        try:
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                self._nursery = nursery
                await self._live(nursery)
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            bugs, rest = group.split(Exception)
            if bugs is not None:
                self.finish(End("error"), self._ending.crashed(bugs))
            if rest is not None:
                raise rest from None
        finally:
            self.finish(End("client_disconnect"))
            self.state = "closed"
            self._closed_at = trio.current_time()
            self._ending.guard(self._tell_meter)
            self._raw.close()
            self._ended.set()
            logger.info("session %s closed: %s", self._plan.connection_id, self.reason)

    def _tell_meter(self) -> None:
        if self._meter is not None and self._closed_at is not None:
            error = None if self.error is None else type(self.error).__name__
            self._meter.link_closed(self._closed_at, error)
            self._meter.ended(self._closed_at, self.reason, error)

    async def _live(self, nursery: trio.Nursery) -> None:
        """Live, over one connection after another."""
        limit_s, close_by = self._plan.engine.close_deadline_s, math.inf
        try:
            if not self.ended:
                await self._connect(nursery)
            if not self.ended:
                await self._links.live()
            close_by = trio.current_time() + limit_s
            if self._beginning.is_open:
                await self._links.drain(limit_s / 2)
        finally:
            self.state, self._closing = "closing", True
            await self._links.close(max(0.0, min(limit_s, close_by - trio.current_time())))

    async def _connect(self, nursery: trio.Nursery) -> None:
        try:
            await self._beginning.connect(nursery)
        except EngineError as error:
            self.finish(End("error", error))

    # --- effects ----------------------------------------------------------------------------------------------

    def _transmit(self, effect: Transmit) -> None:
        if self.ended or self._closing:
            return
        if self._meter is not None and not effect.again:
            self._meter.sent(effect.event, trio.current_time())
        if self._beginning.is_open and not self._links.is_up and not isinstance(effect.event, OF_SPEECH):
            return  # The core gives it again when there is a connection.
        try:
            self._out.put(effect.event)
        except LimitExceeded as error:
            self.finish(End("error", error))

    def _rearm(self, _: Rearm) -> None:
        self._links.rearm()

    def _link_over(self, effect: LinkOver) -> None:
        self._links.over(effect.error)

    def _open(self, _: Opened) -> None:
        if self.ended:  # `stop` came before the service's answer.
            return
        self.state = "live"
        self._beginning.opened()
        logger.info("session %s open after %.3f s", self._plan.connection_id, trio.current_time() - self._started_at)

    HANDLES: ClassVar[Mapping[type, Callable[..., None]]] = {
        Transmit: _transmit,
        Rearm: _rearm,
        Opened: _open,
        LinkOver: _link_over,
        End: finish,
    }
    """Methods by the class of effects that they carry out; see `engine.dispatch`."""


@trio.lowlevel.enable_ki_protection
async def _guarded(job: Job) -> None:
    """Keep Ctrl-C out of the session's tasks."""
    await job()

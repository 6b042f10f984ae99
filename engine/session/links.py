"""A session's connections, one after another: the first, its renewal before its time is over, the next after a loss."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import attrs
import trio

from engine.actors.unread import watch_reader
from engine.actors.watchdog import Watchdog
from engine.config import Reconnect
from engine.errors import BidiModelTimeoutError, ConnectionLost, DeadlinePassed, EngineError, HandshakeRejected
from engine.events import BidiConnectionWarningEvent
from engine.inbox import Inbox
from engine.outgoing import Outgoing
from engine.protocol import server_errors
from engine.protocol.effects import End
from engine.protocol.outage import Outages
from engine.protocol.passing import is_passing
from engine.session.link import Link
from engine.session.link_maker import LinkMaker
from engine.session.mover import Host, Mover
from engine.session.plan import Core, Plan
from engine.session.renewal import Renewal
from engine.session.statistics import LinksStatistics
from engine.telemetry import SessionMeter
from engine.traffic import Traffic
from engine.transport.base import TransportStatistics
from engine.waiting.latch import Latch

_OPENING: Final = "session_created"
"""Name of the deadline by which the service must have opened the session."""


class Links:
    """The connections of one session.

    Args:
        plan: How to make them.
        core: What the session is about.
        host: The session.
        inbox: Takes what the application is told.
        out: Holds what the service is to be told.
        traffic: Sees what goes by.
        meter: Told of each connection.
    """

    __slots__ = (
        "_core",
        "_host",
        "_inbox",
        "_is_due",
        "_maker",
        "_mover",
        "_out",
        "_outages",
        "_plan",
        "_traffic",
        "_watchdog",
        "_work",
        "lost",
        "refused",
    )

    def __init__(
        self,
        plan: Plan,
        core: Core,
        host: Host,
        *,
        inbox: Inbox,
        out: Outgoing,
        traffic: Traffic,
        meter: SessionMeter | None,
    ) -> None:
        self._plan = plan
        self._core = core
        self._host = host
        self._inbox = inbox
        self._out = out
        self._traffic = traffic
        self._watchdog = Watchdog(None, host.apply)
        self._maker = LinkMaker(
            plan,
            core,
            inbox=inbox,
            out=out,
            traffic=traffic,
            apply=host.apply,
            on_lost=self._link_lost,
            watchdog=self._watchdog,
        )
        self._mover = Mover(
            plan,
            core,
            host,
            out=out,
            traffic=traffic,
            maker=self._maker,
            watchdog=self._watchdog,
            on_lifetime=self._lifetime_over,
            meter=meter,
        )
        self._outages = Outages(plan.engine.reconnect or Reconnect(), plan.dice)
        self._is_due = False
        self._work: trio.CancelScope | None = None
        self.refused: HandshakeRejected | None = None
        """How a server refused the first connection last, where it is asked again."""
        self.lost: EngineError | None = None
        """How the last connection was lost, where that ended the session."""

    @property
    def is_up(self) -> bool:
        """There is a connection that carries the talk."""
        return self._mover.is_up

    @property
    def is_steady(self) -> bool:
        """It is up, and the talk is not just moving away from it."""
        return self._mover.is_steady

    @property
    def _moves(self) -> bool:
        return self._plan.moves and self._core.succession is not None

    async def wait_steady(self) -> None:
        """Wait until there is a connection that the talk does not move away from, or the session is over."""
        await self._mover.wait_steady()

    def rearm(self) -> None:
        """Look at the deadlines anew."""
        self._watchdog.rearm()

    def statistics(self) -> TransportStatistics | None:
        """Give the connection's figures, once there is one."""
        current = self._mover.current
        return current.statistics() if current is not None else None

    def figures(self) -> LinksStatistics:
        """Give a snapshot of all of them."""
        return attrs.evolve(self._mover.figures, failed_attempts=self._maker.failed)

    def nudge(self) -> None:
        """Look anew: the session is over."""
        self._mover.over()
        if self._work is not None:
            self._work.cancel()

    # --- the first one ----------------------------------------------------------------------------------------

    async def open(self, nursery: trio.Nursery, begin: Sequence[str], ends_at: float) -> None:
        """Make the session's first connection, which carries the talk from its first message on.

        A server that asks to come back later is asked again, while there is time.

        Args:
            nursery: Where all runs.
            begin: What the session begins with.
            ends_at: When there must be a connection.

        Raises:
            EngineError: There is none.
        """
        self._maker.begin(nursery)
        link = await self._first(ends_at)
        self._out.begin(begin)
        self._mover.carry(link)
        watch_reader(self._watchdog.set, self._inbox, self._plan.engine.reader_deadline_s, self._plan.connection_id)
        self._out.pump.begin(self._maker.start_pump)

    async def _first(self, ends_at: float) -> Link:
        while True:
            link = await self._maker.make()
            try:
                await link.connect(self._traffic)
            except HandshakeRejected as refused:
                await self._maker.discard(link)
                self.refused = refused
                at = self._again_at(refused)
                if at is None or at >= ends_at:
                    raise
                await trio.sleep_until(at)
            except BaseException:
                await self._maker.discard(link)
                raise
            else:
                return link

    def _again_at(self, refused: EngineError) -> float | None:
        if self._plan.engine.reconnect is None:
            return None
        now = trio.current_time()
        self._outages.lost(now, refused)
        return self._outages.next_attempt(now)

    def opened(self) -> None:
        """The service has opened the session."""
        self._outages.connected(trio.current_time())
        self._watchdog.call_off()

    async def watch_until(self, settled: Latch, limit_s: float | None) -> None:
        """Watch the deadlines until the session has opened, or will not.

        Args:
            settled: Set then.
            limit_s: How long that may take; for ever when None.
        """
        if limit_s is not None:
            error = DeadlinePassed(_OPENING, limit_s)
            error.__cause__ = self.refused
            self._watchdog.set(_OPENING, trio.current_time() + limit_s, partial(self._host.finish, End("error", error)))
        while not settled.is_set():
            await self._watchdog.run()
        self._watchdog.clear(_OPENING)

    # --- from then on -----------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Keep the session connected until it is over, and its deadlines."""
        while not self._host.ended:
            if self._mover.lost is not None:
                await self._beside_the_watch(self._recover, self._mover.lost)
            elif self._must_move_on():
                await self._beside_the_watch(self._renew)
            else:
                await self._watchdog.run()  # Until the mover calls it off.
                if (
                    self._must_move_on()
                ):  # What is lost at that very moment need not be renewed: let that be known first.
                    await trio.lowlevel.checkpoint()
            if self._mover.is_up:
                self._outages.connected(trio.current_time())

    def _must_move_on(self) -> bool:
        return self._is_due

    async def _beside_the_watch(self, work: Callable[..., Awaitable[None]], *args: EngineError) -> None:
        """Do what takes long, while a task of its own watches the deadlines."""
        async with trio.open_nursery(strict_exception_groups=True) as nursery:
            nursery.start_soon(self._watch, name="engine watchdog")
            await work(*args)
            nursery.cancel_scope.cancel()

    @trio.lowlevel.enable_ki_protection
    async def _watch(self) -> None:
        while True:
            await self._watchdog.run()

    async def drain(self, limit_s: float) -> None:
        """Send what waits, while there is somebody to read it."""
        if self._mover.current is not None and self._mover.is_up:
            await self._mover.current.drain(limit_s)

    async def close(self, limit_s: float) -> None:
        """Say goodbye on every connection that is open: bounded, whatever is cancelled."""
        self._out.close()
        await self._maker.close(limit_s)

    def over(self, error: EngineError) -> None:
        """The connection that carries the talk is at its end, by the service's word."""
        if self._mover.current is not None:
            self._link_lost(self._mover.current, error)

    def _lifetime_over(self) -> None:
        if not self._moves or self._plan.engine.on_timeout == "raise":
            self._host.finish(End("timeout", self._mover.timeout()))
        else:
            self._is_due = True
            self._mover.wake()

    async def _renew(self) -> None:
        self._is_due = False
        link, succession = self._mover.current, self._core.succession
        if link is None or succession is None:
            return
        self._host.state = "renewing"
        with trio.CancelScope() as self._work:
            await Renewal(self._plan, self._maker, self._mover, succession).run(link)
        if self._host.state == "renewing":
            self._host.state = "live"

    # --- after a loss -----------------------------------------------------------------------------------------

    def _link_lost(self, link: Link, error: EngineError) -> None:
        if link is not self._mover.current or self._host.ended or self._mover.is_down:
            return
        if self._may_go_on(error):
            error = _as_timeout(error)
            now = trio.current_time()
            self._outages.lost(now, error)
            due_s = max(0.0, (self._outages.ends_at or now) - now)
            self._mover.tell(BidiConnectionWarningEvent("connection_lost", due_s, error, received_at=now))
            self._mover.lose(link, error)
            return
        self.lost = error
        self._host.apply(self._core.link_ended(error) if isinstance(error, ConnectionLost) else [_end(error)])

    def _may_go_on(self, error: EngineError) -> bool:
        if not self._moves or not self._core.is_open:
            return False
        if _is_expiry(error):
            return self._plan.engine.on_timeout == "renew"
        in_order = isinstance(error, ConnectionLost) and error.code == 1000
        return self._plan.engine.reconnect is not None and not in_order and is_passing(error)

    async def _recover(self, error: EngineError) -> None:
        """Make a connection anew, as often as the policy allows."""
        self._host.state, self._is_due = "reconnecting", False
        ends_at = self._outages.ends_at
        with trio.CancelScope() as self._work:
            while (at := self._outages.next_attempt(trio.current_time())) is not None:
                await trio.sleep_until(at)
                try:
                    ready = await self._maker.prepare(ends_at)
                except EngineError as failed:
                    self._outages.lost(trio.current_time(), failed)
                else:
                    self._outages.connected(trio.current_time())
                    self._mover.attempts = self._outages.attempts
                    self._mover.move(ready, self._mover.lost_at)
                    return
            self._give_up(error)

    def _give_up(self, error: EngineError) -> None:
        self.lost = error
        verdict = self._outages.verdict(trio.current_time()) or error
        self._host.finish(_end(verdict))


def _end(error: EngineError) -> End:
    return End("timeout" if isinstance(error, BidiModelTimeoutError) else "error", error)


def _is_expiry(error: EngineError) -> bool:
    if isinstance(error, BidiModelTimeoutError):
        return True
    return isinstance(error, ConnectionLost) and server_errors.EXPIRY_WORDS in (error.reason or "")


def _as_timeout(error: EngineError) -> EngineError:
    if isinstance(error, BidiModelTimeoutError) or not _is_expiry(error):
        return error
    return server_errors.expired(str(error), error)

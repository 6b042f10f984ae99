"""A session's connections, one after another: the first, its renewal before its time is over, the next after a loss."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs
import trio

from engine.actors.unread import watch_reader
from engine.actors.watchdog import Watchdog, deadline
from engine.config import Reconnect
from engine.errors import BidiModelTimeoutError, ConnectionLost, EngineError, HandshakeRejected
from engine.events import BidiConnectionRestartEvent, BidiConnectionWarningEvent, BidiErrorEvent, RestartReason
from engine.inbox import Inbox
from engine.lane import Queued
from engine.outgoing import APPEND, COMMIT, Outgoing
from engine.protocol import server_errors
from engine.protocol.effects import Effect, End
from engine.protocol.handover import Handover
from engine.protocol.outage import Outages
from engine.protocol.passing import is_passing
from engine.protocol.replay import Replay
from engine.protocol.succession import Succession
from engine.session.link import Link
from engine.session.plan import Core, Plan
from engine.session.prelude import Prelude
from engine.session.statistics import LinksStatistics
from engine.telemetry import SessionMeter
from engine.traffic import Traffic
from engine.transport.base import TransportStatistics
from engine.wire.codec import encode

logger = logging.getLogger(__name__)

_LOOK_S = 0.25
"""How often it is looked whether the talk has come to a boundary: speech that is played comes to its end by time."""

_STOP_SENDING_S = 0.2
"""How long the message that is being written may take when the talk moves on. Longer, and the socket is stuck."""


class Host(Protocol):
    """The session, as its connections see it."""

    state: str

    @property
    def ended(self) -> bool:
        """It is over, or about to be."""
        ...

    def apply(self, effects: Sequence[Effect]) -> None:
        """Carry out what the core wants done."""
        ...

    def deliver(self, event: BidiConnectionWarningEvent | BidiConnectionRestartEvent | BidiErrorEvent) -> None:
        """Tell the application."""
        ...

    def finish(self, end: End) -> None:
        """End it."""
        ...


@attrs.frozen
class _Ready:
    """A connection that can take over."""

    link: Link
    handover: Handover
    replay: Replay


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
        self._meter = meter
        self._nursery: trio.Nursery | None = None
        self._current: Link | None = None
        self._open: list[Link] = []
        self._number = 0
        self._outages = Outages(plan.engine.reconnect or Reconnect(), plan.dice)
        self._lost: EngineError | None = None
        self._lost_at = 0.0
        self._dropped_before = 0.0
        self._is_due = False
        self._due_at = 0.0
        self._watchdog = Watchdog()
        self._armed: dict[str, tuple[float, Callable[[], None]]] = {}
        self._figures = LinksStatistics()
        self._wake = trio.Event()
        self._up = trio.Event()
        self._work = trio.CancelScope()
        self.lost: EngineError | None = None
        """How the last connection was lost, if it was."""

    @property
    def is_up(self) -> bool:
        """There is a connection that carries the talk."""
        return self._current is not None and self._lost is None

    async def wait_up(self) -> None:
        """Wait until there is a connection, or the session is over."""
        await self._up.wait()

    def rearm(self) -> None:
        """Look at the deadlines anew."""
        if self._current is not None:
            self._current.rearm()

    def statistics(self) -> TransportStatistics | None:
        """Give the connection's figures, once there is one."""
        return self._current.statistics() if self._current is not None else None

    def nudge(self) -> None:
        """Look anew: the session is over."""
        self._wake.set()
        self._up.set()
        self._work.cancel()

    def figures(self) -> LinksStatistics:
        """Give a snapshot of all of them."""
        return self._figures

    # --- the first one ----------------------------------------------------------------------------------------

    async def open(self, nursery: trio.Nursery, begin: Sequence[str]) -> None:
        """Make the session's first connection, which carries the talk from its first message on.

        A server that asks to come back later is asked again, while the session's deadline allows it.

        Raises:
            EngineError: There is none.
        """
        self._nursery = nursery
        link = await self._first()
        self._out.begin(begin)
        self._carry(link)
        watch_reader(self._arm, self._inbox, self._plan.engine.reader_deadline_s, self._plan.connection_id)
        nursery.start_soon(self._out.pump.run, name="engine audio pump")

    async def _first(self) -> Link:
        while True:
            link = await self._new_link()
            try:
                await link.connect(self._traffic)
            except HandshakeRejected as refused:
                await self._discard(link)
                wait_s = self._wait_s(refused) if self._plan.engine.reconnect is not None else None
                if wait_s is None:
                    raise
                await trio.sleep(wait_s)
            except BaseException:
                await self._discard(link)
                raise
            else:
                return link

    def _wait_s(self, error: EngineError) -> float | None:
        now = trio.current_time()
        self._outages.lost(now, error)
        at = self._outages.next_attempt(now)
        return None if at is None else at - now

    def opened(self) -> None:
        """The service has opened the session."""
        self._outages.connected(trio.current_time())

    # --- from then on -----------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Keep the session connected until it is over."""
        while not self._host.ended:
            if self._lost is not None:
                await self._recover(self._lost)
            elif self._is_due:
                await self._renew()
            else:
                self._wake = trio.Event()
                await self._wake.wait()

    async def drain(self, limit_s: float) -> None:
        """Send what waits, while there is somebody to read it."""
        if self._current is not None and self._lost is None:
            await self._current.drain(limit_s)

    async def close(self, limit_s: float) -> None:
        """Say goodbye on every connection that is open: bounded, whatever is cancelled."""
        self._out.close()
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                for link in list(self._open):
                    nursery.start_soon(self._close, link, limit_s)

    # --- what is told -----------------------------------------------------------------------------------------

    def over(self, error: EngineError) -> None:
        """The connection that carries the talk is at its end, by the service's word."""
        if self._current is not None:
            link = self._current
            link.fence_off()
            self._link_lost(link, error)

    def _link_lost(self, link: Link, error: EngineError) -> None:
        if link is not self._current or self._host.ended:
            return
        if not self._may_go_on(error):
            self.lost = error
            end = self._core.link_ended(error) if isinstance(error, ConnectionLost) else [End("error", error)]
            self._host.apply(end)
            return
        self._lost, self._lost_at = _as_timeout(error), trio.current_time()
        self._outages.lost(self._lost_at, self._lost)
        self._up = trio.Event()
        self._out.hold(True)
        self._dropped_before = self._out.audio.statistics().dropped
        link.fence_off()
        succession = self._core.succession
        if succession is not None:
            self._host.apply(succession.link_down(self._lost_at, self._lost))
        self._wake.set()

    def _may_go_on(self, error: EngineError) -> bool:
        if self._core.succession is None or not self._core.is_open:
            return False
        if _is_expiry(error):
            return self._plan.engine.on_timeout == "renew"
        in_order = isinstance(error, ConnectionLost) and error.code == 1000
        return self._plan.engine.reconnect is not None and not in_order and is_passing(error)

    def _lifetime_over(self) -> None:
        error = BidiModelTimeoutError(f"timeout_s={self._plan.lifetime_s} has passed")
        error.limit_s = self._plan.lifetime_s
        if self._core.succession is None or self._plan.engine.on_timeout == "raise":
            self._host.finish(End("timeout", error))
        else:
            self._is_due = True
            self._wake.set()

    # --- renewal ----------------------------------------------------------------------------------------------

    async def _renew(self) -> None:
        """Make the next connection while this one talks, and move over at a boundary."""
        engine, link = self._plan.engine, self._current
        self._is_due = False
        if link is None:
            return
        now = trio.current_time()
        margin_s = min(engine.renew_margin_s, engine.session_max_s / 2)
        self._due_at = max(now, link.began_at + engine.session_max_s - margin_s)
        self._host.state = "renewing"
        self._host.deliver(BidiConnectionWarningEvent("renewal", self._due_at - now, received_at=now))
        policy = engine.reconnect or Reconnect()
        patience = Outages(
            attrs.evolve(policy, attempts=10_000, total_s=max(policy.total_s, self._due_at - now)), self._plan.dice
        )
        with trio.CancelScope() as self._work:
            while self._lost is None:
                ready = await self._prepare_patiently(patience)
                if ready is None or await self._move_at_boundary(ready):
                    break
        if self._host.state == "renewing":
            self._host.state = "live"

    async def _prepare_patiently(self, patience: Outages) -> _Ready | None:
        """Prepare the next connection, however often it takes; None where it can't be done, or this one is lost."""
        while self._lost is None:
            try:
                return await self._prepare()
            except EngineError as error:
                now = trio.current_time()
                patience.lost(now, error)
                at = patience.next_attempt(now)
                if at is None:
                    self._host.deliver(BidiErrorEvent(error, {"problem": "renewal"}, received_at=now))
                    return None
                await self._wait_until(at)
        return None

    async def _wait_until(self, at: float) -> None:
        """Wait, but not past the loss of this connection."""
        self._wake = trio.Event()
        with trio.CancelScope(deadline=at):
            await self._wake.wait()

    async def _move_at_boundary(self, ready: _Ready) -> bool:
        """Move over, once nothing would be torn; False when the new connection broke before."""
        old, succession = self._current, self._core.succession
        if old is None or succession is None:
            return True
        while not ready.link.is_down:
            held_at = trio.current_time()
            if not self._is_time(succession, held_at):
                await self._wait_until(min(self._due_at, held_at + _LOOK_S))
                continue
            await old.stop_sending(_STOP_SENDING_S)
            if self._is_time(succession, trio.current_time()) and not self._is_broken(ready):
                self._move(ready, held_at)
                return True
            old.go_on_sending()
        await self._discard(ready.link)
        return False

    def _is_time(self, succession: Succession, now: float) -> bool:
        """Tell whether the talk is to move on now: it may, it must, or its connection is lost."""
        return self._lost is not None or now >= self._due_at or succession.at_boundary(now)

    @staticmethod
    def _is_broken(ready: _Ready) -> bool:
        return ready.link.is_down

    # --- reconnection -----------------------------------------------------------------------------------------

    async def _recover(self, error: EngineError) -> None:
        """Make a connection anew, as often as the policy allows."""
        self._host.state = "reconnecting"
        now = trio.current_time()
        ends_at = self._outages.ends_at or now
        self._host.deliver(
            BidiConnectionWarningEvent("connection_lost", max(0.0, ends_at - now), error, received_at=now)
        )
        if self._current is not None:
            self._retire(self._current)
        with trio.CancelScope() as self._work:
            while not self._host.ended:
                now = trio.current_time()
                at = self._outages.next_attempt(now)
                if at is None:
                    self._give_up(error, now)
                    return
                await trio.sleep_until(at)
                try:
                    ready = await self._prepare(ends_at)
                except EngineError as failed:
                    self._outages.lost(trio.current_time(), failed)
                else:
                    self._move(ready, self._lost_at)
                    return

    def _give_up(self, error: EngineError, now: float) -> None:
        self.lost = error
        verdict = self._outages.verdict(now) or error
        self._host.finish(End("timeout" if isinstance(verdict, BidiModelTimeoutError) else "error", verdict))

    # --- the next one -----------------------------------------------------------------------------------------

    async def _prepare(self, ends_at: float | None = None) -> _Ready:
        """Make a connection that can take over.

        Raises:
            EngineError: It can't be had.
        """
        succession = self._core.succession
        if succession is None:
            raise AssertionError("only a session that can move on prepares for it")
        limit_s = self._plan.engine.connect_deadline_s
        if ends_at is not None:
            limit_s = max(0.0, min(limit_s, ends_at - trio.current_time()))
        link = await self._new_link()
        try:
            with deadline("connect", limit_s):
                handover, replay = succession.handover()
                prelude = Prelude(handover, replay, self._traffic)
                link.on_lost = lambda _, error: prelude.lost(error)
                await link.connect(prelude)
                await link.hand_over(prelude)
        except BaseException:
            await self._discard(link)
            raise
        link.on_lost = self._link_lost
        return _Ready(link, handover, replay)

    def _move(self, ready: _Ready, held_at: float) -> None:
        """Let the talk go on over another connection. Nothing waits here, so that nothing comes in between."""
        succession, old, host = self._core.succession, self._current, self._host
        if succession is None:
            return
        now, lost = trio.current_time(), self._lost
        broken = lost is not None
        error = self._timeout() if lost is None else lost
        if not broken and old is not None:
            old.fence_off()
            host.apply(succession.link_down(now, error))
        takeover = succession.link_up(ready.handover, ready.replay, now, broken=broken)
        dropped_ms = self._out.audio.statistics().dropped - self._dropped_before if broken else 0.0
        self._out.move([encode(event) for event in takeover.events], [_queued(*each) for each in takeover.speech])
        self._out.hold(False)
        if broken:
            self._outages.connected(now)
        attempts = self._outages.attempts if broken else 1
        self._lost = None
        self._carry(ready.link)
        host.state = "live"
        for event in ready.handover.kept:
            host.apply(self._core.receive(event, now))
        host.apply(takeover.effects)
        reason: RestartReason = "connection_lost" if broken else "renewal"
        told = BidiConnectionRestartEvent(
            error,
            reason=reason,
            gap_ms=(now - held_at) * 1000,
            replayed_items=takeover.replayed_items,
            left_out_items=takeover.left_out_items,
            dropped_audio_ms=dropped_ms,
            asked_again=takeover.asked_again,
            attempts=attempts,
            received_at=now,
        )
        host.deliver(told)
        self._count(told)
        words = "session %s goes on over connection %d: %s, gap %.0f ms, %d items told, %d left out"
        figures = (reason, told.gap_ms, told.replayed_items, told.left_out_items)
        logger.info(words, self._plan.connection_id, self._number, *figures)
        if old is not None:
            self._retire(old)

    def _count(self, told: BidiConnectionRestartEvent) -> None:
        before, renewed = self._figures, told.reason == "renewal"
        self._figures = attrs.evolve(
            before,
            renewals=before.renewals + renewed,
            reconnections=before.reconnections + (not renewed),
            last_gap_ms=told.gap_ms,
            longest_gap_ms=max(before.longest_gap_ms, told.gap_ms),
            dropped_audio_ms=before.dropped_audio_ms + told.dropped_audio_ms,
        )

    def _timeout(self) -> BidiModelTimeoutError:
        error = BidiModelTimeoutError(f"timeout_s={self._plan.lifetime_s} has passed")
        error.limit_s = self._plan.lifetime_s
        return error

    def _carry(self, link: Link) -> None:
        """Let a connection carry the talk from now on."""
        now = trio.current_time()
        self._number += 1
        self._figures = attrs.evolve(self._figures, carried=self._number)
        if self._meter is not None:
            if self._number > 1:
                self._meter.link_closed(now)
            self._meter.link_opened(now, link.url)
        if self._number > 1:
            self._traffic.linked(self._number, now)
        self._current = link
        self._up.set()
        ends = link.began_at + self._plan.lifetime_s
        self._watchdog = Watchdog(self._core, self._host.apply, ends, self._lifetime_over)
        for name, (when, do) in self._armed.items():
            self._watchdog.set(name, when, do)
        link.take_over(self._watchdog)

    def _arm(self, name: str, when: float, do: Callable[[], None]) -> None:
        """Set a deadline of the session's, which outlives a connection."""

        def passed() -> None:
            del self._armed[name]
            do()

        self._armed[name] = (when, passed)
        self._watchdog.set(name, when, passed)

    async def _new_link(self) -> Link:
        link = Link(
            self._plan,
            inbox=self._inbox,
            out=self._out,
            traffic=self._traffic,
            apply=self._host.apply,
            on_sent=self._sent,
            on_arrived=self._core.speech_arrived,
            on_lost=self._link_lost,
        )
        self._open.append(link)
        await self._running().start(link.run, name="engine link")
        return link

    def _sent(self, message: Queued) -> None:
        self._traffic.sent(message.text)
        if message.kind:
            self._core.speech_sent(message.kind, message.text, message.weight, trio.current_time())

    def _retire(self, link: Link) -> None:
        """Close a connection that carries the talk no more, beside the talk."""
        if not link.is_closing:
            link.is_closing = True
            self._running().start_soon(self._close, link, self._plan.engine.close_deadline_s, name="engine link's end")

    async def _discard(self, link: Link) -> None:
        """Close a connection that never carried anything."""
        self._figures = attrs.evolve(self._figures, failed_attempts=self._figures.failed_attempts + 1)
        await self._close(link, 0.0)

    async def _close(self, link: Link, limit_s: float) -> None:
        await link.close(limit_s)
        if link in self._open:
            self._open.remove(link)

    def _running(self) -> trio.Nursery:
        if self._nursery is None:
            raise AssertionError("links are opened before they live")
        return self._nursery


def _is_expiry(error: EngineError) -> bool:
    if isinstance(error, BidiModelTimeoutError):
        return True
    return isinstance(error, ConnectionLost) and server_errors.EXPIRY_WORDS in (error.reason or "")


def _as_timeout(error: EngineError) -> EngineError:
    if isinstance(error, BidiModelTimeoutError) or not _is_expiry(error):
        return error
    return server_errors.expired(str(error), error)


def _queued(text: str, length_ms: float) -> Queued:
    return Queued(text, length_ms, kind=APPEND) if length_ms else Queued(text, 0.0, keep=True, kind=COMMIT)

"""Moves the talk from one connection to the next, and knows which of them carries it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

import attrs
import trio

from engine.actors.watchdog import Watchdog
from engine.errors import BidiModelTimeoutError, EngineError
from engine.events import BidiConnectionRestartEvent, BidiConnectionWarningEvent, BidiErrorEvent, RestartReason
from engine.lane import Queued
from engine.outgoing import APPEND, COMMIT, Outgoing
from engine.protocol.effects import Effect, End
from engine.protocol.succession import Takeover
from engine.session.link import Link
from engine.session.link_maker import LinkMaker, Ready
from engine.session.plan import Core, Plan
from engine.session.statistics import LinksStatistics
from engine.telemetry import SessionMeter
from engine.traffic import LinkChange, Traffic
from engine.waiting.latch import Latch
from engine.wire.codec import encode

logger = logging.getLogger(__name__)

LIFETIME: Final = "lifetime"
"""Name of the deadline at which a connection's time is over."""


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


class Mover:
    """Has the connection that carries the talk.

    Args:
        plan: How the session runs.
        core: What it is about.
        host: The session.
        out: Holds what the service is to be told.
        traffic: Sees what goes by.
        maker: Closes what carries the talk no more.
        watchdog: The session's.
        on_lifetime: Told when a connection's time is over.
        meter: Told of each connection.
    """

    __slots__ = (
        "_core",
        "_dropped_before",
        "_host",
        "_is_moving",
        "_maker",
        "_meter",
        "_on_lifetime",
        "_out",
        "_plan",
        "_traffic",
        "_up",
        "_wake",
        "_watchdog",
        "attempts",
        "current",
        "figures",
        "lost",
        "lost_at",
    )

    def __init__(
        self,
        plan: Plan,
        core: Core,
        host: Host,
        *,
        out: Outgoing,
        traffic: Traffic,
        maker: LinkMaker,
        watchdog: Watchdog,
        on_lifetime: Callable[[], None],
        meter: SessionMeter | None,
    ) -> None:
        self._plan = plan
        self._core = core
        self._host = host
        self._out = out
        self._traffic = traffic
        self._maker = maker
        self._on_lifetime = on_lifetime
        self._meter = meter
        self._watchdog = watchdog
        self._dropped_before = 0.0
        self._wake = Latch()
        self._up = Latch()
        self._is_moving = False
        self.current: Link | None = None
        """The connection that carries the talk, or did."""
        self.lost: EngineError | None = None
        """What broke it, until there is another."""
        self.lost_at = 0.0
        """When."""
        self.attempts = 1
        """How many it took to make another, for whoever is told."""
        self.figures = LinksStatistics()
        """A snapshot of all that were."""

    @property
    def is_down(self) -> bool:
        """Tell whether the connection that carried the talk is lost."""
        return self.lost is not None

    @property
    def is_up(self) -> bool:
        """Tell whether there is a connection that carries the talk."""
        return self.current is not None and self.lost is None

    @property
    def is_steady(self) -> bool:
        """Tell whether it is up, and the talk is not just moving away from it."""
        return self.is_up and not self._is_moving

    def tell(self, event: BidiConnectionWarningEvent | BidiErrorEvent) -> None:
        """Tell the application."""
        self._host.deliver(event)

    def wake(self) -> None:
        """Let whoever waits look anew."""
        self._wake.set()
        self._watchdog.call_off()

    def over(self) -> None:
        """Nobody need wait for a connection any more: the session is over."""
        self.wake()
        self._up.set()

    async def wait_until(self, at: float) -> None:
        """Wait, but not past the loss of the connection."""
        self._wake.clear()
        with trio.CancelScope(deadline=at):
            await self._wake.wait()

    async def wait_steady(self) -> None:
        """Wait until there is a connection that the talk does not move away from, or the session is over."""
        await self._up.wait()

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Hold back, for this block, what nobody could tell another connection again."""
        self._is_moving = True
        self._up.clear()
        try:
            yield
        finally:
            self._is_moving = False
            if self.is_up:
                self._up.set()

    # --- from one to the next ---------------------------------------------------------------------------------

    def carry(self, link: Link) -> None:
        """Let a connection carry the talk from now on."""
        now = trio.current_time()
        number = self.figures.carried + 1
        self.figures = attrs.evolve(self.figures, carried=number)
        if self._meter is not None:
            self._meter.link_closed(now)
            self._meter.link_opened(now, link.url, link.number)
        self._traffic.linked(LinkChange(link.number, "took_over", now))
        self.current = link
        if not self._is_moving:
            self._up.set()
        self._watchdog.core = self._core
        self._watchdog.set(LIFETIME, link.began_at + self._plan.lifetime_s, self._on_lifetime)
        link.take_over()

    def lose(self, link: Link, error: EngineError) -> None:
        """The connection that carries the talk is gone: hold what is said, until there is another. Once."""
        if self.lost is not None:
            return
        self.lost, self.lost_at, self.attempts = error, trio.current_time(), 1
        self._up.clear()
        self._watchdog.core = None  # What is due is so on the next connection.
        self._watchdog.clear(LIFETIME)
        self._dropped_before = self._out.audio.statistics().dropped
        self._out.hold(True)
        link.fence_off()
        self._maker.retire(link)
        if self._meter is not None:
            self._meter.link_closed(self.lost_at, type(error).__name__)
        if self._core.succession is not None:
            self._host.apply(self._core.succession.link_down(self.lost_at, error))
        self.wake()

    def move(self, ready: Ready, held_at: float) -> None:
        """Let the talk go on over another connection. Nothing waits here, so that nothing comes in between.

        Args:
            ready: The other one.
            held_at: Since when nothing was sent.
        """
        succession, old, lost, now = self._core.succession, self.current, self.lost, trio.current_time()
        if succession is None:
            return
        error = self.timeout() if lost is None else lost
        if lost is None and old is not None:
            old.fence_off()
            self._host.apply(succession.link_down(now, error))
        takeover = succession.link_up(ready.handover, ready.replay, now, broken=lost is not None)
        dropped_ms = self._out.audio.statistics().dropped - self._dropped_before if lost is not None else 0.0
        self._out.move([encode(event) for event in takeover.events], [_queued(*each) for each in takeover.speech])
        self._out.hold(False)
        self.lost = None
        self.carry(ready.link)
        self._host.state = "live"
        for event in ready.handover.kept:
            self._host.apply(self._core.receive(event, now))
        self._host.apply(takeover.effects)
        gap_ms = (now - held_at) * 1000
        self._tell_moved("renewal" if lost is None else "connection_lost", error, takeover, gap_ms, dropped_ms)
        if old is not None:
            self._maker.retire(old)

    def timeout(self) -> BidiModelTimeoutError:
        """Make the error of a connection whose time is over."""
        error = BidiModelTimeoutError(f"timeout_s={self._plan.lifetime_s} has passed")
        error.limit_s = self._plan.lifetime_s
        return error

    def _tell_moved(
        self, reason: RestartReason, error: EngineError, takeover: Takeover, gap_ms: float, dropped_ms: float
    ) -> None:
        told = BidiConnectionRestartEvent(
            error,
            reason=reason,
            gap_ms=gap_ms,
            replayed_items=takeover.replayed_items,
            left_out_items=takeover.left_out_items,
            dropped_audio_ms=dropped_ms,
            asked_again=takeover.asked_again,
            attempts=1 if reason == "renewal" else self.attempts,
            received_at=trio.current_time(),
        )
        self._host.deliver(told)
        words = "session %s goes on over connection %d: %s, gap %.0f ms, %d items told, %d left out"
        figures = (reason, gap_ms, told.replayed_items, told.left_out_items)
        number = self.current.number if self.current is not None else 0
        logger.info(words, self._plan.connection_id, number, *figures)
        self._count(told)

    def _count(self, told: BidiConnectionRestartEvent) -> None:
        before, renewed = self.figures, told.reason == "renewal"
        self.figures = attrs.evolve(
            before,
            renewals=before.renewals + renewed,
            reconnections=before.reconnections + (not renewed),
            last_gap_ms=told.gap_ms,
            longest_gap_ms=max(before.longest_gap_ms, told.gap_ms),
            dropped_audio_ms=before.dropped_audio_ms + told.dropped_audio_ms,
        )


def _queued(text: str, length_ms: float) -> Queued:
    return Queued(text, length_ms, kind=APPEND) if length_ms else Queued(text, 0.0, keep=True, kind=COMMIT)

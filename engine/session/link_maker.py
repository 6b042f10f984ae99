"""Makes a session's connections, has those that are open, and closes them."""

from collections.abc import Awaitable, Callable, Sequence

import attrs
import trio

from engine.actors.sender import OnSent
from engine.actors.watchdog import Watchdog, deadline
from engine.errors import EngineError
from engine.inbox import Inbox
from engine.outgoing import Outgoing
from engine.protocol.effects import Effect
from engine.protocol.handover import Handover
from engine.protocol.replay import Replay
from engine.session.link import Link
from engine.session.plan import Core, Plan
from engine.session.prelude import Prelude
from engine.traffic import Traffic


@attrs.frozen
class Ready:
    """A connection that can take over.

    Attributes:
        link: It.
        handover: What it began with.
        replay: What it was told of the talk.
    """

    link: Link
    handover: Handover
    replay: Replay

    @property
    def is_broken(self) -> bool:
        """It can't any more."""
        return self.link.is_down


class LinkMaker:
    """Makes connections.

    Args:
        plan: How.
        core: What the session is about.
        inbox: Takes what the application is told.
        out: Holds what the service is to be told.
        traffic: Sees what goes by.
        apply: Carries out what the core wants done.
        on_lost: Told when one that carries the talk is lost.
        watchdog: The session's.
    """

    __slots__ = (
        "_apply",
        "_core",
        "_inbox",
        "_made",
        "_nursery",
        "_on_lost",
        "_open",
        "_out",
        "_plan",
        "_traffic",
        "_watchdog",
        "failed",
    )

    def __init__(
        self,
        plan: Plan,
        core: Core,
        *,
        inbox: Inbox,
        out: Outgoing,
        traffic: Traffic,
        apply: Callable[[Sequence[Effect]], None],
        on_lost: Callable[[Link, EngineError], None],
        watchdog: Watchdog,
    ) -> None:
        self._watchdog = watchdog
        self._plan = plan
        self._core = core
        self._inbox = inbox
        self._out = out
        self._traffic = traffic
        self._apply = apply
        self._on_lost = on_lost
        self._nursery: trio.Nursery | None = None
        self._open: list[Link] = []
        self._made = 0
        self.failed = 0
        """How many were tried and could not be had."""

    def begin(self, nursery: trio.Nursery) -> None:
        """Run them in this nursery, which is the session's."""
        self._nursery = nursery

    def start_pump(self, job: Callable[[], Awaitable[None]]) -> None:
        """Start a task of the audio pump's, which outlives a connection."""
        self._running().start_soon(job, name="engine audio pump")

    async def make(self) -> Link:
        """Make one that is not connected yet."""
        self._made += 1
        link = Link(
            self._plan,
            self._made,
            watchdog=self._watchdog,
            inbox=self._inbox,
            out=self._out,
            traffic=self._traffic,
            apply=self._apply,
            on_sent=self._teller(self._made),
            on_arrived=self._core.speech_arrived,
            on_lost=self._on_lost,
        )
        self._open.append(link)
        self._running().start_soon(link.run, name="engine link")
        await link.running.wait()
        return link

    async def prepare(self, ends_at: float | None = None) -> Ready:
        """Make one that can take over, connected and told of the talk.

        Args:
            ends_at: When it must be ready at the latest, beside `connect_deadline_s`.

        Raises:
            EngineError: It can't be had.
        """
        succession = self._core.succession
        if succession is None:
            raise AssertionError("only a session that can move on prepares for it")
        limit_s = self._plan.engine.connect_deadline_s
        if ends_at is not None:
            limit_s = max(0.0, min(limit_s, ends_at - trio.current_time()))
        link = await self.make()
        try:
            with deadline("connect", limit_s):
                handover, replay = succession.handover()
                prelude = Prelude(handover, replay, self._traffic, link.number)
                link.on_lost = lambda _, error: prelude.lost(error)
                await link.connect(prelude)
                await link.hand_over(prelude)
        except BaseException:
            await self.discard(link)
            raise
        link.on_lost = self._on_lost
        return Ready(link, handover, replay)

    async def discard(self, link: Link) -> None:
        """Close one that never carried anything."""
        self.failed += 1
        await self._close(link, 0.0)

    def retire(self, link: Link) -> None:
        """Close one that carries the talk no more, beside the talk."""
        if not link.is_closing:
            link.is_closing = True
            self._running().start_soon(self._close, link, self._plan.engine.close_deadline_s, name="engine link's end")

    async def close(self, limit_s: float) -> None:
        """Say goodbye on every connection that is open: bounded, whatever is cancelled."""
        links = [*self._open]
        if len(links) == 1:  # As a rule; it needs no tasks for itself.
            await self._close(links[0], limit_s)
        elif links:
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as nursery:
                    for link in links:
                        nursery.start_soon(self._close, link, limit_s)

    @trio.lowlevel.enable_ki_protection
    async def _close(self, link: Link, limit_s: float) -> None:
        await link.close(limit_s)
        if link in self._open:
            self._open.remove(link)

    def _teller(self, number: int) -> OnSent:
        traffic, core = self._traffic, self._core

        def sent(text: str, weight: float, kind: str) -> None:
            traffic.sent(text, number)
            if kind:
                core.speech_sent(kind, text, weight, trio.current_time())

        return sent

    def _running(self) -> trio.Nursery:
        if self._nursery is None:
            raise AssertionError("the session's nursery is known before its connections")
        return self._nursery

"""Renewal: the next connection is made while this one talks, and the talk moves over where nothing would be torn."""

import attrs
import trio

from engine.config import Reconnect
from engine.errors import ConnectionLost, DeadlinePassed, EngineError
from engine.events import BidiConnectionWarningEvent, BidiErrorEvent
from engine.protocol.outage import Outages
from engine.session.link import Link
from engine.session.link_maker import LinkMaker, Ready
from engine.session.mover import Mover
from engine.session.plan import Plan, Successor

_LOOK_S = 0.25
"""How often it is looked whether the talk has come to a boundary: speech that is played comes to its end by time."""

_STOP_SENDING_S = 0.2
"""How long the message that is being written may take when the talk moves on. Longer, and the socket is stuck."""

_PROOF_S = 2.0
"""How long the old connection may take to show that it has all that was sent. Longer, and it counts as dead."""

_MANY = 10_000
"""Attempts, while the old connection talks: what bounds them is time."""


class Renewal:
    """Renews one connection.

    Args:
        plan: How the session runs.
        maker: Makes the next one.
        mover: Moves the talk.
        succession: Says where nothing would be torn.
    """

    __slots__ = ("_due_at", "_maker", "_mover", "_plan", "_succession")

    def __init__(self, plan: Plan, maker: LinkMaker, mover: Mover, succession: Successor) -> None:
        self._plan = plan
        self._maker = maker
        self._mover = mover
        self._succession = succession
        self._due_at = 0.0

    async def run(self, old: Link) -> None:
        """Move the talk away from a connection; leave it there where no other can be had, or when it is lost first."""
        now, engine = trio.current_time(), self._plan.engine
        margin_s = min(engine.renew_margin_s, engine.session_max_s / 2)
        self._due_at = max(now, old.began_at + engine.session_max_s - margin_s)
        self._mover.tell(BidiConnectionWarningEvent("renewal", self._due_at - now, received_at=now))
        patience = self._patience(now)
        while (ready := await self._prepare(patience)) is not None:
            patience.connected(trio.current_time())
            if await self._move_when_due(old, ready) or not await self._may_try_again(patience, _broke()):
                return

    def _patience(self, now: float) -> Outages:
        policy = self._plan.engine.reconnect or Reconnect()
        total_s = max(policy.total_s, self._due_at - now)
        return Outages(attrs.evolve(policy, attempts=_MANY, total_s=total_s), self._plan.dice)

    async def _prepare(self, patience: Outages) -> Ready | None:
        """Prepare the next connection, however often it takes; None where it can't be had, or this one is lost."""
        while not self._mover.is_down:
            try:
                return await self._maker.prepare()
            except EngineError as error:
                if not await self._may_try_again(patience, error):
                    return None
        return None

    async def _may_try_again(self, patience: Outages, error: EngineError) -> bool:
        """Wait until the next attempt may be made; False when none helps, which is told, or this one is lost."""
        now = trio.current_time()
        patience.lost(now, error)
        at = patience.next_attempt(now)
        if at is None:
            self._mover.tell(BidiErrorEvent(error, {"problem": "renewal"}, received_at=now))
            return False
        await self._mover.wait_until(at)
        return not self._mover.is_down

    async def _move_when_due(self, old: Link, ready: Ready) -> bool:
        """Move over, once nothing would be torn; False when the new connection broke before."""
        while not ready.is_broken:
            now = trio.current_time()
            if not self._is_time(now):
                await self._mover.wait_until(min(self._due_at, now + _LOOK_S))
                continue
            with self._mover.moving():
                if await self._move(old, ready):
                    return True
        await self._maker.discard(ready.link)
        return False

    async def _move(self, old: Link, ready: Ready) -> bool:
        """Move over; False when it turns out that it is not the time, or can't be."""
        held_at = trio.current_time()
        await old.stop_sending(_STOP_SENDING_S)
        has_all = self._mover.is_down or await old.has_all(_PROOF_S)
        if not ready.is_broken and not has_all:
            # What was said last may be lost with it: the next one is told that, too.
            self._mover.lose(old, DeadlinePassed("ping", _PROOF_S))
        if ready.is_broken or not self._is_time(trio.current_time()):
            old.go_on_sending()
            return False
        self._mover.move(ready, min(held_at, self._mover.lost_at) if self._mover.is_down else held_at)
        return True

    def _is_time(self, now: float) -> bool:
        """Tell whether the talk is to move on now: it may, it must, or its connection is lost."""
        return self._mover.is_down or now >= self._due_at or self._succession.at_boundary(now)


def _broke() -> ConnectionLost:
    return ConnectionLost("the next connection broke before the talk had moved to it")

"""Liveness: pings the peer, and finds a connection that is dead without a word.

A connection whose other end has lost its power, or its way to us, looks like one that is silent: no reset comes, and
what we send waits in the kernel for minutes. A ping tells the two apart, for any WebSocket peer has to answer it.
"""

from collections.abc import Callable
from typing import Final, Protocol

import trio

from engine.errors import ConnectionLost, DeadlinePassed
from engine.transport.base import TransportStatistics

LOOKS: Final = 4
"""How often the deadline's time is looked at. A look finds out that the peer lives though its answer is late; and a
clock that jumps, as when a laptop has slept, costs a peer no more than the time between two looks."""


class Pinged(Protocol):
    """A connection, as `engine.session.link.Link` or a transport."""

    async def ping(self) -> None:
        """Send a ping and wait for its answer."""
        ...

    def statistics(self) -> TransportStatistics | None:
        """Give a snapshot; there is one while it is pinged."""
        ...


@trio.lowlevel.enable_ki_protection
async def pulse(
    transport: Pinged,
    *,
    deadline_s: float,
    look_s: float,
    reading: Callable[[], bool],
    on_answered: Callable[[float], None] = lambda _: None,
) -> bool:
    """Ping once; tell whether the peer lives. Whoever has the connection does this at each interval.

    What counts is silence after a ping, `deadline_s` of it: the time in which no byte came at all. An answer may be
    late for it stands behind other messages, and whoever sends those lives. Time in which we don't read is not counted,
    for the answer may be there. Nor is time in which the socket still takes pieces of a long message of ours: ping and
    answer stand behind it. A peer that takes nothing more is dead, whatever keeps it.

    So a peer that dies is found within the interval and `deadline_s`; where a long message is being written then, later
    by what the kernel still takes of it.

    Args:
        transport: The connection.
        deadline_s: The longest silence after a ping.
        look_s: How often it is looked for a sign of life, at the least; `LOOKS` times within `deadline_s` in any case.
        reading: Tells whether our receiver takes what comes.
        on_answered: Told when a ping that has its answer was sent: what went out before it has arrived.

    Returns:
        False when the connection ended otherwise, which the receiver is told.

    Raises:
        DeadlinePassed: The peer is dead.
    """
    ping = _Pulse(transport, reading, deadline_s, min(deadline_s / LOOKS, look_s), on_answered)
    if await ping.is_gone():
        raise DeadlinePassed("ping", deadline_s)
    return not ping.is_over


class _Pulse:
    def __init__(
        self,
        transport: Pinged,
        reading: Callable[[], bool],
        deadline_s: float,
        look_s: float,
        on_answered: Callable[[float], None],
    ) -> None:
        self._on_answered = on_answered
        self._transport = transport
        self._reading = reading
        self._deadline_s = deadline_s
        self._look_s = look_s
        self.is_over = False

    async def is_gone(self) -> bool:
        """Ping once; tell whether the peer was silent instead of answering."""
        silence = _Silence(self._transport)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ping, nursery.cancel_scope, name="engine ping")
            await self._wait_for(silence)
            nursery.cancel_scope.cancel()
        return silence.lasted_s >= self._deadline_s

    @trio.lowlevel.enable_ki_protection
    async def _ping(self, answered: trio.CancelScope) -> None:
        sent_at = trio.current_time()
        try:
            await self._transport.ping()
            self._on_answered(sent_at)
        except ConnectionLost:
            self.is_over = True
        answered.cancel()

    async def _wait_for(self, silence: "_Silence") -> None:
        while silence.lasted_s < self._deadline_s:
            look_s = min(self._look_s, self._deadline_s - silence.lasted_s)
            before = self._reading()
            await trio.sleep(look_s)
            silence.look(look_s, counts=before and self._reading())


class _Silence:
    """How long the peer has given no sign of life."""

    def __init__(self, transport: Pinged) -> None:
        self._transport = transport
        self._signs = self._look()
        self.lasted_s = 0.0

    def look(self, since_s: float, *, counts: bool) -> None:
        before, self._signs = self._signs, self._look()
        if self._signs != before:
            self.lasted_s = 0.0
        elif counts:
            self.lasted_s += since_s

    def _look(self) -> tuple[int, int]:
        now = self._transport.statistics()
        return (now.bytes_received, now.pieces_sent) if now is not None else (0, 0)

"""When to connect again after a connection was lost, and when no more: back-off with full jitter, bounded.

The method is the "full jitter" of the AWS Architecture Blog ("Exponential Backoff And Jitter", 2015): each wait is
drawn evenly from nothing to a bound that doubles, so that a thousand clients of a server that restarts come back spread
out.
"""

from collections.abc import Callable
from typing import Final

import attrs

from engine.config import Reconnect
from engine.errors import EngineError, HandshakeRejected, ProxyRefused
from engine.protocol.passing import is_passing

Dice = Callable[[], float]
"""Gives a number from 0 to below 1, each as likely as any other."""

_MAX_DOUBLINGS: Final = 1000
"""As far as a float goes."""


class Outages:
    """Says when to connect again, over the whole life of a session.

    An outage begins when the connection is lost, and is over when the next one has lived for `Reconnect.stable_s`. One
    that breaks earlier goes on with the same outage: attempts and time are not given anew, so that a server which takes
    every connection and drops it is not asked for ever.

    Args:
        policy: How often, how fast, for how long.
        dice: Draws the waits.
    """

    __slots__ = ("_connected_at", "_dice", "_outage", "_policy")

    def __init__(self, policy: Reconnect, dice: Dice) -> None:
        self._policy = policy
        self._dice = dice
        self._outage: _Outage | None = None
        self._connected_at: float | None = None

    @property
    def attempts(self) -> int:
        """How often it was tried to connect again in this outage, or the last one."""
        return self._outage.attempts if self._outage is not None else 0

    @property
    def ends_at(self) -> float | None:
        """When this outage, or the last one, has lasted too long: no attempt need be waited for past it."""
        return self._outage.ends_at if self._outage is not None else None

    def connected(self, now: float) -> None:
        """A connection is made: the session's first one too. One that follows on a live one changes nothing."""
        if self._connected_at is not None:
            return
        if self._outage is not None:
            self._outage.attempts += 1
            self._outage.next_at = None
        self._connected_at = now

    def lost(self, now: float, error: EngineError) -> None:
        """The connection is lost, or an attempt to make one has failed.

        Args:
            now: The time.
            error: Why.
        """
        if self._outage is None or self._was_stable(now):
            self._outage = _Outage(began_at=now, ends_at=now + self._policy.total_s, first=error, last=error)
        elif self._connected_at is None:
            self._outage.attempts += 1
        self._connected_at = None
        self._outage.last = error
        self._outage.next_at = self._draw(self._outage, now, _told_s(error))

    def next_attempt(self, now: float) -> float | None:
        """Say when to try: now at the earliest; None when no more, or when nothing is lost. Asking changes nothing."""
        outage = self._outage
        if outage is None or outage.next_at is None or now > outage.ends_at:
            return None
        return max(now, outage.next_at)

    def verdict(self, now: float) -> EngineError | None:
        """Give the error that the session ends with when there is no next attempt; None when nothing was ever lost.

        It is the one that began the outage, unless the last one says that no attempt can help, or asks for a wait that
        is longer than the outage may last. A note on it tells how often it was tried, and the other one of the two.
        """
        return self._outage.verdict(now) if self._outage is not None else None

    def _was_stable(self, now: float) -> bool:
        return self._connected_at is not None and now - self._connected_at >= self._policy.stable_s

    def _draw(self, outage: "_Outage", now: float, told: float) -> float | None:
        left = outage.ends_at - now - told
        outage.is_hopeless = not is_passing(outage.last) or (told > 0 and left < 0)
        spent = outage.attempts >= self._policy.attempts or (outage.attempts > 0 and left <= 0)
        if outage.is_hopeless or spent:
            return None
        # Drawn from what is left, not cut to it: the last attempts of many clients stay spread out.
        return min(now + told + self._dice() * min(self._bound(outage, told), left), outage.ends_at)

    def _bound(self, outage: "_Outage", told: float) -> float:
        """The first attempt is made at once; but those who were told to wait must not come back all together."""
        if not outage.attempts and not told:
            return 0.0
        doublings = min(max(outage.attempts - 1, 0), _MAX_DOUBLINGS)
        return min(self._policy.max_delay_s, self._policy.first_delay_s * 2.0**doublings)


@attrs.define(kw_only=True)
class _Outage:
    """One outage: from when to when at the latest, with which errors, after how many attempts."""

    began_at: float
    ends_at: float
    first: EngineError
    last: EngineError
    attempts: int = 0
    next_at: float | None = None
    is_hopeless: bool = False
    """Does the last error say that no attempt in time can help?"""

    def verdict(self, now: float) -> EngineError:
        error, other, which = (self.last, self.first, "first") if self.is_hopeless else (self.first, self.last, "last")
        lasted_s = now - self.began_at
        note = f"attempts to connect again: {self.attempts} in {lasted_s:.1f} s | the {which} error: {other}"
        if self.attempts and note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        return error


def _told_s(error: EngineError) -> float:
    """What the server told to wait, in seconds: a lower bound."""
    return (error.retry_after_s or 0.0) if isinstance(error, (HandshakeRejected, ProxyRefused)) else 0.0

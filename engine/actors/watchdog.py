"""The watchdog: owns the session's deadlines. Sleeps until the next one and says which has passed."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import trio

from engine.errors import DeadlinePassed
from engine.protocol.effects import Effect


class Timed(Protocol):
    """What has a deadline now and then."""

    @property
    def deadline(self) -> float | None:
        """The next one, in seconds of Trio's clock."""
        ...

    def tick(self, now: float) -> Sequence[Effect]:
        """Do what time has made due."""
        ...


class Watchdog:
    """Watches the session's lifetime and its core's own deadline.

    Args:
        core: Has a deadline now and then.
        apply: Carries out what the core does at its deadline.
        lifetime_ends: When the session's time is over, in seconds of Trio's clock.
        on_lifetime: Called then, once.
    """

    def __init__(
        self,
        core: Timed,
        apply: Callable[[Sequence[Effect]], None],
        lifetime_ends: float,
        on_lifetime: Callable[[], None],
    ) -> None:
        self._core = core
        self._apply = apply
        self._lifetime_ends = lifetime_ends
        self._on_lifetime = on_lifetime
        self._sleep = trio.CancelScope()

    def rearm(self) -> None:
        """Look at the deadlines anew; cheap, wakes nobody."""
        self._sleep.deadline = self._next()

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Watch until the lifetime is over."""
        while True:
            with trio.CancelScope(deadline=self._next()) as self._sleep:
                await trio.sleep_forever()
            now = trio.current_time()
            self._apply(self._core.tick(now))
            if now >= self._lifetime_ends:
                self._on_lifetime()
                return

    def _next(self) -> float:
        own = self._core.deadline
        return min(self._lifetime_ends, math.inf if own is None else own)


@contextmanager
def deadline(name: str, limit_s: float) -> Iterator[None]:
    """Bound what runs inside.

    Raises:
        DeadlinePassed: It took longer.
    """
    try:
        with trio.fail_after(limit_s):
            yield
    except trio.TooSlowError as error:
        raise DeadlinePassed(name, limit_s) from error

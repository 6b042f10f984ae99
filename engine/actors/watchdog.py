"""The watchdog: owns the session's deadlines. Sleeps until the next one and says which has passed."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import trio

from engine.errors import DeadlinePassed
from engine.protocol.conversation import Conversation
from engine.protocol.effects import Effect


class Watchdog:
    """Watches the session's lifetime and the conversation's own deadline.

    Args:
        conversation: Has a deadline now and then.
        apply: Carries out what the conversation does at its deadline.
        lifetime_ends: When the session's time is over, in seconds of Trio's clock.
        on_lifetime: Called then, once.
    """

    def __init__(
        self,
        conversation: Conversation,
        apply: Callable[[Sequence[Effect]], None],
        lifetime_ends: float,
        on_lifetime: Callable[[], None],
    ) -> None:
        self._conversation = conversation
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
            self._apply(self._conversation.tick(now))
            if now >= self._lifetime_ends:
                self._on_lifetime()
                return

    def _next(self) -> float:
        own = self._conversation.deadline
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

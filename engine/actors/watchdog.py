"""The watchdog: owns deadlines that have names, and the core's own. Sleeps until the next one and acts on it."""

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


class Deadlines:
    """A table of deadlines: by name, when it is and what is done then. Each is over when it was done."""

    def __init__(self) -> None:
        self._table: dict[str, tuple[float, Callable[[], None]]] = {}
        self._next: float | None = math.inf

    @property
    def next(self) -> float:
        """The earliest; infinity when there is none."""
        if self._next is None:
            self._next = min((when for when, _ in self._table.values()), default=math.inf)
        return self._next

    def set(self, name: str, when: float, do: Callable[[], None]) -> None:
        """Do something at a time, instead of what has the name now.

        Args:
            name: As in `lifetime`.
            when: In seconds of Trio's clock; infinity for never.
            do: Called then, once. It may set the deadline anew.
        """
        self._table[name] = (when, do)
        self._next = None

    def clear(self, name: str) -> None:
        """Forget one, if there is such."""
        self._table.pop(name, None)
        self._next = None

    def take(self, now: float) -> Callable[[], None] | None:
        """Take the earliest of those that are due out of the table; give what is to be done, or None."""
        if now < self.next:
            return None
        name = min(self._table, key=lambda name: self._table[name][0])
        _, do = self._table.pop(name)
        self._next = None
        return do


def _nothing(*_: object) -> None:
    return


class Watchdog:
    """Watches deadlines: the core's own, the lifetime, and whatever else is `set`.

    Args:
        core: Has a deadline now and then.
        apply: Carries out what the core does at its deadline.
        lifetime_ends: When the time is over, in seconds of Trio's clock.
        on_lifetime: Called then, once. It may set the deadline `lifetime` anew.
    """

    def __init__(
        self,
        core: Timed | None = None,
        apply: Callable[[Sequence[Effect]], None] = _nothing,
        lifetime_ends: float = math.inf,
        on_lifetime: Callable[[], None] = _nothing,
    ) -> None:
        self._core = core
        self._apply = apply
        self._deadlines = Deadlines()
        self._deadlines.set("lifetime", lifetime_ends, on_lifetime)
        self._sleep = trio.CancelScope()

    def set(self, name: str, when: float, do: Callable[[], None]) -> None:
        """Do something at a time, instead of what has the name now; see `Deadlines.set`. Cheap, wakes nobody."""
        self._deadlines.set(name, when, do)
        self.rearm()

    def clear(self, name: str) -> None:
        """Forget a deadline, if there is such. Cheap, wakes nobody."""
        self._deadlines.clear(name)
        self.rearm()

    def rearm(self) -> None:
        """Look at the deadlines anew; cheap, wakes nobody."""
        self._sleep.deadline = self._next()

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Watch until it is cancelled."""
        while True:
            with trio.CancelScope(deadline=self._next()) as self._sleep:
                await trio.sleep_forever()
            now = trio.current_time()
            if self._core is not None:
                self._apply(self._core.tick(now))
            while (do := self._deadlines.take(now)) is not None:
                do()

    def _next(self) -> float:
        own = None if self._core is None else self._core.deadline
        return self._deadlines.next if own is None else min(self._deadlines.next, own)


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

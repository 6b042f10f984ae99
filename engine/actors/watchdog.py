"""The watchdog: owns deadlines that have names, and the core's own. Sleeps until the next one and acts on it."""

import math
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

import trio

from engine.errors import DeadlinePassed
from engine.protocol.effects import Effect
from engine.waiting.sleepers import Sleepers


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

    __slots__ = ("_next", "_table")

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
    """Watches deadlines: the core's own, and whatever is `set`.

    Args:
        core: Has a deadline now and then.
        apply: Carries out what the core does at its deadline.

    Attributes:
        core: None while nothing can be done about its deadlines, as without a connection.
    """

    __slots__ = ("_apply", "_asleep", "_deadlines", "_is_off", "_sleep", "core")

    def __init__(self, core: Timed | None = None, apply: Callable[[Sequence[Effect]], None] = _nothing) -> None:
        self.core = core
        self._apply = apply
        self._deadlines = Deadlines()
        self._sleep = trio.CancelScope()
        self._asleep = Sleepers()
        self._is_off = False

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
        if self._asleep:  # Else `run` looks by itself before it sleeps.
            due = self._next()
            if due != self._sleep.deadline:  # To move it costs more than all the rest.
                self._sleep.deadline = due

    def call_off(self) -> None:
        """Let `run` return, if it runs."""
        self._is_off = True
        self._asleep.wake_all()

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Watch until it is cancelled or called off; may be called again."""
        self._is_off = False
        while not self._is_off:
            with trio.CancelScope(deadline=self._next()) as self._sleep:
                await self._asleep.sleep()
            if not self._is_off:
                self._act(trio.current_time())

    def _act(self, now: float) -> None:
        if self.core is not None:
            self._apply(self.core.tick(now))
        while (do := self._deadlines.take(now)) is not None:
            do()

    def _next(self) -> float:
        own = None if self.core is None else self.core.deadline
        return self._deadlines.next if own is None else min(self._deadlines.next, own)


class deadline:  # noqa: N801 - read as the function that it is called like
    """Bounds what runs inside: `with deadline("connect", 30): ...`.

    Args:
        name: As in `connect`.
        limit_s: How long it may take.

    Raises:
        DeadlinePassed: It took longer.
    """

    __slots__ = ("_is_off", "_limit_s", "_name", "_scope")

    def __init__(self, name: str, limit_s: float) -> None:
        self._name = name
        self._limit_s = limit_s
        self._is_off = False

    def __enter__(self) -> Self:
        self._scope = trio.CancelScope(deadline=trio.current_time() + self._limit_s)
        self._scope.__enter__()
        return self

    def call_off(self) -> None:
        """Leave the block at once, as if it had come to its end."""
        self._is_off = True
        self._scope.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        is_caught = bool(self._scope.__exit__(kind, error, traceback))
        if self._scope.cancelled_caught and not self._is_off:
            raise DeadlinePassed(self._name, self._limit_s) from None
        return is_caught

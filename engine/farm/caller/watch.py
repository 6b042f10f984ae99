"""What a worker sees of its calls while they run: turns as they end, who talks, and the account's limits."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import attrs
import trio

from engine.farm.job import RateLimit, Result, TurnResult
from engine.wire.server import RateLimit as WireLimit


@attrs.define(kw_only=True, eq=False)
class Watch:
    """Shared by all calls of a worker; each adds to it from the worker's own event loop.

    Attributes:
        rate_limit: The newest that the service told of tokens; the worker takes it, and puts None.
        turn_ended: Called with each turn as it ends, once; also with those that are in the result later.
        took: Called with the name of an attempt and the tokens that it has taken so far, as each response ends.
        cut: Called with what a call that is cancelled took until then: tokens, money and sound, without turns and
            files.
    """

    rate_limit: RateLimit | None = None
    turn_ended: Callable[[TurnResult], object] | None = None
    took: Callable[[str, int], object] | None = None
    cut: Callable[[Result], object] | None = None
    _calls: dict[object, Callable[[float], bool]] = attrs.field(factory=dict, init=False)

    @property
    def calls(self) -> int:
        """Sessions that are open, or being opened."""
        return len(self._calls)

    @property
    def talking(self) -> int:
        """Sessions in which the caller or the agent speaks just now."""
        now = trio.current_time()
        return sum(talks(now) for talks in self._calls.values())

    @contextmanager
    def call(self, talks: Callable[[float], bool]) -> Iterator[None]:
        """Count a call for the length of a block.

        Args:
            talks: Tells whether anybody speaks in it at a clock time.
        """
        name = object()
        self._calls[name] = talks
        try:
            yield
        finally:
            del self._calls[name]

    def told_limits(self, limits: Sequence[WireLimit]) -> None:
        """Take note of what the service told of the account's limits."""
        tokens = next((limit for limit in limits if limit.name == "tokens"), None)
        if tokens is not None and tokens.limit is not None and tokens.remaining is not None:
            self.rate_limit = RateLimit(
                limit=float(tokens.limit),
                remaining=float(tokens.remaining),
                reset_s=float(tokens.reset_seconds or 0.0),
            )

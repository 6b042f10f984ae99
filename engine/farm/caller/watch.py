"""What a worker sees of its calls while they run: turns as they end, who talks, and the account's limits."""

from collections.abc import Callable

import attrs

from engine.farm.job import RateLimit, TurnResult


@attrs.define(kw_only=True)
class Watch:
    """Shared by all calls of a worker; each adds to it from the worker's own event loop.

    Attributes:
        talking: Calls in which the caller or the agent speaks just now.
        rate_limit: The newest that the service told of tokens; the worker takes it, and puts None.
        turn_ended: Called with each turn as it ends, where given.
    """

    talking: int = 0
    rate_limit: RateLimit | None = None
    turn_ended: Callable[[TurnResult], object] | None = None

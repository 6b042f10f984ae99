"""Settings of how a lost connection is made anew: how often, how fast, for how long."""

import attrs

from engine import limits
from engine.config.checks import number


@attrs.frozen(kw_only=True)
class Reconnect:
    """When to try again. Each wait is drawn from nothing to a bound that doubles (full jitter).

    A server that says when to come back (`Retry-After`) is not asked earlier. What cannot get better is not tried
    again: a bad key, no quota, an unknown model, a certificate that does not fit.

    Attributes:
        attempts: How often, for one outage. The first attempt is made at once.
        total_s: How long an outage may last; then the session ends with the error that began it.
        first_delay_s: Bound of the wait before the second attempt.
        max_delay_s: Bound of every wait.
        stable_s: A connection that has lived this long ended the outage; one that breaks earlier goes on with it.
    """

    attempts: int = attrs.field(
        default=limits.RECONNECT_ATTEMPTS, validator=number("engine.reconnect.", 1, 10_000, "attempts", whole=True)
    )
    total_s: float = attrs.field(
        default=limits.RECONNECT_TOTAL_S, validator=number("engine.reconnect.", 0.0, 86_400, "s")
    )
    first_delay_s: float = attrs.field(
        default=limits.RECONNECT_FIRST_DELAY_S, validator=number("engine.reconnect.", 0.0, 3600, "s")
    )
    max_delay_s: float = attrs.field(
        default=limits.RECONNECT_MAX_DELAY_S, validator=number("engine.reconnect.", 0.0, 3600, "s")
    )
    stable_s: float = attrs.field(
        default=limits.RECONNECT_STABLE_S, validator=number("engine.reconnect.", 0.0, 3600, "s")
    )

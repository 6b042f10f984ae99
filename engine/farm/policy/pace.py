"""How fast sessions may start: never above the cap, halved when the service complains, raised again step by step.

Three gates stand one behind the other:

- *the cap*: in any window of the cap's own length there are at most so many starts (exactly: `CountWindow`);
- *the pace*: starts are spread evenly; what a late caller missed is made up, at most `CATCH_UP_S` of it;
- *the hold*: nothing starts before a moment that the service asked for.

The pace follows TCP's rule (additive increase, multiplicative decrease; Chiu and Jain 1989), with RFC 7661's addition:
it is lowered from what was really had, not from what was allowed, because halving an unused allowance changes nothing.
"""

import math
from typing import Final

from engine.errors import ConfigError
from engine.farm.policy.windows import AmountWindow, CountWindow

CATCH_UP_S: Final = 1.0
"""How much of the missed starts may be made up at once, in s: workers are told once a second at the rarest."""

OBSERVED_S: Final = 8.0
"""Over how long the pace that was really had is measured, in s."""

RECOVERY_S: Final = 60.0
"""How long a pace that fell to nothing would take back to where it was, in s: the service counts by the minute."""

RECOVERY_WHOLE_S: Final = 600.0
"""Longest way back to the cap itself, in s, however low the pace was."""

REACTION_S: Final = 2.0
"""After a lowering the next counts only when so long has passed, in s: sessions that were under way when the pace was
lowered still come back with complaints about the old one."""

FLOOR_SHARE: Final = 0.01
"""The pace never falls below this share of the cap: somebody must find out that the service has recovered."""

_STEP_S: Final = 0.5


class Pace:
    """The gates before each start.

    Args:
        cap_per_s: Starts a second, never exceeded.
        now: The run's begin.

    Raises:
        ConfigError: The cap is not above 0.
    """

    def __init__(self, cap_per_s: float, *, now: float) -> None:
        if not (cap_per_s > 0 and math.isfinite(cap_per_s)):
            raise ConfigError("caps.starts_per_s", cap_per_s, "a number above 0")
        self._cap = cap_per_s
        self._most = math.ceil(cap_per_s)
        self._window = CountWindow(self._most / cap_per_s)
        self._had = AmountWindow(OBSERVED_S, _STEP_S)
        self._begin = now
        self._pace = cap_per_s
        self._slope = 0.0
        self._lowered_at = -math.inf
        self._next_at = now
        self._held_until = -math.inf
        self._short_until = -math.inf

    def per_s(self, now: float) -> float:
        """Give the starts a second that are allowed just now."""
        recovering_s = max(0.0, now - self._lowered_at - REACTION_S)
        if recovering_s == math.inf:
            return self._cap
        return min(self._cap, self._pace + self._slope * recovering_s)

    def is_lowered(self, now: float) -> bool:
        """Tell whether the service, and not the cap, sets the pace."""
        return now < max(self._held_until, self._short_until) or self.per_s(now) < self._cap

    def opens_at(self, now: float) -> float:
        """Give when the next may start; not after now where it may start at once."""
        opens_at = max(self._next_at, self._held_until, self._short_until)
        if self._window.count(now) >= self._most:
            opens_at = max(opens_at, self._window.eases_at)
        return opens_at

    def start(self, now: float) -> None:
        """Take note of a start."""
        self._window.add(now)
        self._had.add(1.0, now, now)
        self._next_at = max(self._next_at, now - CATCH_UP_S) + 1.0 / self.per_s(now)

    def lower(self, factor: float, now: float) -> None:
        """Multiply the pace, once for all complaints that come together."""
        if now < self._lowered_at + REACTION_S:
            return
        before = min(self.per_s(now), self._observed(now))
        self._pace = max(before * factor, self._cap * FLOOR_SHARE)
        self._slope = max(before / RECOVERY_S, self._cap / RECOVERY_WHOLE_S)
        self._lowered_at = now
        # What was missed before is not made up at the old pace.
        self._next_at = max(self._next_at, now)

    def hold(self, until: float) -> None:
        """Let nothing start before a moment; the latest of all counts."""
        self._held_until = max(self._held_until, until)

    def hold_short(self, until: float) -> None:
        """Let nothing start before the account has tokens again. What is told last replaces what was told before."""
        self._short_until = until

    def _observed(self, now: float) -> float:
        return self._had.total(now) / min(max(now - self._begin, 1.0), OBSERVED_S)

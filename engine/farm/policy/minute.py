"""The cap of tokens a minute: what each session holds of it, from its start on.

Nobody knows when within its life a session's tokens are counted. So each session holds a part of the cap from its start
on, for as long as it lives and for a minute at least: all that it is expected to take where it lives for less than a
minute, otherwise a minute's worth, 60 s x tokens / life. Summed over time that is exactly what it takes, so the cap is
used up in the long run, and no minute holds more than the cap as long as sessions are as expected and spread their
tokens alike over their lives. What a session really took replaces what was expected when it ends.
"""

import math
from collections.abc import Iterable
from typing import Final

import attrs

from engine.farm.policy.spending import Average
from engine.farm.policy.windows import AmountWindow

MINUTE_S: Final = 60.0
_STEP_S: Final = 0.5


@attrs.define
class _Held:
    life_s: Average = attrs.field(factory=Average)
    active: int = 0
    amount: float = 0.0


class TokensPerMinute:
    """What counts against the cap.

    Args:
        cap: Tokens over any minute; None for none.
        scenarios: All that there are.
    """

    def __init__(self, cap: float | None, scenarios: Iterable[str]) -> None:
        self._cap = math.inf if cap is None else cap
        self._held = {name: _Held() for name in scenarios}
        self._total = 0.0
        self._active = 0
        self._ended = AmountWindow(MINUTE_S, _STEP_S)

    def used(self, now: float) -> float:
        """Give what active sessions hold, and those hold still that ended."""
        return max(self._total + self._ended.total(now), 0.0)

    def fits(self, scenario: str, tokens: float, now: float) -> bool:
        """Tell whether one more session fits. One that is larger than the cap itself goes alone."""
        used = self.used(now)
        return used + self._part(scenario, tokens) <= self._cap or used <= 0.0

    def eases_at(self) -> float | None:
        """Give when the oldest ended sessions let go; None where only active ones hold something."""
        return self._ended.eases_at()

    def start(self, scenario: str, tokens: float) -> None:
        """Hold a part for one more session."""
        part = self._part(scenario, tokens)
        held = self._held[scenario]
        held.active += 1
        held.amount += part
        self._active += 1
        self._total += part

    def end(self, scenario: str, tokens: float, life_s: float, now: float) -> None:
        """Put what a session took in the place of what it held."""
        part = self._let_go(scenario)
        if life_s < MINUTE_S:
            self._ended.add(tokens, now - life_s, now)
        else:
            self._ended.add(tokens * MINUTE_S / life_s - part, now, now)

    def learn(self, scenario: str, life_s: float) -> None:
        """Learn how long a session lives."""
        self._held[scenario].life_s.add(life_s)

    def take_back(self, scenario: str) -> None:
        """Take back a start that never happened."""
        self._let_go(scenario)

    def _part(self, scenario: str, tokens: float) -> float:
        return tokens * MINUTE_S / max(self._held[scenario].life_s.mean, MINUTE_S)

    def _let_go(self, scenario: str) -> float:
        # Which session held how much is not kept: in a scenario they are alike, and the sum comes out even.
        held = self._held[scenario]
        part = held.amount / held.active
        held.active -= 1
        held.amount = held.amount - part if held.active else 0.0
        self._active -= 1
        self._total = self._total - part if self._active else 0.0
        return part

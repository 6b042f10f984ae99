"""The cap of tokens a minute: what each session holds of it, from its start on.

Nobody knows when within its life a session's tokens are counted. So each session holds a part of the cap from its
start on. Where sessions of its scenario live for less than a minute it is all that one takes, held for a minute; what
it really took replaces that when it ends. Where they live longer it is a minute's worth, 60 s x tokens / life, held for
as long as it lives. Summed over time both come to what sessions take, so that in the long run the cap is used up; and
no minute takes more than the cap as far as sessions are as expected, and alike in how they spread tokens over their
lives.
"""

import math
from collections.abc import Mapping
from typing import Final

import attrs

from engine.farm.policy.spending import Average
from engine.farm.policy.windows import AmountWindow

MINUTE_S: Final = 60.0
_STEP_S: Final = 0.5

MARGIN_DEVIATIONS: Final = 1.0
"""So many standard deviations of what active sessions take are held beside their mean: what they take less is dealt out
again at once, and what they take more can't be taken back."""


@attrs.define
class _Held:
    life_s: Average
    active: int = 0
    mean: float = 0.0
    variance: float = 0.0


class TokensPerMinute:
    """What counts against the cap.

    Args:
        cap: Tokens over any minute; None for none.
        tokens: What a session takes, by scenario; who owns these learns.
        lives_s: How long one lives, by scenario; where it is missing, a minute until the first has told.
    """

    def __init__(self, cap: float | None, tokens: Mapping[str, Average], lives_s: Mapping[str, float]) -> None:
        self._cap = math.inf if cap is None else cap
        self._tokens = tokens
        self._held = {name: _Held(Average(lives_s.get(name))) for name in tokens}
        self._mean = 0.0
        self._variance = 0.0
        self._active = 0
        self._ended = AmountWindow(MINUTE_S, _STEP_S)

    def used(self, now: float) -> float:
        """Give what active sessions hold, and those hold still that ended."""
        return self._used(self._mean, self._variance, now)

    def fits(self, scenario: str, now: float) -> bool:
        """Tell whether one more session fits. One that is larger than the cap itself goes alone."""
        mean, variance = self._part(scenario)
        used = self._used(self._mean + mean, self._variance + variance, now)
        return used <= self._cap or (not self._active and self._ended.total(now) <= 0.0)

    def eases_at(self) -> float | None:
        """Give when the oldest ended sessions let go; None where only active ones hold something."""
        return self._ended.eases_at()

    def start(self, scenario: str) -> None:
        """Hold a part for one more session."""
        self._change(scenario, 1)

    def take_back(self, scenario: str) -> None:
        """Take back a start that never happened."""
        self._change(scenario, -1)

    def end(self, scenario: str, took: float, life_s: float, now: float) -> None:
        """Put what a session took in the place of what it held."""
        self._change(scenario, -1)
        if self._held[scenario].life_s.mean < MINUTE_S:
            self._ended.add(took, now - life_s, now)

    def learn(self, scenario: str, life_s: float) -> None:
        """Learn how long a session lives. What active ones hold goes by that at once, and by what tokens are known."""
        self._held[scenario].life_s.add(life_s)
        self._change(scenario, 0)

    def _used(self, mean: float, variance: float, now: float) -> float:
        return max(mean, 0.0) + MARGIN_DEVIATIONS * math.sqrt(max(variance, 0.0)) + self._ended.total(now)

    def _part(self, scenario: str) -> tuple[float, float]:
        share = MINUTE_S / max(self._held[scenario].life_s.mean, MINUTE_S)
        tokens = self._tokens[scenario]
        return share * tokens.mean, share * share * tokens.variance

    def _change(self, scenario: str, by: int) -> None:
        # A scenario's part is replaced as a whole: a decision costs the same with ten sessions and with 100,000.
        held = self._held[scenario]
        mean, variance = self._part(scenario)
        held.active += by
        self._active += by
        self._mean += held.active * mean - held.mean
        self._variance += held.active * variance - held.variance
        held.mean, held.variance = held.active * mean, held.active * variance
        if not self._active:
            self._mean = self._variance = 0.0

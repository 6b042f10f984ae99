"""The course of a scenario's sessions: what one takes at which age, how many live on, and what those will take.

Learned by age, in steps: of those that lived at an age, so many ended in that step, and they took so many tokens.
What is to come of a session is what others took at the ages that it has before it, as far as they lived. Ages that
few have reached go by all ages together, which begin with the plan's estimate.
"""

import math
from itertools import accumulate, repeat
from operator import add, mul, sub, truediv
from typing import Final

from engine.farm.policy.spending import PRIOR_WEIGHT, PROBES, Average

STEP_S: Final = 1.0
"""Ages and minutes are told apart by so much."""

MINUTE_STEPS: Final = 61
"""Steps of a minute: one more, as minutes don't begin where steps do."""

AGES_MIN: Final = 32
AGES_MAX: Final = 256
"""Steps of age that are told apart: twice as long as sessions live, within these. All who are older are alike."""

PRIOR_DEVIATION: Final = 0.5
"""An estimate may be wrong by so much of itself (one standard deviation)."""

ESTIMATE_DEVIATIONS: Final = 2.0
"""By so many standard errors what is learned is taken for more than it is: a mean of few sessions may be too low."""

FEW_AGES: Final = 48
"""Sessions of no more ages than this, as of one of many scenarios, are foreseen age by age, which is cheaper then."""

TRIED_EACH: Final = 2.0
"""So many sessions more may be active for each whole life that sessions of the scenario have shown."""


class Course:
    """What sessions of one scenario take over their lives, learned as they go, and how many live at which age.

    Args:
        tokens: Of a whole session; who owns it learns.
        life_s: How long one is expected to live.
        ages: Steps of age that are told apart.
    """

    def __init__(self, tokens: Average, life_s: float, ages: int) -> None:
        self._tokens = tokens
        self._estimate = tokens.mean if tokens.is_known else None
        self._life_steps = max(life_s / STEP_S, 1.0)
        # All are taken to live as long as is expected, and on average as long again: who takes more than is foreseen
        # can't be stopped.
        self._risks = [0.0 if age + 1 < self._life_steps else 1 / self._life_steps for age in range(ages)]
        self._lived, self._took = [0.0] * ages, [0.0] * ages
        self._squares, self._ended = [0.0] * ages, [0.0] * ages
        self.alive = [0] * ages
        """How many live, by age in steps."""
        self._survival = [1.0] * ages
        self._mean: list[float] = []
        self._variance: list[float] = []
        self.minutes: list[float] = []
        """What a session that starts now will take in the minute that ends with each step from now on."""
        self.variances: list[float] = []
        """Its variance."""
        self._has_news = False
        self._active = 0
        self._lives = 0.0
        self._ends = 0
        self._learn()

    # --- what is told ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Count one more, of age 0."""
        self.alive[0] += 1
        self._lived[0] += 1
        self._active += 1

    def take_back(self, age: int) -> None:
        """Forget a start that never happened."""
        self._leave(age)
        self._forget(age)

    def take(self, age: int, tokens: float) -> None:
        """Take note of what one took at an age."""
        self._took[age] += tokens
        self._squares[age] += tokens * tokens

    def end(self, age: int, *, tells: bool) -> None:
        """Take note of an end. One that broke before it took anything tells nothing of the others."""
        self._leave(age)
        if tells:
            self._ended[age] += 1
            self._ends += 1
        else:
            self._forget(age)

    def go_on(self, steps: int) -> None:
        """Let time pass: all grow older, and what they told is learned from."""
        if not any(self.alive) and not self._has_news:
            return
        self._lives += self._active * steps / self._life_steps
        for _ in range(steps):
            self.alive[-1] += self.alive.pop(-2)
            self.alive.insert(0, 0)
            self._lived = list(map(add, self._lived, self.alive))
        self._learn()

    def _leave(self, age: int) -> None:
        self._has_news = True
        self._active -= 1
        # Where nobody has that age (clocks may differ by a step), the next younger one goes, or the next older one.
        ages = (*range(age, -1, -1), *range(age + 1, len(self.alive)))
        self.alive[next((each for each in ages if self.alive[each]), age)] -= 1

    def _forget(self, age: int) -> None:
        for each in range(age + 1):
            self._lived[each] = max(0.0, self._lived[each] - 1)

    @property
    def is_tried(self) -> bool:
        """Tell whether enough has been seen for one more: what the plan expects may be far from what sessions take."""
        return self._active < PROBES + TRIED_EACH * max(self._lives, self._ends)

    # --- what is known -----------------------------------------------------------------------------------------------

    def _learn(self) -> None:
        """Reckon anew what a session takes at each age."""
        self._has_news = False
        rate = (self._tokens.mean if self._estimate is None else self._estimate) / self._life_steps
        weight = PRIOR_WEIGHT if self._tokens.is_known else 1.0
        known = [each + weight for each in self._lived]
        takes = _blended(self._took, weight * rate, known)
        squares = _blended(self._squares, weight * rate * rate, known)
        ends = [(each + weight * risk) / of for each, risk, of in zip(self._ended, self._risks, known, strict=True)]
        self._survival = [1.0, *accumulate((1.0 - each for each in ends[:-1]), _lives_on)]
        self._foresee(list(map(mul, takes, self._margins(known))), takes, squares, ends[-1])

    def _foresee(self, more: list[float], takes: list[float], squares: list[float], last_ends: float) -> None:
        tail = [self._survival[-1] * (1.0 - last_ends) ** later for later in range(1, MINUTE_STEPS + 1)]
        lives = [*self._survival, *tail]
        more, takes, squares = (each + each[-1:] * MINUTE_STEPS for each in (more, takes, squares))
        self._mean = list(map(mul, lives, more))
        variance = [
            max(life * each - (life * one) ** 2, 0.0) for life, each, one in zip(lives, squares, takes, strict=True)
        ]
        scatter = self._scatter(sum(variance))
        self._variance = [scatter * each for each in variance]
        self.minutes, self.variances = by_minute(self._mean), by_minute(self._variance)

    def _margins(self, known: list[float]) -> list[float]:
        """Say by how much what is known of each age is taken for more."""
        mean, guessed = self._tokens.mean, PRIOR_DEVIATION * PRIOR_DEVIATION * PRIOR_WEIGHT
        differ = self._tokens.variance / mean**2 if mean else 0.0
        return [1.0 + ESTIMATE_DEVIATIONS * math.sqrt((differ + guessed / of) / of) for of in known]

    def _scatter(self, variance: float) -> float:
        """Say by how much whole sessions differ more than their steps do by themselves."""
        return max(1.0, self._tokens.variance / variance) if variance else 1.0

    def to_come(self) -> tuple[list[float], list[float]]:
        """Give what all that live will take, by step from now on, and its variance."""
        oldest = max((age for age, alive in enumerate(self.alive) if alive), default=-1)
        many = list(map(truediv, self.alive[: oldest + 1], self._survival))
        return _carried(many, self._mean), _carried(many, self._variance)


def _carried(many: list[float], each: list[float]) -> list[float]:
    """Sum up what so many of each age take, by step from now on, where one takes this at each age."""
    ages = [age for age, count in enumerate(many) if count]
    if len(ages) > FEW_AGES:
        return [sum(map(mul, many, each[step:])) for step in range(len(each))]
    steps = len(each)
    sums = [0.0] * steps
    for age in ages:
        sums[: steps - age] = map(add, sums, map(mul, repeat(many[age]), each[age:]))
    return sums


def by_minute(steps: list[float]) -> list[float]:
    """Sum up, for each step, the minute that ends with it."""
    sums = list(accumulate(steps))
    return [*sums[:MINUTE_STEPS], *map(sub, sums[MINUTE_STEPS:], sums)]


def _blended(sums: list[float], guessed: float, known: list[float]) -> list[float]:
    return [(each + guessed) / of for each, of in zip(sums, known, strict=True)]


def _lives_on(before: float, here: float) -> float:
    return max(before * here, 1e-9)

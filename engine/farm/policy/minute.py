"""The cap of tokens a minute: what was told in the last minute, and what sessions under way will take in the next ones.

What a session takes is told response by response, and counts for a minute from then on. What it will take is foreseen
by its scenario's course (`engine.farm.policy.course`) with a margin for scatter and for what is not known well yet. One
more session starts where, with it, no minute from this one on would take more than the cap.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from itertools import accumulate
from operator import add
from typing import Final

from engine.farm.policy.course import AGES_MAX, AGES_MIN, MINUTE_STEPS, STEP_S, Course, by_minute
from engine.farm.policy.spending import Average

MINUTE_S: Final = 60.0

MARGIN_DEVIATIONS: Final = 3.0
"""So many standard deviations of what sessions under way will take are kept free."""

FREE_SHARE: Final = 0.02
"""This share of the cap is kept free besides: sessions that began together scatter together, and late."""

UNTRIED_FACTOR: Final = 8.0
"""A scenario that few sessions have shown may take so many times what the plan expects."""


class TokensPerMinute:
    """What counts against the cap. Moments are told in order.

    Args:
        cap: Tokens over any minute; None for none, which costs nothing.
        tokens: What a session takes, by scenario; who owns these learns.
        lives_s: How long one lives, by scenario; where it is missing, a minute until others have told.
    """

    def __init__(self, cap: float | None, tokens: Mapping[str, Average], lives_s: Mapping[str, float]) -> None:
        self._cap = math.inf if cap is None else cap
        lives = {name: lives_s.get(name, MINUTE_S) for name in tokens}
        longest = math.ceil(2 * max(lives.values(), default=0.0) / STEP_S)
        self._ages = min(max(longest, AGES_MIN), AGES_MAX)
        self._courses = {name: Course(each, lives[name], self._ages) for name, each in tokens.items()}
        self._step: int | None = None
        self._told: deque[tuple[int, float]] = deque()
        self._told_now = 0.0
        self._due_now = 0.0
        self._active = 0
        self._minutes = [0.0] * (self._ages + MINUTE_STEPS)
        self._variances = list(self._minutes)

    def used(self, now: float) -> float:
        """Give the most that a minute from now on takes, with what is kept free for scatter."""
        if self._cap == math.inf:
            return 0.0
        self._go_on(now)
        return self._most(self._minutes, self._variances)

    def fits(self, scenario: str, now: float) -> bool:
        """Tell whether one more session fits. One that is larger than the cap itself goes alone."""
        if self._cap == math.inf:
            return True
        self._go_on(now)
        course = self._courses[scenario]
        minutes = list(map(add, self._minutes, course.minutes))
        variances = list(map(add, self._variances, course.variances))
        most = self._most(minutes, variances)
        if most > self._cap * (1 - FREE_SHARE):
            return not self._active and not self._told and not self._told_now
        return course.is_tried or most * UNTRIED_FACTOR <= self._cap

    def eases_at(self, now: float) -> float:
        """Give when it is worth while to ask again: with the next step, or when the oldest of what was told leaves."""
        step = _step_of(now) + 1
        if not self._active and self._told:
            step = max(step, self._told[0][0] + MINUTE_STEPS)
        return step * STEP_S

    # --- what is told ------------------------------------------------------------------------------------------------

    def start(self, scenario: str, now: float) -> None:
        """Foresee for one more session."""
        if self._cap == math.inf:
            return
        self._go_on(now)
        course = self._courses[scenario]
        course.start()
        self._active += 1
        self._minutes = list(map(add, self._minutes, course.minutes))
        self._variances = list(map(add, self._variances, course.variances))

    def take(self, scenario: str, tokens: float, began: float, now: float) -> None:
        """Count what a session took just now."""
        if self._cap == math.inf or tokens <= 0:
            return
        self.add(tokens, now)
        self._courses[scenario].take(self._age(began), tokens)

    def add(self, tokens: float, now: float) -> None:
        """Count tokens that were used just now, whoever did."""
        if self._cap < math.inf and tokens > 0:
            self._go_on(now)
            self._told_now += tokens

    def end(self, scenario: str, began: float, now: float, *, tells: bool) -> None:
        """Foresee nothing more of a session that ended; `tells` where others may be expected to do as it did."""
        self._leave(scenario, began, now, partial(Course.end, tells=tells))

    def take_back(self, scenario: str, began: float, now: float) -> None:
        """Take back a start that never happened."""
        self._leave(scenario, began, now, Course.take_back)

    def _leave(self, scenario: str, began: float, now: float, leave: Callable[[Course, int], None]) -> None:
        if self._cap == math.inf:
            return
        self._go_on(now)
        self._active -= 1
        leave(self._courses[scenario], self._age(began))
        # What it held is free with the next step: all of it anew at each end would cost too much.
        if not self._active:
            self._foresee()

    def _age(self, began: float) -> int:
        return min(max((self._step or 0) - _step_of(began), 0), self._ages - 1)

    # --- how it stands -----------------------------------------------------------------------------------------------

    def _most(self, minutes: list[float], variances: list[float]) -> float:
        # What was told in this step was foreseen for it; what goes beyond comes on top.
        more = max(0.0, self._told_now - self._due_now)
        return max(minutes) + more + MARGIN_DEVIATIONS * math.sqrt(max(variances))

    def _go_on(self, now: float) -> None:
        """Take note of the time: each step that has passed makes all sessions older."""
        step = _step_of(now)
        if self._step is None:
            self._step = step
        if step > self._step:
            if self._told_now:
                self._told.append((self._step, self._told_now))
                self._told_now = 0.0
            for course in self._courses.values():
                course.go_on(min(step - self._step, self._ages))
            self._step = step
            self._foresee()

    def _foresee(self) -> None:
        """Reckon anew, for each step from now on, what the minute takes that ends with it."""
        step = self._step or 0
        while self._told and self._told[0][0] + MINUTE_STEPS <= step:
            self._told.popleft()
        steps, variances = [0.0] * (self._ages + MINUTE_STEPS), [0.0] * (self._ages + MINUTE_STEPS)
        for course in self._courses.values():
            if any(course.alive):
                mean, variance = course.to_come()
                steps, variances = list(map(add, steps, mean)), list(map(add, variances, variance))
        self._due_now = steps[0]
        self._minutes, self._variances = by_minute(steps), by_minute(variances)
        self._add_told(step)

    def _add_told(self, step: int) -> None:
        counts = [0.0] * MINUTE_STEPS
        for at, tokens in self._told:
            counts[at + MINUTE_STEPS - 1 - step] += tokens
        for later, told in enumerate(accumulate(reversed(counts))):
            self._minutes[MINUTE_STEPS - 1 - later] += told


def _step_of(now: float) -> int:
    return math.floor(now / STEP_S)

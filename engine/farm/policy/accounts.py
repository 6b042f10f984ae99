"""All that a session is charged to: the budget in tokens, the budget in money, and the tokens of the minute."""

from collections.abc import Iterable
from typing import Final

from engine.farm.job import Result
from engine.farm.policy.minute import TokensPerMinute
from engine.farm.policy.rules import Rules
from engine.farm.policy.spending import PROBES, Budget

BUDGET: Final = "budget"
PROBING: Final = "first sessions must tell what one takes"


class Accounts:
    """Whether a session of a scenario can be paid for, and what ended ones took.

    Args:
        rules: Whose caps and estimates count.
        scenarios: All that there are.
        tokens: Spent before.
        cost_usd: Spent before.
    """

    def __init__(self, rules: Rules, scenarios: Iterable[str], *, tokens: int, cost_usd: float) -> None:
        caps, names = rules.caps, tuple(scenarios)
        self.tokens = Budget(caps.budget_tokens, tokens, names, rules.expected_tokens)
        self.usd = Budget(caps.budget_usd, cost_usd, names, rules.expected_usd)
        self.minute = TokensPerMinute(caps.tokens_per_min, self.tokens.averages, rules.expected_life_s)
        self.active = dict.fromkeys(names, 0)
        self._counts_tokens = caps.budget_tokens is not None or caps.tokens_per_min is not None
        self._counts_usd = caps.budget_usd is not None

    def refusal(self, scenario: str) -> str:
        """Say why one more session can't be paid for just now; empty where it can."""
        if self.active[scenario] >= PROBES and self._is_unknown(scenario):
            return PROBING
        return "" if self.tokens.fits(scenario) and self.usd.fits(scenario) else BUDGET

    def broke(self, scenarios: Iterable[str]) -> str:
        """Name the budget that is spent where none of these could be paid for even alone; empty otherwise."""
        names = list(scenarios)
        if any(self.tokens.fits_alone(name) and self.usd.fits_alone(name) for name in names):
            return ""
        if all(self.tokens.fits_alone(name) for name in names):
            return f"budget of {self.usd.limit:.2f} USD is spent"
        return f"budget of {self.tokens.limit:g} tokens is spent"

    def fits_minute(self, scenario: str, now: float) -> bool:
        """Tell whether one more session keeps the cap of tokens a minute."""
        return self.minute.fits(scenario, now)

    def start(self, scenario: str, now: float) -> None:
        """Reserve for one more."""
        self.active[scenario] += 1
        self.minute.start(scenario, now)
        self.tokens.start(scenario)
        self.usd.start(scenario)

    def take_back(self, scenario: str, began: float, now: float) -> None:
        """Take back a start that never happened."""
        self.active[scenario] -= 1
        self.minute.take_back(scenario, began, now)
        self.tokens.take_back(scenario)
        self.usd.take_back(scenario)

    def took(self, scenario: str, tokens: float, began: float, now: float) -> None:
        """Count what an active session took just now."""
        self.minute.take(scenario, tokens, began, now)

    def end(self, result: Result, began: float, now: float, *, told: float) -> None:
        """Count what a session took, beyond what it has told, and learn from it where it ran its course."""
        scenario, (tokens, usd) = result.scenario, _told(result)
        tells = bool(tokens) or result.status in ("passed", "failed")
        self.active[scenario] -= 1
        if tokens is None:
            self.minute.add(self.tokens.averages[scenario].mean - told, now)
        else:
            self.minute.take(scenario, tokens - told, began, now)
        # What was told of one that was lost stays known of its ages, so these count as lived.
        self.minute.end(scenario, began, now, tells=tells or told > 0)
        self.tokens.end(scenario, tokens)
        self.usd.end(scenario, usd)
        if tells:
            self.tokens.learn(scenario, result.tokens)
            self.usd.learn(scenario, usd)

    def presume(self, scenario: str, now: float) -> None:
        """Count a session of an earlier stretch that could not tell what it took."""
        self.minute.add(self.tokens.averages[scenario].mean, now)
        self.tokens.presume(scenario)
        self.usd.presume(scenario)

    def told_late(self, result: Result) -> None:
        """Count what a session took that ended as lost, and was presumed to have taken the mean."""
        tokens, usd = _told(result)
        self.tokens.told_late(result.scenario, tokens)
        self.usd.told_late(result.scenario, usd)

    def _is_unknown(self, scenario: str) -> bool:
        unknown_tokens = self._counts_tokens and not self.tokens.averages[scenario].is_known
        return unknown_tokens or (self._counts_usd and not self.usd.averages[scenario].is_known)


def _told(result: Result) -> tuple[float | None, float | None]:
    # A worker that died took its sessions' counts with it; a price that nobody knows is not a price of nothing.
    if result.status == "lost" and not result.tokens:
        return None, None
    unpriced = result.cost_usd is None and result.tokens > 0
    return result.tokens, None if unpriced else result.cost_usd or 0.0

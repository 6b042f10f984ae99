"""What a run of a plan will take, about: sessions, time, tokens and money."""

from collections.abc import Mapping

import attrs

from engine.farm.plan.jobs import begins_again, jobs_in_cycle
from engine.farm.plan.model import Load, Plan, Scenario
from engine.farm.plan.session_estimate import SessionEstimate, session_estimate


@attrs.frozen(kw_only=True)
class Expected:
    """What one session of a scenario takes, before the first has ended.

    Attributes:
        tokens: That the service counts.
        life_s: From its start to its end.
        usd: What they cost: 0 with the simulator; None where the model has no known price.
    """

    tokens: float
    life_s: float
    usd: float | None


@attrs.frozen(kw_only=True)
class ScenarioEstimate:
    """A scenario of a run.

    Attributes:
        name: Its name.
        sessions: How many it will have.
        one: One of them.
    """

    name: str
    sessions: float
    one: SessionEstimate


@attrs.frozen(kw_only=True)
class Estimate:
    """A run, about. Retries are not in it.

    Attributes:
        scenarios: One by one.
        duration_s: Of the run, as caps and load allow it; it may take longer where the service is slow.
        is_simulated: The simulator costs nothing.
    """

    scenarios: tuple[ScenarioEstimate, ...]
    duration_s: float
    is_simulated: bool

    @property
    def sessions(self) -> float:
        """All of them."""
        return sum(one.sessions for one in self.scenarios)

    @property
    def session_s(self) -> float:
        """Time of all sessions together."""
        return sum(one.sessions * one.one.length_s for one in self.scenarios)

    @property
    def tokens(self) -> float:
        """Of all sessions."""
        return sum(one.sessions * one.one.tokens for one in self.scenarios)

    @property
    def service_usd(self) -> float | None:
        """What the service asks for all sessions; None where a model has no known price."""
        prices = [(one.sessions, one.one.usd) for one in self.scenarios]
        if any(usd is None for _, usd in prices):
            return None
        return sum(sessions * (usd or 0.0) for sessions, usd in prices)

    @property
    def usd(self) -> float | None:
        """What the run costs."""
        return 0.0 if self.is_simulated else self.service_usd


def expected(plan: Plan) -> Mapping[str, Expected]:
    """Give what one session of each scenario takes, for the policy's first steps.

    Args:
        plan: Checked.

    Raises:
        ConfigError: A file can't be read any more.
    """
    reckoned = {scenario.name: session_estimate(plan, scenario) for scenario in plan.scenarios}
    free = plan.target.kind == "simulator"
    return {
        name: Expected(tokens=one.tokens, life_s=one.length_s, usd=0.0 if free else one.usd)
        for name, one in reckoned.items()
    }


def estimate(plan: Plan) -> Estimate:
    """Reckon a run.

    Args:
        plan: Checked.

    Raises:
        ConfigError: A file can't be read any more.
    """
    each = {scenario.name: session_estimate(plan, scenario) for scenario in plan.scenarios}
    sizes = _sizes(plan, each)
    scenarios = tuple(ScenarioEstimate(name=name, sessions=sizes[name], one=one) for name, one in each.items())
    return Estimate(
        scenarios=scenarios, duration_s=_duration_s(plan, scenarios), is_simulated=plan.target.kind == "simulator"
    )


def load_s(load: Load) -> float | None:
    """Tell how long a load goes on by itself; None where it ends with its jobs."""
    if load.stages:
        return sum(stage.duration_s for stage in load.stages)
    return load.duration_s


def area(load: Load) -> float:
    """Add up what a load asks for over its time: sessions x s, or starts."""
    if not load.stages:
        return (load.sessions or load.rate_per_s or 0.0) * (load.duration_s or 0.0)
    before, total = 0.0, 0.0
    for stage in load.stages:
        total += (before + stage.to) / 2 * stage.duration_s
        before = stage.to
    return total


def _sizes(plan: Plan, each: Mapping[str, SessionEstimate]) -> Mapping[str, float]:
    if not begins_again(plan.load):
        return {scenario.name: float(jobs_in_cycle(scenario)) for scenario in plan.scenarios}
    shares = _shares(plan.scenarios)
    starts = area(plan.load)
    if plan.load.shape != "arrival":
        # What is asked for is sessions at a time: each makes room for the next when it ends.
        starts /= sum(shares[name] * one.length_s for name, one in each.items())
    most = plan.caps.starts_per_s * (load_s(plan.load) or 0.0)
    return {name: min(starts, most) * share for name, share in shares.items()}


def _shares(scenarios: tuple[Scenario, ...]) -> Mapping[str, float]:
    whole = sum(scenario.weight for scenario in scenarios)
    return {scenario.name: scenario.weight / whole for scenario in scenarios}


def _duration_s(plan: Plan, scenarios: tuple[ScenarioEstimate, ...]) -> float:
    sessions = sum(one.sessions for one in scenarios)
    total_s = sum(one.sessions * one.one.length_s for one in scenarios)
    last_s = max(one.one.length_s for one in scenarios)
    timed_s = load_s(plan.load) if begins_again(plan.load) else None
    if timed_s is not None:
        return timed_s + last_s
    caps = plan.caps
    at_once = min(plan.load.sessions or caps.sessions, caps.sessions)
    rate = min(plan.load.rate_per_s or caps.starts_per_s, caps.starts_per_s)
    tokens = sum(one.sessions * one.one.tokens for one in scenarios)
    paced_s = tokens / caps.tokens_per_min * 60 if caps.tokens_per_min else 0.0
    return max(total_s / at_once, (sessions - 1) / rate + last_s, paced_s, last_s)

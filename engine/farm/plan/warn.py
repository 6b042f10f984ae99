"""What may not be meant in a plan that can run all the same."""

from collections.abc import Iterator, Mapping

from engine.config.checks import plain
from engine.farm.metrics import METRICS
from engine.farm.plan.estimate import Estimate, load_s
from engine.farm.plan.jobs import begins_again
from engine.farm.plan.model import FirstAudioWithin, Plan, Push, Say, Scenario, Type, WordErrorRate
from engine.farm.plan.rendering import names_used
from engine.farm.plan.session_estimate import SessionEstimate
from engine.farm.plan.silence import silence_warnings
from engine.farm.plan.wording import plural


def warnings_of(plan: Plan, reckoned: Estimate, environment: Mapping[str, str]) -> Iterator[str]:
    """Find what people should look at before they run a plan.

    Args:
        plan: Checked.
        reckoned: What it will take.
        environment: Of the process, for the key.
    """
    if plan.target.kind != "simulator" and not environment.get(plan.target.key_env):
        yield f"${plan.target.key_env} is not set: the run will refuse to start without a key"
    yield from _of_budget(plan, reckoned)
    yield from _of_load(plan, reckoned)
    yield from _of_thresholds(plan)
    yield from silence_warnings(plan)
    for scenario, one in zip(plan.scenarios, reckoned.scenarios, strict=True):
        yield from _of_scenario(plan, scenario, one.one)


def _of_budget(plan: Plan, reckoned: Estimate) -> Iterator[str]:
    caps = plan.caps
    if caps.budget_tokens is not None and reckoned.tokens > caps.budget_tokens:
        yield _ends_early("budget_tokens", caps.budget_tokens, reckoned.tokens, reckoned.sessions, "tokens")
    usd = reckoned.usd
    if caps.budget_usd is not None and usd is not None and usd > caps.budget_usd:
        yield _ends_early("budget_usd", caps.budget_usd, usd, reckoned.sessions, "USD")
    for one in reckoned.scenarios:
        if caps.tokens_per_min is not None and one.one.tokens > caps.tokens_per_min:
            yield (
                f"one session of {one.name} takes about {one.one.tokens:,.0f} tokens, more than"
                f" caps.tokens_per_min ({caps.tokens_per_min:,.0f}) gives in a minute: sessions start one by one"
            )


def _ends_early(name: str, budget: float, needed: float, sessions: float, unit: str) -> str:
    reached = sessions * budget / needed
    return (
        f"caps.{name} = {plain(budget)} ends the run after about {reached:,.0f} of {sessions:,.0f} sessions:"
        f" all of them take about {needed:,.2f} {unit}"
    )


def _of_load(plan: Plan, reckoned: Estimate) -> Iterator[str]:
    load, caps = plan.load, plan.caps
    mean_s = reckoned.session_s / reckoned.sessions
    if load.shape == "constant" and load.sessions is not None and begins_again(load):
        needed = load.sessions / mean_s
        if needed > caps.starts_per_s:
            reached = caps.starts_per_s * mean_s
            yield (
                f"{load.sessions:,} sessions of about {mean_s:.0f} s need {needed:,.1f} starts a second, and"
                f" caps.starts_per_s gives {caps.starts_per_s:g}: about {reached:,.0f} at a time will be reached"
            )
    if load.shape == "arrival":
        rate = load.rate_per_s or max(stage.to for stage in load.stages)
        if rate * mean_s > caps.sessions:
            yield (
                f"{rate:g} starts a second of about {mean_s:.0f} s need {rate * mean_s:,.0f} sessions at a time, and"
                f" caps.sessions gives {caps.sessions:,}: arrivals will be dropped or late"
            )
    if load.shape == "ramp":
        yield from _of_ramp(plan)


def _of_thresholds(plan: Plan) -> Iterator[str]:
    for threshold in plan.thresholds:
        is_share = METRICS[threshold.metric].unit == "share" and threshold.statistic != "count"
        if is_share and threshold.bound == 1 and threshold.metric != "word_error_rate" and "%" not in threshold.text:
            yield f"threshold {threshold.text}: 1 is all of them; a hundredth is 1%"


def _of_ramp(plan: Plan) -> Iterator[str]:
    before = 0.0
    for index, stage in enumerate(plan.load.stages):
        if stage.to - before > plan.caps.starts_per_s * stage.duration_s:
            yield (
                f"load.stages[{index}] goes from {before:g} to {stage.to:g} sessions in {stage.duration_s:g} s, and"
                f" caps.starts_per_s gives {plan.caps.starts_per_s * stage.duration_s:,.0f} starts in that time"
            )
        before = stage.to


def _of_scenario(plan: Plan, scenario: Scenario, one: SessionEstimate) -> Iterator[str]:
    used = {name for _, name in names_used(scenario)}
    unused = [name for name in scenario.matrix if name not in used]
    if unused:
        yield f"{scenario.name}: matrix.{unused[0]} is used nowhere: write {{{unused[0]}}} in a text or a setting"
    if scenario.rows != ({},) and not used & set(scenario.rows[0]):
        yield f"{scenario.name}: no column of {scenario.data or 'the data'} is used: write {{column}} in a text"
    yield from _of_turns(scenario)
    if one.length_s >= scenario.deadline_s:
        yield f"{scenario.name}: a session takes about its deadline_s ({scenario.deadline_s:g} s) or longer"
    settings = {**plan.session, **scenario.session}
    only_text = tuple(settings.get("output_modalities", ())) in {("text",), tuple("text")}
    if only_text and any(isinstance(expectation, FirstAudioWithin) for expectation in scenario.expect):
        yield f"{scenario.name}: it expects audio, and output_modalities gives text alone"
    hears = any(isinstance(expectation, WordErrorRate) and expectation.of == "heard" for expectation in scenario.expect)
    if hears and not settings.get("transcription", True):
        yield f"{scenario.name}: it expects what was heard, and transcription is off: nothing will be told"
    timed_s = load_s(plan.load)
    if timed_s is not None and one.length_s > timed_s:
        yield f"{scenario.name}: a session takes about {one.length_s:.0f} s, longer than the load ({timed_s:g} s)"


def _of_turns(scenario: Scenario) -> Iterator[str]:
    """Look for turns that no answer can be: each step that says, types or pushes gets one, tools may bring more."""
    asked = sum(isinstance(step, (Say, Type, Push)) for step in scenario.turns)
    highest = max((abs(turn) for one in scenario.expect if (turn := getattr(one, "turn", None))), default=0)
    if highest > asked and not scenario.tools:
        yield f"{scenario.name}: turn {highest} is expected, and the caller's steps ask for {plural(asked, 'answer')}"

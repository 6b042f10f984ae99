"""Explains a plan before it runs: what it will do, what it will take, what people should know."""

import os
import textwrap
from collections.abc import Iterator
from typing import Final

import attrs

from engine.config.checks import plain
from engine.farm.plan.estimate import Estimate, estimate
from engine.farm.plan.jobs import begins_again, choices
from engine.farm.plan.model import Load, Plan, Scenario
from engine.farm.plan.settings import joined
from engine.farm.plan.warn import warnings_of
from engine.farm.plan.wording import duration, expectation_words, plural, settings_words, step_words, tool_words
from engine.printable import one_line

WIDTH: Final = 110
"""Characters of a line."""

NARROWEST: Final = 30
"""Below it, words would stand one to a line."""

_LABEL_WIDTH: Final = 12


@attrs.frozen(kw_only=True)
class Explanation:
    """A plan in words.

    Attributes:
        rows: What each thing is called, and what it is.
        warnings: What may not be meant.
        estimate: What the run will take, about.
    """

    rows: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    estimate: Estimate

    @property
    def lines(self) -> tuple[str, ...]:
        """The same for a terminal. What came from the plan can't steer it."""
        return self.lines_within(WIDTH)

    def lines_within(self, width: int) -> tuple[str, ...]:
        """The same in lines of at most so many characters; of fewer than 30, in lines of 30."""
        rows = [*self.rows, *(("warning", warning) for warning in self.warnings)]
        return tuple(line for label, words in rows for line in _wrapped(label, words, max(width, NARROWEST)))


def explain(plan: Plan) -> Explanation:
    """Explain a plan. It reads the lengths of sound files; in a Trio program call it in a thread.

    Args:
        plan: As `load_plan` gives it.

    Raises:
        ConfigError: A file can't be read any more.
    """
    reckoned = estimate(plan)
    rows = [*_what(plan), *_scenarios(plan), *_how(plan), *_takes(plan, reckoned)]
    return Explanation(
        rows=tuple((label, one_line(words)) for label, words in rows),
        warnings=tuple(map(one_line, warnings_of(plan, reckoned, os.environ))),
        estimate=reckoned,
    )


def _wrapped(label: str, words: str, width: int) -> list[str]:
    first = f"{label:<{_LABEL_WIDTH}}"
    return textwrap.wrap(
        words, width, initial_indent=first, subsequent_indent=" " * _LABEL_WIDTH, break_on_hyphens=False
    ) or [first]


def _what(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "plan", f"{plan.name}, from {plan.source}" if plan.source else plan.name
    yield "target", _target(plan)
    if plan.session:
        yield "session", settings_words(plan.session)


def _target(plan: Plan) -> str:
    target = plan.target
    if target.kind == "simulator":
        servers = f"{target.servers} processes" if target.servers else "a process a worker, at most one a core"
        answers = f", answers by {target.script}" if target.script else ""
        pace = f", with {settings_words(target.pace)}" if target.pace else ""
        return f"the simulator on this machine ({servers}), voice {target.voice}{answers}{pace}"
    where = "OpenAI's service" if target.kind == "service" else str(target.url)
    return f"{where}, with the key of ${target.key_env}"


def _scenarios(plan: Plan) -> Iterator[tuple[str, str]]:
    for scenario in plan.scenarios:
        tags = f" [{', '.join(scenario.tags)}]" if scenario.tags else ""
        yield "scenario", f"{scenario.name}{tags}: {_count(scenario)}"
        yield "", "the caller " + ", then ".join(map(step_words, scenario.turns))
        if scenario.session:
            yield "", f"with {settings_words(joined({}, scenario.session))}"
        if scenario.tools:
            yield "", "tools: " + ", ".join(map(tool_words, scenario.tools))
        if scenario.expect:
            yield "", "expects: " + "; ".join(map(expectation_words, scenario.expect))


def _count(scenario: Scenario) -> str:
    parts = [f"{plural(len(scenario.rows), 'row')} of {scenario.data or 'data'}"] if scenario.rows != ({},) else []
    parts += [f"{len(values)} x {name}" for name, values in scenario.matrix.items()]
    parts += [f"{scenario.repeat} times each"] if scenario.repeat > 1 else []
    total = len(scenario.rows) * choices(scenario) * scenario.repeat
    return plural(total, "session") + (f" ({', '.join(parts)})" if parts else "")


def _how(plan: Plan) -> Iterator[tuple[str, str]]:
    caps = plan.caps
    yield "load", _load(plan.load)
    most = [f"{plural(caps.sessions, 'session')} at a time", f"{plain(caps.starts_per_s)} starts a second"]
    most += [f"{caps.tokens_per_min:,.0f} tokens a minute"] if caps.tokens_per_min else []
    most += [f"{caps.budget_tokens:,} tokens in all"] if caps.budget_tokens else []
    most += [f"{caps.budget_usd:,.2f} USD in all"] if caps.budget_usd else []
    yield "at most", ", ".join(most)
    retries = plan.retries
    yield "retries", f"up to {plural(retries.attempts, 'attempt')}" if retries.attempts > 1 else "none"
    yield "keeps", _kept(plan)
    if plan.thresholds:
        yield "thresholds", "; ".join(threshold.text for threshold in plan.thresholds)


def _load(load: Load) -> str:
    stages = ", ".join(f"to {plain(stage.to)} in {duration(stage.duration_s)}" for stage in load.stages)
    unit = "starts a second" if load.shape == "arrival" else "sessions at a time"
    if load.shape == "once":
        return "each session once"
    if load.stages:
        return f"{unit}: {stages}; jobs begin again until then"
    how_many = f"{plain(load.sessions or load.rate_per_s or 0.0)} {unit}"
    return f"{how_many} for {duration(load.duration_s)}" if load.duration_s else f"{how_many} until all are done"


def _kept(plan: Plan) -> str:
    keep = plan.keep
    shares = [
        f"{what} of {'all' if share == 1 else f'{share:.0%} of'} sessions"
        for what, share in ((f"audio ({keep.format})", keep.audio), ("events", keep.events))
        if share > 0
    ]
    return f"{' and '.join(shares)}, {keep.max_bytes / 2**30:,.1f} GiB at most" if shares else "results only"


def _takes(plan: Plan, reckoned: Estimate) -> Iterator[tuple[str, str]]:
    least = "" if begins_again(plan.load) else " or more"
    about = ("about " if begins_again(plan.load) else "") + plural(reckoned.sessions, "session")
    yield "takes", f"{about}, {_about(reckoned.session_s)} of talk, in about {_about(reckoned.duration_s)}{least}"
    yield "tokens", f"about {_round(reckoned.tokens)}"
    yield "cost", _cost(plan, reckoned)


def _about(length_s: float) -> str:
    return duration(max(round(length_s), 1))


def _cost(plan: Plan, reckoned: Estimate) -> str:
    at_service = reckoned.service_usd
    known = (
        f"nobody knows: no price is known of {_unpriced(plan, reckoned)}"
        if at_service is None
        else f"about {_money(at_service)}"
    )
    if not reckoned.is_simulated:
        return known
    would = "" if at_service is None else f"; the service would ask {known}"
    return f"nothing: the simulator is free{would}"


def _unpriced(plan: Plan, reckoned: Estimate) -> str:
    """Name the models of scenarios that nobody can reckon, as the plan writes them."""
    pairs = zip(plan.scenarios, reckoned.scenarios, strict=True)
    settings = [{**plan.session, **scenario.session} for scenario, one in pairs if one.one.usd is None]
    return ", ".join(dict.fromkeys(str(one.get("model", "the model")) for one in settings))


def _round(value: float) -> str:
    return f"{float(f'{value:.2g}'):,.0f}"


def _money(usd: float) -> str:
    return f"{usd:,.2f} USD" if usd >= 1 else f"{float(f'{usd:.2g}'):g} USD"

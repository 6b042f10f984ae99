"""Explains a plan before it runs: what it will do, what it will take, and what people should know; as data and lines."""

import os
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from engine.farm.plan.estimate import Estimate, estimate
from engine.farm.plan.jobs import begins_again, choices
from engine.farm.plan.model import (
    CannedTool,
    Contains,
    Expectation,
    FirstAudioWithin,
    Load,
    Matches,
    NoError,
    Plan,
    Push,
    Say,
    Scenario,
    Silence,
    Step,
    ToolCalled,
    ToolPlan,
    Type,
    Wait,
    WordErrorRate,
)
from engine.farm.plan.settings import joined
from engine.farm.plan.warn import warnings_of
from engine.printable import one_line

WIDTH: Final = 110
"""Characters of a line."""

_LABEL_WIDTH: Final = 12
_WORDS_SHOWN: Final = 60


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
        rows = [*self.rows, *(("warning", warning) for warning in self.warnings)]
        return tuple(line for label, words in rows for line in _wrapped(label, words))


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


def _wrapped(label: str, words: str) -> list[str]:
    first = f"{label:<{_LABEL_WIDTH}}"
    return textwrap.wrap(
        words, WIDTH, initial_indent=first, subsequent_indent=" " * _LABEL_WIDTH, break_on_hyphens=False
    ) or [first]


def _what(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "plan", f"{plan.name}, from {plan.source}" if plan.source else plan.name
    yield "target", _target(plan)
    if plan.session:
        yield "session", _settings(plan.session)


def _target(plan: Plan) -> str:
    target = plan.target
    if target.kind == "simulator":
        servers = f"{target.servers} processes" if target.servers else "a process a worker"
        answers = f", answers by {target.script}" if target.script else ""
        pace = f", with {_settings(target.pace)}" if target.pace else ""
        return f"the simulator on this machine ({servers}), voice {target.voice}{answers}{pace}"
    where = "OpenAI's service" if target.kind == "service" else str(target.url)
    return f"{where}, with the key of ${target.key_env}"


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_short(value)}" for name, value in settings.items())


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    shown = text if len(text) <= _WORDS_SHOWN else text[: _WORDS_SHOWN - 1] + "…"
    return f'"{shown}"' if isinstance(value, str) else shown


def _scenarios(plan: Plan) -> Iterator[tuple[str, str]]:
    for scenario in plan.scenarios:
        tags = f" [{', '.join(scenario.tags)}]" if scenario.tags else ""
        yield "scenario", f"{scenario.name}{tags}: {_count(scenario)}"
        yield "", "the caller " + ", then ".join(map(_step, scenario.turns))
        if scenario.session:
            yield "", f"with {_settings(joined({}, scenario.session))}"
        if scenario.tools:
            yield "", "tools: " + ", ".join(map(_tool, scenario.tools))
        if scenario.expect:
            yield "", "expects: " + "; ".join(map(_expectation, scenario.expect))


def _count(scenario: Scenario) -> str:
    parts = [f"{len(scenario.rows)} rows of {scenario.data or 'data'}"] if scenario.rows != ({},) else []
    parts += [f"{len(values)} x {name}" for name, values in scenario.matrix.items()]
    parts += [f"{scenario.repeat} times each"] if scenario.repeat > 1 else []
    total = len(scenario.rows) * choices(scenario) * scenario.repeat
    return _plural(total, "session") + (f" ({', '.join(parts)})" if parts else "")


def _plural(number: float, thing: str) -> str:
    return f"{number:,.0f} {thing}{'' if round(number) == 1 else 's'}"


def _step(step: Step) -> str:
    match step:
        case Say(say=words):
            done = f"says {_short(words)}"
        case Type(type=words):
            done = f"types {_short(words)}"
        case Wait(wait_s=wait_s):
            return f"waits {wait_s:g} s"
        case Silence(silence_ms=silence_ms):
            return f"is silent for {silence_ms:g} ms"
        case Push(push=keys):
            done = f"pushes {keys}"
    cut_ms = getattr(step, "interrupt_after_ms", None)
    before = f"cuts in after {cut_ms:g} ms of the answer and " if cut_ms is not None else ""
    return f"{before}{done}" + ("" if step.await_answer else " and goes on without the answer")


def _tool(tool: ToolPlan) -> str:
    return f"{tool.name} (canned)" if isinstance(tool, CannedTool) else tool.function


def _expectation(expectation: Expectation) -> str:
    turn = getattr(expectation, "turn", None)
    where = "" if turn is None else " in the last turn" if turn == -1 else f" in turn {turn}"
    match expectation:
        case Contains(contains=words):
            return f"the agent says {_short(words)}{where}"
        case Matches(matches=pattern):
            return f"the agent's words match {_short(pattern)}{where}"
        case WordErrorRate(reference=reference, at_most=at_most, of=of):
            who = "the service hears" if of == "heard" else "the agent says"
            return f"{who} {_short(reference)} with at most {at_most:.0%} of words wrong{where}"
        case ToolCalled(tool_called=name, arguments=arguments):
            return f"{name} is called" + (f" with {_settings(arguments)}" if arguments else "")
        case FirstAudioWithin(first_audio_within_ms=within_ms):
            return f"first audio within {within_ms:g} ms{where}"
        case NoError():
            return "no error"
        case _:
            return "the last answer is JSON" + (" of the schema" if expectation.json_answer is not True else "")


def _how(plan: Plan) -> Iterator[tuple[str, str]]:
    caps = plan.caps
    yield "load", _load(plan.load)
    most = [f"{_plural(caps.sessions, 'session')} at a time", f"{caps.starts_per_s:g} starts a second"]
    most += [f"{caps.tokens_per_min:,.0f} tokens a minute"] if caps.tokens_per_min else []
    most += [f"{caps.budget_tokens:,} tokens in all"] if caps.budget_tokens else []
    most += [f"{caps.budget_usd:,.2f} USD in all"] if caps.budget_usd else []
    yield "at most", ", ".join(most)
    retries = plan.retries
    yield "retries", f"up to {_plural(retries.attempts, 'attempt')}" if retries.attempts > 1 else "none"
    yield "keeps", _kept(plan)
    if plan.thresholds:
        yield "thresholds", "; ".join(threshold.text for threshold in plan.thresholds)


def _load(load: Load) -> str:
    stages = ", ".join(f"to {stage.to:g} in {duration(stage.duration_s)}" for stage in load.stages)
    unit = "starts a second" if load.shape == "arrival" else "sessions at a time"
    if load.shape == "once":
        return "each session once"
    if load.stages:
        return f"{unit}: {stages}; jobs begin again until then"
    how_many = f"{load.sessions or load.rate_per_s:g} {unit}"
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
    least = "" if begins_again(plan.load) else " at least"
    about = (
        f"about {_plural(reckoned.sessions, 'session')}"
        if begins_again(plan.load)
        else _plural(reckoned.sessions, "session")
    )
    yield "takes", f"{about}, {duration(reckoned.session_s)} of talk, in about {duration(reckoned.duration_s)}{least}"
    yield "tokens", f"about {_round(reckoned.tokens)}"
    yield "cost", _cost(reckoned)


def _cost(reckoned: Estimate) -> str:
    at_service = reckoned.service_usd
    known = "nobody knows: a model has no price here" if at_service is None else f"about {_money(at_service)}"
    if not reckoned.is_simulated:
        return known
    would = "" if at_service is None else f"; the service would ask {known}"
    return f"nothing: the simulator is free{would}"


def _round(value: float) -> str:
    return f"{float(f'{value:.2g}'):,.0f}"


def _money(usd: float) -> str:
    return f"{usd:,.2f} USD" if usd >= 1 else f"{float(f'{usd:.2g}'):g} USD"


def duration(length_s: float) -> str:
    """Write a length of time, short."""
    if length_s < 90:
        return f"{length_s:.0f} s" if length_s >= 10 else f"{length_s:.1g} s"
    if length_s < 5400:
        return f"{length_s / 60:.0f} min"
    return f"{length_s / 3600:.1f} h"

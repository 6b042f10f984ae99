"""Says parts of a plan in words: steps, tools, expectations, settings, lengths of time."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.farm.plan.model import (
    CannedTool,
    Contains,
    Expectation,
    FirstAudioWithin,
    JsonAnswer,
    Matches,
    NoError,
    Push,
    Say,
    Silence,
    Step,
    ToolCalled,
    ToolPlan,
    Type,
    Wait,
    WordErrorRate,
)
from engine.farm.plan.sounds import is_sound

_WORDS_SHOWN: Final = 60


def settings_words(settings: Mapping[str, Any]) -> str:
    """Write settings in one line."""
    return ", ".join(f"{name} = {short(value)}" for name, value in settings.items())


def short(value: Any) -> str:
    """Write a value, the beginning of a long one; text in quotes that it does not hold."""
    text = value if isinstance(value, str) else str(value)
    shown = text if len(text) <= _WORDS_SHOWN else text[: _WORDS_SHOWN - 1] + "…"
    quote = "'" if '"' in shown else '"'
    return f"{quote}{shown}{quote}" if isinstance(value, str) else shown


def number_words(record: Any, name: str) -> str:
    """Write a number of a step or an expectation, or the name that tells it; empty where there is none."""
    value = getattr(record, name)
    return str(record.from_values.get(name, "" if value is None else f"{value:g}"))


def step_words(step: Step) -> str:
    """Say what the caller does, after "the caller"."""
    match step:
        case Say(say=words):
            done = f"plays {words}" if is_sound(words) else f"says {short(words)}"
        case Type(type=words):
            done = f"types {short(words)}"
        case Wait():
            return f"waits {number_words(step, 'wait_s')} s"
        case Silence():
            return f"is silent for {number_words(step, 'silence_ms')} ms"
        case _:
            done = f"pushes {step.push}"
    cut_ms = "" if isinstance(step, Push) else number_words(step, "interrupt_after_ms")
    before = f"cuts in after {cut_ms} ms of the answer and " if cut_ms else ""
    return f"{before}{done}" + ("" if step.await_answer else " and goes on without the answer")


def tool_words(tool: ToolPlan) -> str:
    """Name a tool."""
    return f"{tool.name} (canned)" if isinstance(tool, CannedTool) else tool.function


def expectation_words(expectation: Expectation) -> str:
    """Say what is expected."""
    turn = getattr(expectation, "turn", None)
    where = "" if turn is None else " in the last turn" if turn == -1 else f" in turn {turn}"
    return _EXPECTATIONS[type(expectation)](expectation) + where


def _error_rate(one: WordErrorRate) -> str:
    at_most = one.from_values.get("at_most", f"{one.at_most:.0%}")
    who = "the service hears" if one.of == "heard" else "the agent says"
    return f"{who} {short(one.reference)} with at most {at_most} of words wrong"


def _called(one: ToolCalled) -> str:
    return f"{one.tool_called} is called" + (f" with {settings_words(one.arguments)}" if one.arguments else "")


def _json(one: JsonAnswer) -> str:
    return "the last answer is JSON" + ("" if one.json_answer is True else " of the schema")


_EXPECTATIONS: Final[Mapping[type, Callable[[Any], str]]] = {
    Contains: lambda one: f"the agent says {short(one.contains)}",
    Matches: lambda one: f"the agent's words match {short(one.matches)}",
    WordErrorRate: _error_rate,
    ToolCalled: _called,
    FirstAudioWithin: lambda one: f"first audio within {number_words(one, 'first_audio_within_ms')} ms",
    NoError: lambda _: "no error",
    JsonAnswer: _json,
}


def plural(number: float, thing: str) -> str:
    """Write how many there are of a thing."""
    return f"{number:,.0f} {thing}{'' if round(number) == 1 else 's'}"


def duration(length_s: float) -> str:
    """Write a length of time, short."""
    if length_s < 90:
        return f"{length_s:.0f} s" if length_s >= 9.5 else f"{length_s:.2g} s"
    if length_s < 5400:
        return f"{length_s / 60:.0f} min"
    return f"{length_s / 3600:.1f} h"

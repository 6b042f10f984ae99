"""Judges what a plan expected of a call. Pure: the call's turns and errors in, verdicts out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
import orjson

from engine.audio.extras import load
from engine.errors import ConfigError, DeadlinePassed
from engine.farm.caller.meaning import BEGAN_BY_ITSELF
from engine.farm.caller.patterns import is_found, schema_validators
from engine.farm.caller.wording import word_error_rate
from engine.farm.job import ToolUse, TurnResult, Verdict
from engine.farm.plan.model import (
    Contains,
    Expectation,
    FirstAudioWithin,
    JsonAnswer,
    Matches,
    NoError,
    ToolCalled,
    WordErrorRate,
)

FOUND_MAX_CHARS: Final = 500
"""What a verdict quotes of what was found."""


@attrs.frozen(kw_only=True)
class Findings:
    """What came of a call.

    Attributes:
        turns: In order.
        errors: What the service, a tool or the connection reported, in words.
    """

    turns: Sequence[TurnResult] = ()
    errors: Sequence[str] = ()

    @property
    def answered(self) -> list[TurnResult]:
        """The model's turns: those that have an answer of whatever kind."""
        return [turn for turn in self.turns if turn.status != "unanswered"]

    def of_turn(self, number: int | None) -> list[TurnResult]:
        """Give the model's turns, or the one of this number: from 1, or from the end."""
        turns = self.answered
        if number is None:
            return turns
        index = number - 1 if number > 0 else number
        return [turns[index]] if -len(turns) <= index < len(turns) else []


def judge(expected: Sequence[Expectation], findings: Findings) -> tuple[Verdict, ...]:
    """Judge all expectations, in order; may take some seconds, and is best done in a thread."""
    return tuple(_judged(each, findings) for each in expected)


def _judged(expected: Expectation, findings: Findings) -> Verdict:
    try:
        return _JUDGES[type(expected)](expected, findings)
    except (ConfigError, DeadlinePassed) as missing:
        return _verdict(type(expected).__name__, held=False, found=f"it can't be judged: {missing}")


def _contains(expected: Contains, findings: Findings) -> Verdict:
    wanted = _spaced(expected.contains).casefold()
    turns = findings.of_turn(expected.turn)
    held = any(wanted in _spaced(turn.answer).casefold() for turn in turns)
    return _verdict(f"{_place(expected.turn)} contains {expected.contains!r}", held, _quoted(turns))


def _matches(expected: Matches, findings: Findings) -> Verdict:
    turns = findings.of_turn(expected.turn)
    held = is_found(expected.matches, [turn.answer for turn in turns])
    return _verdict(f"{_place(expected.turn)} matches {expected.matches!r}", held, _quoted(turns))


def _word_error_rate(expected: WordErrorRate, findings: Findings) -> Verdict:
    whole = expected.of == "heard" and expected.turn is None  # What the caller said counts, answered or not.
    turns = findings.turns if whole else findings.of_turn(expected.turn)
    words = [(turn.heard or "") if expected.of == "heard" else turn.answer for turn in turns]
    said = _joined(words)
    rate = word_error_rate(expected.reference, " ".join(words))
    what = f"{'caller as heard' if expected.of == 'heard' else 'agent'}{_in_turn(expected.turn)}"
    told = f"word error rate of the {what} at most {expected.at_most:.0%}"
    found = "a reference without words" if rate is None else f"{rate:.1%}: {said or 'no words'}"
    # All words left out are a rate of 100 %, which `at_most = 1` would let pass without a word.
    return _verdict(told, bool(said) and rate is not None and rate <= expected.at_most, found)


def _tool_called(expected: ToolCalled, findings: Findings) -> Verdict:
    uses = [use for turn in findings.turns for use in turn.tools]
    held = any(use.name == expected.tool_called and _has(use, expected.arguments) for use in uses)
    with_these = f" with {_json(expected.arguments)}" if expected.arguments else ""
    found = "; ".join(f"{use.name}({use.arguments})" for use in uses) or "no tool was called"
    return _verdict(f"tool {expected.tool_called} called{with_these}", held, found)


def _first_audio(expected: FirstAudioWithin, findings: Findings) -> Verdict:
    turns = findings.of_turn(expected.turn)
    if expected.turn is None:
        turns = [turn for turn in turns if _is_awaited(turn)]
    times = [turn.time_to_first_audio_ms for turn in turns]
    held = bool(times) and all(ms is not None and ms <= expected.first_audio_within_ms for ms in times)
    found = ", ".join("none" if ms is None else f"{ms:.0f} ms" for ms in times) or "no answer"
    return _verdict(f"first audio{_in_turn(expected.turn)} within {expected.first_audio_within_ms:g} ms", held, found)


def _is_awaited(turn: TurnResult) -> bool:
    """Tell whether the caller waited for audio: the agent did not begin by itself, nor did the caller cut it off."""
    cut_off = turn.interrupted and turn.time_to_first_audio_ms is None
    return turn.began not in BEGAN_BY_ITSELF and not cut_off


def _no_error(_: NoError, findings: Findings) -> Verdict:
    return _verdict("no error", not findings.errors, "; ".join(dict.fromkeys(findings.errors)) or "none")


def _json_answer(expected: JsonAnswer, findings: Findings) -> Verdict:
    last = findings.of_turn(-1)
    told = "the last answer is JSON"
    if not isinstance(expected.json_answer, bool):
        told += " that fits the schema"
    if not last:
        return _verdict(told, held=False, found="no answer")
    try:
        value = orjson.loads(last[0].answer)
    except orjson.JSONDecodeError as error:
        return _verdict(told, held=False, found=f"{error}: {last[0].answer}")
    problem = "" if isinstance(expected.json_answer, bool) else _misfit(value, expected.json_answer)
    return _verdict(told, held=not problem, found=problem or last[0].answer)


def _misfit(value: Any, schema: Mapping[str, Any]) -> str:
    """Tell what does not fit; empty where all does."""
    jsonschema: Any = load("jsonschema", "tools")
    registry: Any = load("referencing.jsonschema", "tools").EMPTY_REGISTRY  # Nothing is fetched.
    validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, schema_validators())
    try:
        problem = next(validator(dict(schema), registry=registry).iter_errors(value), None)
    except DeadlinePassed:
        raise
    except Exception as error:  # noqa: BLE001 - a broken schema, or a pattern in it that is none
        return f"the schema can't be used: {error}"
    return "" if problem is None else f"{problem.json_path}: {problem.message}"


_JUDGES: Final[Mapping[type, Callable[[Any, Findings], Verdict]]] = {
    Contains: _contains,
    Matches: _matches,
    WordErrorRate: _word_error_rate,
    ToolCalled: _tool_called,
    FirstAudioWithin: _first_audio,
    NoError: _no_error,
    JsonAnswer: _json_answer,
}


def _has(use: ToolUse, wanted: Mapping[str, Any]) -> bool:
    """Tell whether a call has at least these arguments."""
    if not wanted:
        return True
    try:
        given = orjson.loads(use.arguments)
    except orjson.JSONDecodeError:
        return False
    return isinstance(given, dict) and _within(wanted, given)


def _within(wanted: Any, given: Any) -> bool:
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        return all(name in given and _within(value, given[name]) for name, value in wanted.items())
    if isinstance(wanted, (list, tuple)) and isinstance(given, (list, tuple)):
        return len(wanted) == len(given) and all(map(_within, wanted, given))
    if isinstance(wanted, str) and isinstance(given, str):
        return _spaced(wanted).casefold() == _spaced(given).casefold()
    return bool(wanted == given) and isinstance(wanted, bool) == isinstance(given, bool)


def _verdict(expected: str, held: bool, found: str) -> Verdict:
    line = _spaced(found)
    return Verdict(expected=expected, held=held, found=line[:FOUND_MAX_CHARS])


def _place(turn: int | None) -> str:
    return "an answer" if turn is None else "the last answer" if turn == -1 else f"answer {turn}"


def _in_turn(turn: int | None) -> str:
    return "" if turn is None else " in the last turn" if turn == -1 else f" in turn {turn}"


def _quoted(turns: Iterable[TurnResult]) -> str:
    return _joined([turn.answer for turn in turns]) or "no answer"


def _joined(texts: Iterable[str]) -> str:
    return " | ".join(text for text in texts if text)


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(value), default=str).decode()

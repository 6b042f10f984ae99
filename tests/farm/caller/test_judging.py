"""What a plan expects is judged by what was found, and what was found is told."""

import sys

import pytest

from engine.errors import ConfigError
from engine.farm.caller import patterns
from engine.farm.caller.judging import FOUND_MAX_CHARS, Findings, judge
from engine.farm.job import ToolUse, TurnResult
from engine.farm.plan.model import (
    Contains,
    FirstAudioWithin,
    JsonAnswer,
    Matches,
    NoError,
    ToolCalled,
    WordErrorRate,
)


def answered(*answers, **fields):
    turns = (TurnResult(number=n, answer=words, status="completed", **fields) for n, words in enumerate(answers, 1))
    return Findings(turns=tuple(turns))


def calling(name, arguments):
    use = ToolUse(name=name, arguments=arguments)
    return Findings(turns=(TurnResult(number=1, tools=(use,)),))


NOTHING = Findings()
UNANSWERED = Findings(turns=(TurnResult(number=1, answer="", status="unanswered"),))
CUT_OFF = TurnResult(number=1, status="cancelled", interrupted=True, asked_at_ms=1.0)
UNASKED = TurnResult(number=1, heard="ten of")
NO_WORDS = answered("Yes.", heard="clubs")
TWO = answered("The first answer.", "It is  17\ndegrees.")


@pytest.mark.parametrize(
    ("expected", "findings", "held"),
    [
        (Contains(contains="FIRST"), TWO, True),
        (Contains(contains="17 degrees"), TWO, True),
        (Contains(contains="first", turn=1), TWO, True),
        (Contains(contains="first", turn=2), TWO, False),
        (Contains(contains="first", turn=-1), TWO, False),
        (Contains(contains="first", turn=-2), TWO, True),
        (Contains(contains="first", turn=3), TWO, False),
        (Contains(contains="first", turn=-3), TWO, False),
        (Contains(contains="x"), NOTHING, False),
        (Contains(contains="x", turn=1), UNANSWERED, False),
        (Matches(matches=r"\d+\s+degrees"), TWO, True),
        (Matches(matches=r"^degrees"), TWO, False),
        (Matches(matches=r"\d", turn=1), TWO, False),
        (WordErrorRate(reference="the first answer it is 17 degrees", at_most=0.0, of="agent"), TWO, True),
        (WordErrorRate(reference="the last answer", at_most=0.3, of="agent", turn=1), TWO, False),
        (WordErrorRate(reference="the last answer", at_most=0.34, of="agent", turn=1), TWO, True),
        (WordErrorRate(reference="ten of clubs", at_most=0.0), answered("Yes.", heard="Ten of clubs!"), True),
        (WordErrorRate(reference="ten of clubs", at_most=0.9), answered("Yes."), False),
        (WordErrorRate(reference="\u02bc", at_most=1.0, of="agent"), TWO, False),
        (WordErrorRate(reference="ten", at_most=1.0), NOTHING, False),
        (WordErrorRate(reference="ten", at_most=1.0), TWO, False),
        (WordErrorRate(reference="ten", at_most=1.0, of="agent", turn=3), TWO, False),
        (WordErrorRate(reference="ten", at_most=1.0, of="agent", turn=2), TWO, False),
        (WordErrorRate(reference="ten of", at_most=1.0, of="agent", turn=1), answered("clubs"), True),
        (ToolCalled(tool_called="f"), calling("f", "{}"), True),
        (ToolCalled(tool_called="g"), calling("f", "{}"), False),
        (ToolCalled(tool_called="f"), NOTHING, False),
        (ToolCalled(tool_called="f", arguments={"a": "OSLO"}), calling("f", '{"a":"Oslo ","b":2}'), True),
        (ToolCalled(tool_called="f", arguments={"a": {"x": [1, 2]}}), calling("f", '{"a":{"x":[1,2],"y":0}}'), True),
        (ToolCalled(tool_called="f", arguments={"a": [1]}), calling("f", '{"a":[1,2]}'), False),
        (ToolCalled(tool_called="f", arguments={"a": 1}), calling("f", '{"a":1.0}'), True),
        (ToolCalled(tool_called="f", arguments={"a": 1}), calling("f", '{"a":true}'), False),
        (ToolCalled(tool_called="f", arguments={"a": 1}), calling("f", '{"b":1}'), False),
        (ToolCalled(tool_called="f", arguments={"a": 1}), calling("f", "no JSON"), False),
        (ToolCalled(tool_called="f", arguments={"a": 1}), calling("f", "[1]"), False),
        (FirstAudioWithin(first_audio_within_ms=500), answered("a", "b", time_to_first_audio_ms=500.0), True),
        (FirstAudioWithin(first_audio_within_ms=499), answered("a", time_to_first_audio_ms=500.0), False),
        (FirstAudioWithin(first_audio_within_ms=500, turn=1), TWO, False),
        (FirstAudioWithin(first_audio_within_ms=500), NOTHING, False),
        (NoError(), TWO, True),
        (NoError(), Findings(errors=("server_error: no",)), False),
        (JsonAnswer(), answered("x", '{"a": 1}'), True),
        (JsonAnswer(), TWO, False),
        (JsonAnswer(), NOTHING, False),
        (JsonAnswer(json_answer={"required": ["a"]}), answered('{"a": 1}'), True),
        (JsonAnswer(json_answer={"required": ["b"]}), answered('{"a": 1}'), False),
        (FirstAudioWithin(first_audio_within_ms=9), answered("a", began="idle"), False),
        (
            FirstAudioWithin(first_audio_within_ms=500),
            Findings(turns=(CUT_OFF, *answered("b", time_to_first_audio_ms=400.0).turns)),
            True,
        ),
        (FirstAudioWithin(first_audio_within_ms=500, turn=1), Findings(turns=(CUT_OFF,)), False),
        (WordErrorRate(reference="ten of clubs", at_most=0.0), Findings(turns=(UNASKED, *NO_WORDS.turns)), True),
        (Matches(matches="(?i)ANSWER"), TWO, True),
        (JsonAnswer(json_answer={"properties": {"a": {"pattern": "^x+$"}}}), answered('{"a": "xx"}'), True),
        (JsonAnswer(json_answer={"properties": {"a": {"pattern": "^x+$"}}}), answered('{"a": "xy"}'), False),
        (JsonAnswer(json_answer={"pattern": "^x+$"}), answered("3"), True),
        (JsonAnswer(json_answer={"patternProperties": {"^n": {"type": "number"}}}), answered('{"n1": 3}'), True),
        (JsonAnswer(json_answer={"patternProperties": {"^n": {"type": "number"}}}), answered('{"n1": "3"}'), False),
        (JsonAnswer(json_answer={"patternProperties": {"^n": {}}}), answered("[]"), True),
        (JsonAnswer(json_answer={"$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}}), answered("3"), True),
        (JsonAnswer(json_answer={"$ref": "https://example.com/schema"}), answered("3"), False),
        (JsonAnswer(json_answer={"type": 3}), answered('{"a": 1}'), False),
    ],
)
def test_expectations(expected, findings, held):
    (verdict,) = judge((expected,), findings)
    assert verdict.held is held
    assert verdict.expected
    assert verdict.found


def test_they_are_judged_in_order():
    verdicts = judge((NoError(), Contains(contains="17", turn=-1)), TWO)
    assert [verdict.expected for verdict in verdicts] == ["no error", "the last answer contains '17'"]


def test_what_was_found_is_one_line_of_bounded_length():
    (verdict,) = judge((Contains(contains="x"),), answered("a\nb " * 1000))
    assert "\n" not in verdict.found
    assert len(verdict.found) == FOUND_MAX_CHARS


def test_a_schema_that_does_not_fit_says_where():
    (verdict,) = judge((JsonAnswer(json_answer={"properties": {"n": {"type": "integer"}}}),), answered('{"n": "x"}'))
    assert verdict.found.startswith("$.n: ")


def test_without_the_library_it_is_not_held(monkeypatch):
    monkeypatch.setitem(sys.modules, "jiwer", None)
    (verdict,) = judge((WordErrorRate(reference="a b", at_most=1.0, of="agent"),), answered("a c"))

    assert not verdict.held
    assert "realtime-engine[farm]" in verdict.found


BACKTRACKS = "(a|aa)+$"


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        (Matches(matches=BACKTRACKS), "a" * 60 + "b"),
        (JsonAnswer(json_answer={"pattern": BACKTRACKS}), f'"{"a" * 60}b"'),
    ],
)
def test_an_expression_that_backtracks_is_given_up(monkeypatch, expected, answer):
    monkeypatch.setattr(patterns, "SEARCH_DEADLINE_S", 0.1)
    (verdict,) = judge((expected,), answered(answer))

    assert not verdict.held
    assert "takes longer than 0.1 s" in verdict.found


def test_a_schema_fetches_nothing(monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("it asked the network"))
    (verdict,) = judge((JsonAnswer(json_answer={"$ref": "https://example.com/schema"}),), answered("3"))

    assert "https://example.com/schema" in verdict.found


def test_what_only_one_library_takes_for_an_expression_is_told():
    (verdict,) = judge((Matches(matches="x"),), answered("x"))
    assert verdict.held
    with pytest.raises(ConfigError, match="a regular expression"):
        patterns.is_found("(", ["x"])


def test_an_error_that_came_twice_is_told_once():
    (verdict,) = judge((NoError(),), Findings(turns=(), errors=["server_error: x", "server_error: x", "other"]))

    assert (verdict.held, verdict.found) == (False, "server_error: x; other")

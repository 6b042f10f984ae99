"""Values go where `{name}` stands, in every text of a scenario, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.farm.plan.model import (
    CannedTool,
    Contains,
    FunctionTool,
    JsonAnswer,
    Matches,
    Push,
    Say,
    Scenario,
    ToolCalled,
    Type,
    Wait,
    WordErrorRate,
)
from engine.farm.plan.rendering import names_used, render
from engine.farm.plan.variants import variants_of

EVERYWHERE = Scenario(
    name="all",
    turns=[Say(say="sounds/{file}"), Type(type="I am {name}, {age}"), Push(push="{pin}"), Wait(wait_s=1)],
    session={
        "voice": "{voice}",
        "speed": "{speed}",
        "client": {"extra_headers": {"X-Who": "{name}"}},
        "n": [1, "{age}"],
    },
    tools=[
        CannedTool(name="ask_{name}", answer={"age": "{age}", "text": "age {age}"}),
        FunctionTool(function="{name}.py:f"),
    ],
    expect=[
        Contains(contains="{name}"),
        Matches(matches=r"\d{3} {name} {2,}"),
        WordErrorRate(reference="{name}", at_most=0.1),
        ToolCalled(tool_called="ask_{name}", arguments={"age": "{age}"}),
        JsonAnswer(json_answer={"const": "{age}"}),
    ],
)
VALUES = {"file": "a.wav", "name": "Ada", "age": 36, "pin": 1234, "voice": "alloy", "speed": 1.2}


def test_values_stand_in_every_text():
    got = render(EVERYWHERE, VALUES)
    assert [step for step in got.turns[:3]] == [Say(say="sounds/a.wav"), Type(type="I am Ada, 36"), Push(push="1234")]
    assert got.session == {"voice": "alloy", "speed": 1.2, "client": {"extra_headers": {"X-Who": "Ada"}}, "n": [1, 36]}
    assert got.tools == (
        CannedTool(name="ask_Ada", answer={"age": 36, "text": "age 36"}),
        FunctionTool(function="Ada.py:f"),
    )
    assert got.expect[0] == Contains(contains="Ada")
    assert got.expect[2].reference == "Ada"
    assert got.expect[3] == ToolCalled(tool_called="ask_Ada", arguments={"age": 36})
    assert got.expect[4] == JsonAnswer(json_answer={"const": 36})


def test_braces_of_regular_expressions_stay():
    assert render(EVERYWHERE, VALUES).expect[1] == Matches(matches=r"\d{3} Ada {2,}")


def test_a_text_that_is_one_name_takes_the_value_itself_in_settings_and_its_words_in_steps():
    scenario = Scenario(name="s", turns=[Type(type="{n}")], session={"n": "{n}"})
    got = render(scenario, {"n": 3})
    assert (got.turns[0].type, got.session["n"]) == ("3", 3)


def test_doubled_braces_are_braces():
    scenario = Scenario(name="s", turns=[Type(type="{{name}} is {name}")])
    assert render(scenario, {"name": "Ada"}).turns[0].type == "{name} is Ada"


def test_a_name_that_is_no_identifier_is_one_where_a_column_is_called_so():
    scenario = Scenario(name="s", turns=[Type(type="{first name} and {last name}")])
    assert render(scenario, {"first name": "Ada"}).turns[0].type == "Ada and {last name}"


def test_a_name_without_a_value_is_told_with_the_nearest():
    scenario = Scenario(name="s", turns=[Type(type="Hi"), Type(type="Hello {nmae}")])
    with pytest.raises(
        ConfigError, match=r"turns\[1\]\.type: \{nmae\} has no value \(did you mean 'name'\?\)"
    ) as caught:
        render(scenario, {"name": "Ada"})
    assert caught.value.field == "turns[1].type"


def test_without_any_values_the_way_out_is_told():
    with pytest.raises(ConfigError, match="neither data nor a matrix"):
        render(Scenario(name="s", turns=[Type(type="{x}")]), {})


@pytest.mark.parametrize(
    ("step", "value", "words"),
    [
        (Push(push="{v}"), "12x", "telephone keys"),
        (Type(type="{v}"), "", "not empty"),
        (Say(say="{v}"), "", "not empty"),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_its_name(step, value, words):
    with pytest.raises(ConfigError, match=f"not possible with the values v = '{value}'.*{words}") as caught:
        render(Scenario(name="s", turns=[step]), {"v": value})
    assert caught.value.field.startswith("turns[0].")


def test_a_regular_expression_is_judged_with_its_values():
    scenario = Scenario(name="s", turns=[Type(type="x")], expect=[Matches(matches="({open}")])
    assert render(scenario, {"open": "a)"}).expect[0].matches == "(a)"
    with pytest.raises(ConfigError, match=r"expect\[0\]\.matches.*regular expression"):
        render(scenario, {"open": "a"})


def test_names_are_found_with_their_paths():
    found = dict.fromkeys(names_used(EVERYWHERE))
    assert ("turns[0].say", "file") in found
    assert ("session.client.extra_headers.X-Who", "name") in found
    assert ("tools[0].answer.age", "age") in found
    assert ("expect[4].json_answer.const", "age") in found


@given(st.text(alphabet="ab{} \n\\"), st.text())
def test_any_text_is_rendered_or_refused_by_name(text, value):
    scenario = Scenario(name="s", turns=[Type(type="x" + text)])
    try:
        got = render(scenario, {"a": value}).turns[0].type
    except ConfigError as error:
        assert error.field == "turns[0].type"
        assert "{b" in text or "{a" in text
    else:
        assert got.startswith("x")
        assert "{" in text or got == "x" + text


@given(st.text(min_size=1))
def test_a_value_is_never_rendered_again(value):
    scenario = Scenario(name="s", turns=[Type(type="x {a}")])
    assert render(scenario, {"a": value}).turns[0].type == f"x {value}"


def test_variants_are_the_different_values_of_the_names_that_a_part_has():
    rows = tuple({"a": number % 2, "b": number} for number in range(10))
    scenario = Scenario(name="s", turns=[Type(type="{a}")], rows=rows, matrix={"c": [1, 2], "d": [1, 2, 3]})
    assert [step.type for step in variants_of(scenario, scenario.turns[0], "turns[0]")] == ["0", "1"]
    assert len(list(variants_of(scenario, Type(type="{a}{c}"), ""))) == 4
    assert len(list(variants_of(scenario, Type(type="{b}{d}"), ""))) == 30
    assert [step.type for step in variants_of(scenario, Type(type="{{b}}"), "")] == ["{b}"]

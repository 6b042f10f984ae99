"""Values go where `{name}` stands, in every text of a scenario, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans_made import load_text

from engine.errors import ConfigError
from engine.farm.codec import from_json, to_json
from engine.farm.plan.explain import explain
from engine.farm.plan.model import (
    CannedTool,
    Contains,
    FirstAudioWithin,
    FunctionTool,
    JsonAnswer,
    Matches,
    Plan,
    Push,
    Say,
    Scenario,
    Silence,
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
    assert list(got.turns[:3]) == [Say(say="sounds/a.wav"), Type(type="I am Ada, 36"), Push(push="1234")]
    assert got.session == {"voice": "alloy", "speed": 1.2, "client": {"extra_headers": {"X-Who": "Ada"}}, "n": [1, 36]}
    assert got.tools == (
        CannedTool(name="ask_Ada", answer={"age": 36, "text": "age 36"}),
        FunctionTool(function="Ada.py:f"),
    )
    assert got.expect[0] == Contains(contains="Ada")
    assert got.expect[2].reference == "Ada"
    assert got.expect[3] == ToolCalled(tool_called="ask_Ada", arguments={"age": 36})
    assert got.expect[4] == JsonAnswer(json_answer={"const": 36})


def test_a_rendered_scenario_is_of_one_job():
    scenario = Scenario(name="s", turns=[Type(type="{n}{m}")], rows=({"n": 1}, {"n": 2}), matrix={"m": [3]})
    got = render(scenario, {"n": 1, "m": 3})
    assert (got.rows, got.matrix, got.turns[0].type) == (({},), {}, "13")


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


NUMBERS = """\
name = "x"
[[scenario]]
name = "s"
matrix = { cut_ms = [300, 800.5], share = ["0.25"] }
turns = [
  { type = "x" },
  { type = "y", interrupt_after_ms = "{cut_ms}" },
  { wait_s = "{share}" },
  { silence_ms = "{cut_ms}" },
]
expect = [{ reference = "r", at_most = "{share}" }, { first_audio_within_ms = "{cut_ms}" }]
"""


def test_numbers_of_steps_and_expectations_come_from_values_too(tmp_path):
    plan = load_text(tmp_path, NUMBERS)
    assert from_json(to_json(plan), Plan) == plan
    got = render(plan.scenarios[0], {"cut_ms": 300, "share": "0.25"})
    assert got.turns[1:] == (Type(type="y", interrupt_after_ms=300), Wait(wait_s=0.25), Silence(silence_ms=300))
    assert got.expect == (WordErrorRate(reference="r", at_most=0.25), FirstAudioWithin(first_audio_within_ms=300))
    words = " ".join(" ".join(explain(plan).lines).split())
    assert (
        'cuts in after {cut_ms} ms of the answer and types "y", then waits {share} s, then is silent for {cut_ms}'
        in words
    )
    assert 'hears "r" with at most {share} of words wrong; first audio within {cut_ms} ms' in words
    assert explain(plan).warnings == ()


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ("[300, 800.5]", '[300, "soon"]', "turns[1].interrupt_after_ms", "'soon' is not possible; allowed: a number"),
        ("[300, 800.5]", "[300, true]", "turns[1].interrupt_after_ms", "True is not possible; allowed: a number"),
        ("[300, 800.5]", "[300, -1]", "turns[1].interrupt_after_ms", "0 to 3,600,000 ms"),
        ('["0.25"]', "[2]", "expect[0].at_most", "0 to 1 (a share, as 0.2)"),
        ('"{share}" },\n  { sil', '"{shore}" },\n  { sil', "turns[2].wait_s", "did you mean 'share'?"),
        ('{ type = "x" },', "", "turns[0].interrupt_after_ms", "a step before it"),
    ],
)
def test_a_number_that_does_not_fit_is_told_at_its_key(tmp_path, old, new, path, words):
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, NUMBERS.replace(old, new, 1))
    assert caught.value.field == f"scenario[0].{path}"
    assert words in str(caught.value)


def test_only_numbers_come_from_values_and_only_by_name():
    for told in ({"type": "{a}"}, {"wait_s": "3"}, {"wait_s": 3}, 3):
        with pytest.raises(ConfigError, match=r"texts with a \{name\} by field, of interrupt_after_ms"):
            Wait(wait_s=1, from_values=told)


def test_names_are_found_with_their_paths():
    found = dict.fromkeys(names_used(EVERYWHERE))
    assert ("turns[0].say", "file") in found
    assert ("session.client.extra_headers.X-Who", "name") in found
    assert ("tools[0].answer.age", "age") in found
    assert ("expect[4].json_answer.const", "age") in found


PARTS = ["word", "{a}", "{{a}}", "{b}", "{{b}}", "{3}", "{", "}", "{ a }", "{{", "{}", "\\n"]
LEFT = {"{{a}}": "{a}", "{{b}}": "{b}"}


@given(st.lists(st.sampled_from(PARTS), min_size=1), st.text())
def test_only_names_in_single_braces_are_replaced(parts, value):
    scenario = Scenario(name="s", turns=[Type(type="x " + " ".join(parts))])
    if "{b}" in parts:
        with pytest.raises(ConfigError, match=r"turns\[0\]\.type: \{b\} has no value"):
            render(scenario, {"a": value})
        return
    expected = ["x", *(value if part == "{a}" else LEFT.get(part, part) for part in parts)]
    assert render(scenario, {"a": value}).turns[0].type == " ".join(expected)


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


@pytest.mark.parametrize(
    ("value", "said"),
    [({"a": [1, None]}, '{"a": [1, null]}'), ([True, "é"], '[true, "é"]'), (True, "true"), (1.5, "1.5"), ("x", "x")],
)
def test_what_json_has_is_written_as_json_writes_it(value, said):
    scenario = Scenario(name="s", turns=[Type(type="{q}"), Type(type="It is {q}.")], rows=({"q": value},))
    assert [step.type for step in render(scenario, {"q": value}).turns] == [said, f"It is {said}."]

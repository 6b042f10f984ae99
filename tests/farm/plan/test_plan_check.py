"""What can't work is found before the first session: low caps, tools, schemas, budgets that can't be kept."""

import attrs
import pytest
from plans_made import GOOD, load_text

from engine.errors import ConfigError
from engine.farm.plan import check
from engine.farm.plan.files import files_of
from engine.farm.plan.load import ready
from engine.farm.plan.model import (
    CannedTool,
    Caps,
    Contains,
    FunctionTool,
    JsonAnswer,
    Load,
    Plan,
    Push,
    Say,
    Scenario,
    Silence,
    Stage,
    Target,
    ToolCalled,
    Type,
    Wait,
    WordErrorRate,
)

SCENARIO = Scenario(name="s", turns=[Type(type="x")])


def refused(plan=None, **changes):
    plan = plan or Plan(name="p", scenarios=[SCENARIO])
    with pytest.raises(ConfigError) as caught:
        ready(attrs.evolve(plan, **changes))
    assert "\n" not in str(caught.value)
    return caught.value


def of_scenario(folder=".", **changes):
    return Plan(name="p", scenarios=[attrs.evolve(SCENARIO, **changes)], folder=str(folder))


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (Load(shape="constant", sessions=6), "load.sessions asks for 6 sessions at a time, and caps.sessions allows 5"),
        (
            Load(shape="ramp", stages=[Stage(duration_s=1, to=5), Stage(duration_s=1, to=6)]),
            "load.stages[1].to asks for 6 sessions at a time, and caps.sessions allows 5",
        ),
        (
            Load(shape="arrival", rate_per_s=2.5),
            "load.rate_per_s asks for 2.5 starts a second, and caps.starts_per_s allo",
        ),
        (Load(shape="arrival", stages=[Stage(duration_s=1, to=3)]), "load.stages[0].to asks for 3 starts a second"),
    ],
)
def test_a_load_that_the_caps_do_not_give_is_refused(load, words):
    assert words in str(refused(load=load, caps=Caps(sessions=5, starts_per_s=2)))


def test_a_load_that_the_caps_just_give_is_taken():
    for load in (
        Load(shape="constant", sessions=5),
        Load(shape="ramp", stages=[Stage(duration_s=1, to=5)]),
        Load(shape="arrival", rate_per_s=2, duration_s=3),
        Load(shape="arrival", stages=[Stage(duration_s=1, to=2)]),
    ):
        ready(Plan(name="p", scenarios=[SCENARIO], load=load, caps=Caps(sessions=5, starts_per_s=2)))


@pytest.mark.parametrize(
    ("load", "words"),
    [
        ({"shape": "ramp"}, "'ramp' needs stages"),
        ({"shape": "arrival"}, "'arrival' needs rate_per_s or stages"),
        ({"shape": "once", "duration_s": 5}, "it with shape = 'constant' or 'arrival'; shape = 'once' takes none"),
        ({"shape": "arrival", "rate_per_s": 1, "stages": [Stage(duration_s=1, to=1)]}, "none beside stages"),
        ({"shape": "ramp", "stages": [Stage(duration_s=0, to=1)]}, "stages that last longer than 0 s together"),
        ({"shape": "ramp", "stages": [Stage(duration_s=1, to=0)]}, "a stage that goes above 0"),
        ({"shape": "ramp", "stages": [3]}, "stages, as { duration_s = 60, to = 100 }"),
        ({"shape": "ramp", "stages": 3}, "a list of stages"),
    ],
)
def test_a_shape_takes_what_it_needs_and_nothing_else(load, words):
    with pytest.raises(ConfigError) as caught:
        Load(**load)
    assert words in str(caught.value)


def test_a_plan_has_a_bound_of_sessions(monkeypatch):
    monkeypatch.setattr(check, "JOBS_MAX", 3)
    ready(of_scenario(repeat=3))
    assert "the plan has 4 sessions, over the bound JOBS_MAX of 3" in str(refused(of_scenario(repeat=4)))


def test_a_budget_in_money_needs_a_price():
    plan = attrs.evolve(of_scenario(), session={"model": "my-own"}, caps=Caps(budget_usd=1))
    ready(plan)
    error = refused(plan, target=Target(kind="service"))
    assert "nobody knows what the model 'my-own' costs | give budget_tokens instead" in str(error)
    assert error.field == "caps.budget_usd"
    ready(attrs.evolve(plan, target=Target(kind="service"), session={"model": "gpt-realtime-2025-08-28"}))


def test_functions_are_looked_for_without_being_run(tmp_path):
    (tmp_path / "tools.py").write_text(
        "raise SystemExit\nasync def look(): ...\nfind = look\nseek: object = look\nfrom os import path as here\n"
    )
    for name in ("look", "find", "seek", "here"):
        ready(of_scenario(tmp_path, tools=[FunctionTool(function=f"tools.py:{name}")]))
    error = refused(of_scenario(tmp_path, tools=[FunctionTool(function="tools.py:loock")]))
    assert "tools.py defines no 'loock' (did you mean 'look'?); allowed: what the file defines: " in str(error)
    assert error.field == "scenarios[0].tools[0].function"
    assert "none.py is not there" in str(refused(of_scenario(tmp_path, tools=[FunctionTool(function="none.py:f")])))
    (tmp_path / "broken.py").write_text("def f(:\n")
    assert "broken.py:1 is no Python" in str(
        refused(of_scenario(tmp_path, tools=[FunctionTool(function="broken.py:f")]))
    )
    (tmp_path / "empty.py").touch()
    assert "defines: nothing" in str(refused(of_scenario(tmp_path, tools=[FunctionTool(function="empty.py:f")])))


def test_modules_are_looked_for():
    ready(of_scenario(tools=[FunctionTool(function="json:dumps")]))
    for module in ("no_such_module_at_all", "..x"):
        assert "there is no module" in str(refused(of_scenario(tools=[FunctionTool(function=f"{module}:f")])))


@pytest.mark.parametrize("function", ["look", ":look", "tools.py:", "tools.py:a b", "tools.py:a.b"])
def test_a_function_has_a_place_and_a_name(function):
    with pytest.raises(ConfigError, match=r"'module:name' or 'file.py:name'"):
        FunctionTool(function=function)


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="tools of different names"):
        of_scenario(tools=[CannedTool(name="a"), CannedTool(name="a")])
    tools = [CannedTool(name="dumps"), FunctionTool(function="json:dumps")]
    assert "two tools are called 'dumps'" in str(refused(of_scenario(tools=tools)))


def test_an_expected_tool_may_be_an_mcp_servers():
    expect = [ToolCalled(tool_called="search")]
    assert "none: the scenario has no tools" in str(refused(of_scenario(expect=expect)))
    mcp = {"tools": [{"type": "mcp", "server_label": "docs", "server_url": "https://host"}]}
    ready(of_scenario(expect=expect, session=mcp))


def test_schemas_are_schemas():
    ready(of_scenario(expect=[JsonAnswer(), JsonAnswer(json_answer={"type": "object"})]))
    error = refused(of_scenario(expect=[JsonAnswer(json_answer={"properties": {"a": {"type": "strng"}}})]))
    assert "expect[0].json_answer is no JSON Schema: properties.a.type: 'strng'" in str(error)
    with pytest.raises(ConfigError, match="true, or a JSON Schema"):
        JsonAnswer(json_answer=False)


def test_each_row_of_a_tool_is_looked_at():
    plan = of_scenario(tools=[CannedTool(name="t_{n}")], rows=({"n": "a"}, {"n": "b b"}))
    error = refused(plan)
    assert error.field == "scenarios[0].tools[0].name"
    assert "not possible with the values n = 'b b'" in str(error)


def test_plans_in_python_take_lists_and_refuse_what_is_no_part_of_them():
    assert Plan(name="p", scenarios=[SCENARIO]).scenarios == (SCENARIO,)
    for changes, words in (
        ({"scenarios": [3]}, r"scenarios\[0\]=3"),
        ({"scenarios": []}, "at least one"),
        ({"scenarios": None}, "a list of scenarios"),
        ({"load": 3}, "a Load"),
        ({"thresholds": ["errors < 1"]}, "made by read_threshold"),
        ({"session": 3}, "a table"),
        ({"folder": ""}, "not empty"),
    ):
        with pytest.raises(ConfigError, match=words):
            Plan(**{"name": "p", "scenarios": [SCENARIO], **changes})
    for changes, words in (
        ({"turns": []}, "at least one step"),
        ({"turns": ["x"]}, "Say, Type, Wait"),
        ({"rows": ()}, "at least one row"),
        ({"rows": (3,)}, "tables, one a row"),
        ({"matrix": 3}, "a table"),
        ({"tags": [3]}, "a list of names"),
        ({"repeat": 0}, "1 to 10,000,000 times"),
        ({"name": "a\nb"}, "in one line"),
    ):
        with pytest.raises(ConfigError, match=words):
            Scenario(**{"name": "s", "turns": [Type(type="x")], **changes})


CUT = Type(type="x", interrupt_after_ms=300)


@pytest.mark.parametrize(
    ("turns", "session", "words"),
    [
        ((CUT,), {}, "a step before it"),
        ((Wait(wait_s=1), CUT), {}, "a step before it"),
        ((Type(type="x"), Wait(wait_s=2), CUT), {}, "heard out before a wait or a silence"),
        ((Type(type="x"), Silence(silence_ms=20), CUT), {}, "await_answer = false"),
        ((Push(push="1", await_answer=False), CUT), {"turn_detection": False}, "nobody asks for an answer"),
        (
            (Push(push="1", await_answer=False), Wait(wait_s=1), CUT),
            {"turn_detection": {"type": "server_vad", "create_response": False}},
            "nobody asks for an answer",
        ),
    ],
)
def test_a_step_that_would_never_cut_in_is_refused(turns, session, words):
    error = refused(of_scenario(turns=turns, session=session))
    assert error.field == f"scenarios[0].turns[{len(turns) - 1}].interrupt_after_ms"
    assert words in str(error)


@pytest.mark.parametrize(
    ("turns", "session"),
    [
        ((Type(type="x"), CUT, CUT), {}),
        ((Type(type="x"), attrs.evolve(CUT, await_answer=False), Wait(wait_s=1), CUT), {}),
        ((Type(type="x", await_answer=False), Wait(wait_s=2), Silence(silence_ms=20), CUT), {}),
        ((Push(push="1", await_answer=False), CUT), {}),
        ((Type(type="x", await_answer=False), Wait(wait_s=2), CUT), {"turn_detection": False}),
    ],
)
def test_a_step_cuts_in_on_an_answer_that_sounds(turns, session):
    ready(of_scenario(turns=turns, session=session))


def test_rows_made_in_python_are_json():
    assert "scenarios[0].rows[1].a" in str(refused(of_scenario(rows=({"a": 1}, {"a": object()}))))


def test_files_of_a_plan_are_named_once(tmp_path):
    (tmp_path / "tools.py").write_text("def get_weather(): ...")
    (tmp_path / "script.toml").write_text('echo = "{text}"')
    text = GOOD.replace('"simulator"', '{ script = "script.toml" }').replace(
        'name = "get_weather"\nanswer = { rain = true }\nparameters = { type = "object" }',
        'function = "tools.py:get_weather"',
    )
    plan = load_text(tmp_path, text)
    assert files_of(plan) == ("script.toml", "hello.wav", "tools.py")
    rows = tuple({"f": f"{name}.wav"} for name in ("a", "b", "a"))
    more = Plan(name="p", scenarios=[Scenario(name="s", turns=[Say(say="{f}"), Say(say="words")], rows=rows)])
    assert files_of(more) == ("a.wav", "b.wav")
    assert files_of(of_scenario(tools=[FunctionTool(function="json:dumps")], expect=[Contains(contains="x")])) == ()


@pytest.mark.parametrize("text", ["  ", "\n"])
def test_an_expectation_that_every_answer_fulfils_is_refused(text):
    with pytest.raises(ConfigError, match=r"expect\.contains=.*allowed: text that is not empty"):
        Contains(contains=text)


def test_an_expectation_that_every_answer_fulfils_with_a_rows_value_is_refused():
    plan = of_scenario(rows=({"want": " "},), expect=[Contains(contains="{want}")])
    assert "expect[0].contains = ' ' is not possible with the values want = ' '" in str(refused(plan))


def test_a_reference_without_words_is_refused():
    with pytest.raises(ConfigError, match=r"expect\.reference=.*allowed: text with words, as they are said"):
        WordErrorRate(reference="... _", at_most=0.1)


def test_a_script_that_is_not_there_is_told_with_its_key(tmp_path):
    error = refused(attrs.evolve(of_scenario(tmp_path), target=Target(script="nix.toml")))
    assert str(error).startswith(f"target.script: {tmp_path / 'nix.toml'} is not there; allowed: ")


@pytest.mark.parametrize("say", ["calls/one.M4A", "one.wave", "one.opus"])
def test_a_sound_file_of_another_kind_is_not_read_out_as_words(say):
    error = refused(of_scenario(turns=[Say(say=say)]))
    assert str(error) == (
        f"scenarios[0].turns[0].say: {say} is a sound file of a kind that is not read;"
        " allowed: a file of .wav, .flac, .ogg, .mp3"
    )


def test_words_that_end_in_the_name_of_a_file_are_words():
    assert ready(of_scenario(turns=[Say(say="Open my song.m4a")]))


def test_a_script_with_a_mistake_is_told_with_its_file(tmp_path):
    (tmp_path / "script.toml").write_text('ehco = "{text}"')
    error = refused(attrs.evolve(of_scenario(tmp_path), target=Target(script="script.toml")))

    assert error.field == "target.script"
    assert "script.toml" in str(error)
    assert "ehco" in str(error)

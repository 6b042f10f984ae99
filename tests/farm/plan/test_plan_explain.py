"""A plan is explained before it runs: what it does, what it takes, and what may not be meant."""

import attrs
import pytest
from plans_made import load_text

from engine.audio.files import write_wav
from engine.audio.pcm import tone
from engine.farm.plan.explain import WIDTH, explain
from engine.farm.plan.load import ready
from engine.farm.plan.model import (
    CannedTool,
    Caps,
    Contains,
    FirstAudioWithin,
    FunctionTool,
    JsonAnswer,
    Keep,
    Load,
    Matches,
    NoError,
    Plan,
    Push,
    Retries,
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
from engine.farm.plan.thresholds import read_threshold
from engine.farm.plan.wording import duration


def words_of(plan):
    return " ".join(" ".join(explain(plan).lines).split())


def test_a_good_plan_is_explained_whole(tmp_path):
    explained = explain(load_text(tmp_path))
    words = " ".join(" ".join(explained.lines).split())
    for part in (
        "smoke, from ",
        "the simulator on this machine (a process a worker, at most one a core), voice tone",
        'session instructions = "Be brief."',
        "greet [short]: 12 sessions (2 x voice, 2 x speed, 3 times each)",
        'the caller types "Hello, {voice}", then cuts in after 300 ms of the answer',
        "tools: get_weather (canned)",
        'the agent says "{voice}" in the last turn; the service hears "hello" with at most 30% of words wrong',
        "load 4 sessions at a time until all are done",
        "20 sessions at a time, 10 starts a second",
        "up to 3 attempts",
        "audio (flac) of all sessions and events of all sessions, 2.0 GiB at most",
        "p95(time_to_first_audio) < 800ms; error_rate{scenario: greet} < 1%",
        "12 sessions, ",
        "nothing: the simulator is free; the service would ask about ",
    ):
        assert part in words
    assert explained.warnings == ()
    assert all(len(line) <= WIDTH for line in explained.lines)


def test_all_kinds_of_parts_have_words(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-secret")
    (tmp_path / "tools.py").write_text("def look(): ...")
    scenario = Scenario(
        name="s",
        turns=[Type(type="x" * 100), Silence(silence_ms=500), Push(push="12#", await_answer=False), Wait(wait_s=0.5)],
        tools=[FunctionTool(function="tools.py:look")],
        expect=[
            Matches(matches="a+", turn=2),
            WordErrorRate(reference="r", at_most=0.1, of="agent"),
            ToolCalled(tool_called="look", arguments={"a": 1}),
            FirstAudioWithin(first_audio_within_ms=800),
            NoError(),
            JsonAnswer(),
            JsonAnswer(json_answer={"type": "object"}),
        ],
        session={"voice": "verse"},
    )
    plan = Plan(
        name="p",
        scenarios=[scenario],
        target=Target(kind="url", url="wss://host/v1", key_env="MY_KEY"),
        caps=Caps(sessions=1, tokens_per_min=5000, budget_tokens=10_000, budget_usd=2.5),
        retries=Retries(attempts=1),
        keep=Keep(audio=0.1, events=0, format="opus"),
        thresholds=[read_threshold("errors < 1")],
        folder=str(tmp_path),
    )
    words = words_of(ready(plan))
    for part in (
        "wss://host/v1, with the key of $MY_KEY",
        'types "'
        + "x" * 59
        + '…", then is silent for 500 ms, then pushes 12# and goes on without the answer, then waits 0.5 s',
        'with voice = "verse"',
        "tools: tools.py:look",
        'the agent\'s words match "a+" in turn 2; the agent says "r" with at most 10% of words wrong',
        "wrong; look is called with a = 1",
        "first audio within 800 ms; no error; the last answer is JSON; the last answer is JSON of the schema",
        "1 session at a time, 10 starts a second, 5,000 tokens a minute, 10,000 tokens in all, 2.50 USD in all",
        "retries none",
        "audio (opus) of 10% of sessions, 2.0 GiB at most",
        "1 session, ",
    ):
        assert part in words
    assert "sk-secret" not in words


def test_a_sound_is_played_and_words_in_quotes_are_quoted_otherwise(tmp_path):
    write_wav(tmp_path / "beep.wav", tone(440, 500))
    turns = [Say(say="beep.wav"), Say(say='the "big" one')]
    words = words_of(Plan(name="p", scenarios=[Scenario(name="s", turns=turns)], folder=str(tmp_path)))

    assert """the caller plays beep.wav, then says 'the "big" one'""" in words


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (Load(), "load each session once"),
        (Load(shape="arrival", rate_per_s=2.5), "load 2.5 starts a second until all are done"),
        (Load(shape="constant", sessions=3, duration_s=600), "load 3 sessions at a time for 10 min"),
        (
            Load(shape="ramp", stages=[Stage(duration_s=60, to=5), Stage(duration_s=7200, to=0)]),
            "load sessions at a time: to 5 in 60 s, to 0 in 2.0 h; jobs begin again until then",
        ),
    ],
)
def test_loads_have_words(load, words):
    assert words in words_of(Plan(name="p", scenarios=[Scenario(name="s", turns=[Type(type="x")])], load=load))


def test_many_are_written_as_people_write_them():
    caps, load = Caps(sessions=1_000_000, starts_per_s=1_000_000), Load(shape="constant", sessions=1_000_000)
    words = words_of(Plan(name="p", scenarios=[Scenario(name="s", turns=[Type(type="x")])], load=load, caps=caps))

    assert "load 1,000,000 sessions at a time until" in words
    assert "at a time, 1,000,000 starts a second" in words


def test_a_target_is_told_with_what_it_is_given(tmp_path):
    (tmp_path / "s.toml").write_text('echo = "{text}"')
    target = Target(script="s.toml", servers=2, pace={"think_ms": 5})
    plan = Plan(name="p", scenarios=[Scenario(name="s", turns=[Type(type="x")])], target=target, folder=str(tmp_path))
    assert "(2 processes), voice tone, answers by s.toml, with think_ms = 5" in words_of(plan)
    assert "OpenAI's service" in words_of(attrs.evolve(plan, target=Target(kind="service")))
    assert "results only" in words_of(attrs.evolve(plan, keep=Keep(audio=0, events=0)))


def test_what_a_plan_says_cannot_steer_the_terminal():
    plan = Plan(
        name="p", scenarios=[Scenario(name="s", turns=[Type(type="\x1b[2J\nplan  fake")])], session={"model": "\x9b"}
    )
    lines = explain(plan).lines
    assert not any("\x1b" in line or "\x9b" in line or "\n" in line for line in lines)
    assert not any(line.startswith("plan  fake") for line in lines)


def warnings_of(scenario=None, **changes):
    scenario = scenario or Scenario(name="s", turns=[Type(type="x")], repeat=10)
    return " ".join(explain(Plan(name="p", scenarios=[scenario], **changes)).warnings)


def scenario_of(**changes):
    return Scenario(**{"name": "s", "turns": [Type(type="x")], **changes})


def test_nothing_is_said_of_a_plan_that_is_well(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert warnings_of() == ""
    assert warnings_of(target=Target(kind="service"), caps=Caps(budget_usd=5, budget_tokens=10**6)) == ""


def test_a_key_that_is_not_set_is_told(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert "$OPENAI_API_KEY is not set" in warnings_of(target=Target(kind="service"))


def test_budgets_that_end_a_run_early_are_told():
    assert "caps.budget_tokens = 500 ends the run after about" in warnings_of(caps=Caps(budget_tokens=500))
    said = warnings_of(target=Target(kind="service"), caps=Caps(budget_usd=0.01))
    assert "caps.budget_usd = 0.01 ends the run after about 2 of 10 sessions" in said
    assert "caps.budget_usd" not in warnings_of(caps=Caps(budget_usd=0.01))
    assert "sessions start one by one" in warnings_of(caps=Caps(tokens_per_min=20))


def test_loads_that_will_not_be_reached_are_told():
    told = warnings_of(load=Load(shape="constant", sessions=100, duration_s=60), caps=Caps(starts_per_s=1))
    assert "need 17.2 starts a second, and caps.starts_per_s gives 1: about 6 at a time will be reached" in told
    assert "arrivals will be dropped or late" in warnings_of(
        load=Load(shape="arrival", rate_per_s=10, duration_s=60), caps=Caps(sessions=10)
    )
    assert "arrivals will be dropped" in warnings_of(
        load=Load(shape="arrival", stages=[Stage(duration_s=9, to=10)]), caps=Caps(sessions=10)
    )
    steep = Load(shape="ramp", stages=[Stage(duration_s=10, to=5), Stage(duration_s=1, to=50)])
    assert "load.stages[1] goes from 5 to 50 sessions in 1 s, and caps.starts_per_s gives 10" in warnings_of(load=steep)
    brief = Load(shape="constant", sessions=1, duration_s=1)
    assert "longer than the load (1 s)" in warnings_of(load=brief)


def test_scenarios_that_do_not_use_what_they_have_are_told():
    assert "matrix.voice is used nowhere: write {voice}" in warnings_of(scenario_of(matrix={"voice": [1, 2]}))
    assert "no column of d.csv is used" in warnings_of(scenario_of(rows=({"a": 1}, {"a": 2}), data="d.csv"))
    assert "about its deadline_s (5 s) or longer" in warnings_of(scenario_of(deadline_s=5))
    text = {"output_modalities": ["text"]}
    assert "output_modalities gives text alone" in warnings_of(
        scenario_of(expect=[FirstAudioWithin(first_audio_within_ms=9)], session=text)
    )
    heard = scenario_of(expect=[WordErrorRate(reference="x", at_most=0.1)])
    assert "transcription is off" in warnings_of(heard, session={"transcription": False})
    assert warnings_of(heard) == ""


@pytest.mark.parametrize(
    ("length_s", "words"), [(0.25, "0.25 s"), (9.6, "10 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")]
)
def test_lengths_of_time_are_short(length_s, words):
    assert duration(length_s) == words


def test_a_share_that_is_all_is_told():
    told = warnings_of(thresholds=[read_threshold("error_rate < 1")])
    assert "threshold error_rate < 1: 1 is all of them; a hundredth is 1%" in told
    assert warnings_of(thresholds=[read_threshold("error_rate < 1%"), read_threshold("check_rate >= 100%")]) == ""


def test_a_turn_that_nobody_asks_for_is_told():
    expect = [Contains(contains="x", turn=2)]
    assert "s: turn 2 is expected, and the caller's steps ask for 1 answer" in warnings_of(scenario_of(expect=expect))
    assert warnings_of(scenario_of(expect=expect, turns=[Type(type="x"), Push(push="1")])) == ""
    assert warnings_of(scenario_of(expect=expect, tools=[CannedTool(name="f", answer=1)])) == ""


def test_a_model_without_a_price_is_named():
    plan = Plan(name="p", target=Target(kind="service"), session={"model": "my-own"}, scenarios=[scenario_of()])
    assert ("cost", "nobody knows: no price is known of my-own") in explain(plan).rows


def test_one_row_is_one_row():
    rows = explain(Plan(name="p", scenarios=[scenario_of(rows=({"a": 1},), data="d.csv")])).rows
    assert ("scenario", "s: 1 session (1 row of d.csv)") in rows


@pytest.mark.parametrize("width", [30, 40, 80])
def test_lines_fit_a_narrow_terminal(tmp_path, width):
    explained = explain(load_text(tmp_path))
    lines = explained.lines_within(width)
    short = [line for line in lines if " " in line[12:].strip()]
    assert max(map(len, short)) <= width
    assert "".join("".join(lines).split()) == "".join("".join(explained.lines).split())


def test_no_terminal_is_too_narrow():
    explained = explain(Plan(name="p", scenarios=[scenario_of()]))
    assert explained.lines_within(1) == explained.lines_within(30)

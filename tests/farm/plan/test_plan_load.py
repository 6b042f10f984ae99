"""A mistake in a plan is told in one line: file, line, key, what is allowed, and the nearest of it."""

from contextlib import suppress

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plans_made import GOOD, line_of, load_text, write_plan

from engine.errors import ConfigError
from engine.farm.codec import from_json, to_json
from engine.farm.plan.load import load_plan, ready
from engine.farm.plan.model import (
    CannedTool,
    Contains,
    Load,
    Plan,
    Say,
    Target,
    ToolCalled,
    Type,
    Wait,
    WordErrorRate,
)
from engine.farm.plan.reader import read_plan


def test_a_good_plan_says_what_it_says(tmp_path):
    plan = load_text(tmp_path)
    assert (plan.name, plan.target, plan.folder) == ("smoke", Target(), str(tmp_path))
    assert plan.source == str(tmp_path / "plan.toml")
    assert plan.load == Load(shape="constant", sessions=4)
    assert plan.caps.sessions == 20
    (scenario,) = plan.scenarios
    assert scenario.turns == (Type(type="Hello, {voice}"), Say(say="hello.wav", interrupt_after_ms=300), Wait(wait_s=1))
    assert scenario.expect == (
        Contains(contains="{voice}", turn=-1),
        WordErrorRate(reference="hello", at_most=0.3),
        ToolCalled(tool_called="get_weather"),
    )
    assert scenario.tools == (CannedTool(name="get_weather", answer={"rain": True}, parameters={"type": "object"}),)
    assert scenario.matrix == {"voice": ("alloy", "verse"), "speed": (1.0, 1.2)}


def test_a_plan_goes_through_json_and_back(tmp_path):
    plan = load_text(tmp_path)
    assert from_json(to_json(plan), Plan) == plan


def test_a_plan_that_is_ready_stays_as_it_is(tmp_path):
    plan = load_text(tmp_path)
    assert ready(plan) == plan


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ('"simulator"', Target()),
        ('"service"', Target(kind="service")),
        ('"wss://host/v1"', Target(kind="url", url="wss://host/v1")),
        ('{ kind = "url", url = "http://127.0.0.1:9/v1" }', Target(kind="url", url="http://127.0.0.1:9/v1")),
        ("{ servers = 2, pace = { think_ms = 5 } }", Target(servers=2, pace={"think_ms": 5})),
    ],
)
def test_a_target_is_a_table_or_one_word(tmp_path, written, target):
    assert load_text(tmp_path, GOOD.replace('"simulator"', written)).target == target


# What is replaced in the good plan, by what, and what the message then says after the file; `@` is the line of the new.
MISTAKES = {
    "a key that is mistyped": ("sessions = 20", "sesions = 20", "caps.sesions is not known (did you mean 'sessions'?)"),
    "a key of a step": (
        '{ type = "He',
        '{ tpye = "He',
        "scenario[0].turns[0].tpye is not known (did you mean 'type'?)",
    ),
    "a key beside a step's": ("interrupt_after_ms", "interupt_after_ms", "did you mean 'interrupt_after_ms'?"),
    "a key of a scenario": ("repeat =", "reapeat =", "scenario[0].reapeat is not known (did you mean 'repeat'?)"),
    "a key of a tool": ("answer =", "anwser =", "scenario[0].tools[0].anwser is not known (did you mean 'answer'?)"),
    "a key of a setting": ("instructions", "instrutions", "session.instrutions is not known (did you mean 'instruct"),
    "a key below a setting": (
        "silence_duration_ms",
        "silence_ms",
        "session.turn_detection.silence_ms is not known (did you mean 'silence_duration_ms'?)",
    ),
    "a section": ("[caps]", "[cap]", "cap is not known (did you mean 'caps'?)"),
    "another tool's word": ("wait_s", "sleep", "scenario[0].turns[2].sleep is not known (did you mean 'wait_s'?)"),
    "a word without its unit": ('"constant"', '"constant"\nduration = 5', "did you mean 'duration_s'?"),
    "a strange word": ("repeat =", "xylophone =", "scenario[0].xylophone is not known; allowed: the keys name, turns"),
    "rows in the plan": ("repeat = 3", "rows = [{}]", "scenario[0].rows is not known"),
    "a key in the wrong section": ("sessions = 20", "attempts = 20", "caps.attempts belongs under [retries]"),
    "thresholds too late": ("sessions = 20", "thresholds = []", "caps.thresholds belongs at the top of the file"),
    "thresholds in settings": ("instructions", "thresholds", "session.thresholds belongs at the top of the file"),
    "a scenario in a section": ("[caps]", "[caps]\nscenario = 3", "caps.scenario belongs at the top level, as [[sce"),
    "a section as a key": ("repeat = 3", "keep = 3", "scenario[0].keep belongs in a section of its own, [keep]"),
    "a number as text": ("sessions = 20", 'sessions = "20"', "caps.sessions = '20' is not possible; allowed: a whole"),
    "no room at all": ("sessions = 20", "sessions = 0", "allowed: a whole number, 1 to 1,000,000 sessions at a time"),
    "an infinite number": ("wait_s = 1", "wait_s = inf", "turns[2].wait_s = inf is not possible; allowed: 0 to 3600 s"),
    "a name for a number": ("sessions = 4", 'sessions = "{speed}"', "a {name} can stand in texts, settings, and num"),
    "no number": ("wait_s = 1", "wait_s = nan", "turns[2].wait_s = nan is not possible"),
    "a truth for a number": ("wait_s = 1", "wait_s = true", "turns[2].wait_s = True is not possible"),
    "no name": ('name = "smoke"', "", "name is missing; needed is text"),
    "an empty name": ('name = "smoke"', 'name = ""', "name = '' is not possible; allowed: 1 to 100 characters"),
    "a scenario without a name": ('name = "greet"', "", "scenario[0].name is missing; needed is text"),
    "a share as percent": ("at_most = 0.3", "at_most = 30", "expect[1].at_most = 30 is not possible; allowed: 0 to 1"),
    "a share left out": (", at_most = 0.3", "", "expect[1].at_most is missing; needed is a share"),
    "turn 0": ("turn = -1", "turn = 0", "expect[0].turn = 0 is not possible; allowed: 1 for the first turn"),
    "two steps in one": ("wait_s = 1", 'wait_s = 1, push = "1"', "turns[2] has wait_s and push; allowed: one"),
    "an empty step": (
        "{ wait_s = 1 }",
        "{ }",
        "turns[2] = 'an empty table' is not possible; allowed: a table with one",
    ),
    "a text for a step": ("{ wait_s = 1 }", '"wait"', "turns[2] = 'wait' is not possible; allowed: a table, as { say"),
    "half a step": ("{ wait_s = 1 }", "{ await_answer = false }", "allowed: a table with one of say, type, wait_s"),
    "a table for a list": (
        "thresholds = [",
        "thresholds = {} #",
        "thresholds is one table; allowed: a list, in",
    ),
    "one bracket for a scenario": ("[[scenario]]", "[scenario]", "tables under [[scenario]], in double brackets"),
    "one bracket for a tool": ("[[scenario.tool]]", "[scenario.tool]", "tools is one table; allowed: a list, in sq"),
    "the name in a section": ("[caps]", "[caps]\nname = 1", "caps.name belongs at the top of the file"),
    "a text without an end": ('"Be brief."', '"Be brief.', "a text that begins here has no quotation mark at its end"),
    "an apostrophe in a text without an end": ('"Be brief."', "\"It's me", "has no quotation mark at its end"),
    "text for a list": ('tags = ["short"]', 'tags = "short"', "scenario[0].tags = 'short' is not possible"),
    "a text for a table": ("{ rain = true }", "2026-11-23", "tools[0].answer = datetime.date(2026, 11, 23)"),
    "an infinite answer": ("{ rain = true }", "inf", "tools[0].answer = inf is not possible"),
    "a large answer": ("{ rain = true }", "99999999999999999999", "a number of at most 64 bits"),
    "no schema": ('{ type = "object" }', '{ type = "thing" }', "tools[0].parameters is no JSON Schema: type: 'thing'"),
    "no regular expression": ('contains = "{voice}"', 'matches = "("', "allowed: a regular expression (missing )"),
    "no telephone keys": ("{ wait_s = 1 }", '{ push = "1x" }', "turns[2].push = '1x' is not possible; allowed: telep"),
    "a mistyped target": ('"simulator"', '"simulater"', "target.kind = 'simulater' is not possible; allowed: 'simula"),
    "a password in a URL": ('"simulator"', '"wss://me:secret@host/v1"', "without user and password"),
    "an unencrypted server": ('"simulator"', '"ws://example.org/v1"', "allowed: wss://, or allow_insecure_key=True"),
    "no server": ('"simulator"', '"ftp://host"', "target.url = 'ftp://host' is not possible"),
    "a URL without its kind": ('"simulator"', '{ url = "wss://h/v1" }', "target.url = 'wss://h/v1' is not possible"),
    "a voice of the service": ('"simulator"', '{ kind = "service", voice = "local" }', "only with kind = 'simulator'"),
    "a mistyped pace": (
        '"simulator"',
        "{ pace = { thnk_ms = 1 } }",
        "target.pace.thnk_ms is not known (did you mean 'th",
    ),
    "a pace as text": ('"simulator"', '{ pace = { think_ms = "1" } }', "target.pace.think_ms = '1' is not possible"),
    "a pace below 0": ('"simulator"', "{ pace = { think_ms = -1 } }", "target.pace.think_ms = -1 is not possible"),
    "a missing script": ('"simulator"', '{ script = "no.toml" }', "no.toml"),
    "no variable": ('"simulator"', '{ key_env = "a b" }', "the name of an environment variable"),
    "a key in the plan": (
        "audio.wire_format",
        'client.api_key = "sk-secret" #',
        "session.client.api_key belongs elsewhere",
    ),
    "a rate": ("audio.wire_format", "audio.input_rate = 8000 #", "session.audio.input_rate belongs elsewhere: wire_fo"),
    "no table": ("audio.wire_format", "engine = 3 #", "session.engine = 3 is not possible; allowed: a table"),
    "a function in settings": ("audio.wire_format", 'tools = [{ type = "function" }] #', "are [[scenario.tool]]"),
    "a setting out of range": (
        "speed = [1.0, 1.2]",
        "speed = [1.0, 9]",
        "session.speed = 9 is not possible; allowed: 0.25",
    ),
    "a model that can't reason": ('"Be brief."', '"x"\nreasoning_effort = "low"', "session.reasoning_effort"),
    "a name without a value": ('"Hello, {voice}"', '"Hello, {voise}"', "{voise} has no value (did you mean 'voice'?)"),
    "a name in settings": ('voice = "{voice}"', 'voice = "{voise}"', "scenario[0].session.voice: {voise} has no value"),
    "a choice of none": ('["alloy", "verse"]', "[]", "scenario[0].matrix.voice = [] is not possible; allowed: a list"),
    "a choice that is no list": ('["alloy", "verse"]', '"alloy"', "scenario[0].matrix.voice = 'alloy' is not possible"),
    "a choice of a strange name": ("voice = [", '"a b" = [', "scenario[0].matrix.a b"),
    "a missing sound": ('"hello.wav"', '"helo.wav"', "helo.wav is not there; allowed: a sound file"),
    "an interruption of nothing": (
        '{ type = "He',
        '{ interrupt_after_ms = 3, type = "He',
        "a step before it, whose answer it cuts in",
    ),
    "an interruption after a wait": (
        '{ say = "hello.wav", i',
        '{ wait_s = 1 }, { say = "hello.wav", i',
        "the answer is heard out before a wait",
    ),
    "a date": (
        "{ rain = true }",
        "{ day = 2026-09-21 }",
        "scenario[0].tools[0].answer.day = datetime.date(2026, 9, 21)",
    ),
    "a date and a time": ('["alloy", "verse"]', "[2026-09-21 10:00:00]", "text in quotes instead of dates and times"),
    "a number beyond 64 bits": ("{ rain = true }", "{ n = 18446744073709551616 }", "a number of at most 64 bits"),
    "a tool that is not there": (
        '"get_weather" }',
        '"get_wether" }',
        "there is no tool 'get_wether' (did you mean 'get_w",
    ),
    "a metric": ("time_to_first_audio", "time_to_frist_audio", "did you mean 'time_to_first_audio'?"),
    "a scenario of a threshold": ("scenario: greet", "scenario: great", "no scenario 'great' (did you mean 'greet'?)"),
    "a tag of a threshold": (
        "scenario: greet",
        "tag: shrot",
        "no tag 'shrot' (did you mean 'short'?); allowed: the tags",
    ),
    "more than the caps": ("sessions = 4", "sessions = 21", "load.sessions asks for 21 sessions at a time, and caps."),
    "a shape without its number": ("sessions = 4", "", "load.shape = 'constant' needs sessions"),
    "a number of another shape": ("sessions = 4", "sessions = 4\nrate_per_s = 3", "it with shape = 'arrival'"),
    "a mistyped shape": ('"constant"', '"contsant"', "load.shape = 'contsant' is not possible; allowed: 'once', 'co"),
    "waits that shrink": (
        "[caps]",
        "[retries]\nwait_s = 90\n[caps]",
        "retries.wait_s = 90 is not possible; allowed: at",
    ),
    "a share of files": ("[caps]", "[keep]\naudio = 2\n[caps]", "keep.audio = 2 is not possible; allowed: 0 to 1"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told(tmp_path, mistake):
    old, new, words = MISTAKES[mistake]
    assert old in GOOD
    path = write_plan(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_plan(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:")
    assert words in message
    assert "\n" not in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sessions = 20", "sesions = 20"),
        ("wait_s = 1", "wait_s = -1"),
        ("at_most = 0.3", "at_most = 3"),
        ("speed = [1.0, 1.2]", "speed = [1.0, 9]"),
        ("{ rain = true }", "{ rain = nan }"),
        ("sessions = 4", "sessions = 400"),
        ("silence_duration_ms = 300", "silence_duration_ms = -1"),
        ('"hello.wav"', '"other.wav"'),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, old, new):
    text = GOOD.replace(old, new, 1)
    path = write_plan(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_plan(path)
    # A value of the matrix is wrong where the setting takes it.
    line = line_of(text, "session = {" if "speed" in old else new)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_what_is_missing_is_told_with_the_line_of_its_table(tmp_path):
    text = GOOD + '\n[[scenario]]\nrepeat = 2\nturns = [{ type = "x" }]\n'
    path = write_plan(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_plan(path)
    line = line_of(text, "[[scenario]]\nrepeat = 2")
    assert str(caught.value).startswith(f"{path}:{line}: scenario[1].name is missing")


def test_scenarios_have_names_of_their_own(tmp_path):
    text = GOOD + '\n[[scenario]]\nname = "greet"\nturns = [{ type = "x" }]\n'
    with pytest.raises(
        ConfigError, match=r"scenario\[1\]\.name = 'greet' is not possible; allowed: a name that no other"
    ):
        load_text(tmp_path, text)


def test_a_plan_without_scenarios_is_none(tmp_path):
    with pytest.raises(ConfigError, match=r"scenario is missing; needed is at least one \[\[scenario\]\]"):
        load_text(tmp_path, 'name = "x"\n')
    with pytest.raises(ConfigError, match=r"at least one \[\[scenario\]\]"):
        load_text(tmp_path, 'name = "x"\nscenario = []\n')
    with pytest.raises(ConfigError, match="a list, in square brackets"):
        load_text(tmp_path, 'name = "x"\n[scenario]\nname = "y"\n')
    with pytest.raises(
        ConfigError, match=r"scenario\[0\] = 3 is not possible; allowed: a table, under \[\[scenario\]\]"
    ):
        load_text(tmp_path, 'name = "x"\nscenario = [3]\n')


def test_a_scenario_needs_a_step(tmp_path):
    with pytest.raises(ConfigError, match=r"turns = \[\] is not possible; allowed: at least one step"):
        load_text(tmp_path, 'name = "x"\n[[scenario]]\nname = "y"\nturns = []\n')
    with pytest.raises(
        ConfigError, match=r"scenario\[0\].turns is missing; needed is what the caller does: at least one"
    ):
        load_text(tmp_path, 'name = "x"\n[[scenario]]\nname = "y"\n')


def test_false_turns_settings_off(tmp_path):
    text = GOOD.replace("turn_detection = {", "engine.reconnect = false\ntranscription = false\nnoise_reduction = {")
    plan = load_text(tmp_path, text.replace('type = "server_vad", silence_duration_ms = 300', 'type = "near_field"'))
    assert plan.session["transcription"] is False


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["{a}", "x.wav"]),
    lambda below: (
        st.lists(below, max_size=2) | st.dictionaries(st.sampled_from(["a", "say", "name"]), below, max_size=2)
    ),
    max_leaves=4,
)
PLACES = st.sampled_from(
    [
        *((name,) for name in ("name", "thresholds", "target", "session", "load", "caps", "retries", "keep")),
        ("scenarios",),
        *(("target", field.name) for field in attrs.fields(Target)),
        *(("session", name) for name in ("model", "voice", "audio", "engine", "client", "tools", "include", "history",
                                         "truncation", "tracing", "prompt", "max_output_tokens", "output_modalities")),
        *(("session", "client", name) for name in ("extra_headers", "timeout_s", "proxy", "key_header")),
        *(("session", "engine", name) for name in ("reconnect", "input_frame_ms", "transport")),
        *(("load", name) for name in ("shape", "sessions", "stages", "duration_s")),
        *(("scenarios", 0, name) for name in ("name", "turns", "session", "tools", "expect", "repeat", "matrix", "data",
                                              "tags", "weight", "deadline_s")),
        *(("scenarios", 0, "turns", 0, name) for name in ("type", "say", "push", "await_answer", "interrupt_after_ms")),
        *(("scenarios", 0, "tools", 0, name) for name in ("name", "answer", "parameters", "function", "takes_ms")),
        *(("scenarios", 0, "expect", 0, name) for name in ("contains", "matches", "turn", "json_answer", "arguments")),
    ]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(PLACES, JUNK)
def test_whatever_stands_at_a_key_is_read_or_refused(tmp_path, place, junk):
    table = {
        "name": "n",
        "target": {},
        "session": {"client": {}, "engine": {}},
        "load": {},
        "scenarios": [
            {
                "name": "s",
                "turns": [{"type": "x"}],
                "tools": [{"name": "t"}],
                "expect": [{"contains": "x"}],
            }
        ],
    }
    below = table
    for key in place[:-1]:
        below = below[key]
    below[place[-1]] = junk
    # Nothing else than a ConfigError is let through.
    with suppress(ConfigError):
        plan = ready(read_plan(table, str(tmp_path), "plan.toml"))
        assert isinstance(from_json(to_json(plan), Plan), Plan)

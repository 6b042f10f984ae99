"""What a run will take is reckoned from what callers say, the load's shape and the caps."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans_made import GOOD, load_text, write_sound

from engine.farm.plan.estimate import area, estimate, expected
from engine.farm.plan.model import (
    CannedTool,
    Caps,
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
)
from engine.farm.plan.session_estimate import (
    ANSWER_AUDIO_MS_PER_TOKEN,
    ANSWER_S,
    ANSWER_TEXT_TOKENS,
    ANSWER_WAIT_S,
    CONNECT_S,
    WRITTEN_TOKENS,
    session_estimate,
)

SPOKEN = ANSWER_S * 1000 / ANSWER_AUDIO_MS_PER_TOKEN
QUIET = {"instructions": "", "transcription": False}


def plan_of(*turns, folder=".", session=None, **changes):
    scenario = Scenario(name="s", turns=turns, **changes)
    return Plan(name="p", scenarios=[scenario], session={**QUIET, **(session or {})}, folder=str(folder))


def one_of(plan):
    return session_estimate(plan, plan.scenarios[0])


def test_a_typed_turn_takes_its_words_and_an_answer():
    one = one_of(plan_of(Type(type="x" * 40)))
    assert one.tokens == 10 + ANSWER_TEXT_TOKENS + SPOKEN
    assert one.length_s == pytest.approx(CONNECT_S + ANSWER_WAIT_S + ANSWER_S)
    assert (one.said_s, one.answers) == (0, 1)
    assert one.usd == pytest.approx((10 * 4 + ANSWER_TEXT_TOKENS * 16 + SPOKEN * 64) / 1e6)


def test_a_spoken_turn_takes_ten_tokens_a_second(tmp_path):
    write_sound(tmp_path / "a.wav", 3)
    one = one_of(plan_of(Say(say="a.wav"), folder=tmp_path))
    assert one.tokens == 30 + ANSWER_TEXT_TOKENS + SPOKEN
    assert one.said_s == pytest.approx(3)
    assert one.length_s == pytest.approx(CONNECT_S + 3 + ANSWER_WAIT_S + ANSWER_S)


def test_each_answer_reads_all_that_was_said_before():
    once = one_of(plan_of(Type(type="x" * 40)))
    twice = one_of(plan_of(Type(type="x" * 40), Type(type="x" * 40)))
    assert twice.tokens == 2 * once.tokens + once.tokens


def test_what_is_written_down_of_speech_is_paid_too(tmp_path):
    write_sound(tmp_path / "a.wav", 60)
    without = one_of(plan_of(Say(say="a.wav"), folder=tmp_path))
    timed = one_of(plan_of(Say(say="a.wav"), folder=tmp_path, session={"transcription": {"model": "whisper-1"}}))
    assert timed.usd - without.usd == pytest.approx(0.006)
    by_tokens = one_of(
        plan_of(Say(say="a.wav"), folder=tmp_path, session={"transcription": {"model": "gpt-4o-transcribe"}})
    )
    assert by_tokens.usd - without.usd == pytest.approx(600 * 2.5 / 1e6)
    unknown = one_of(plan_of(Say(say="a.wav"), folder=tmp_path, session={"transcription": {"model": "mine"}}))
    assert unknown.usd is None


def test_steps_without_an_answer_take_their_time():
    plan = plan_of(Wait(wait_s=3), Silence(silence_ms=2000), Push(push="12", await_answer=False))
    one = one_of(plan)
    assert one.length_s == pytest.approx(CONNECT_S + 3 + 2 + 0.4)


def test_an_interruption_ends_the_answer_before_it():
    whole = one_of(plan_of(Type(type="x"), Type(type="y")))
    cut = one_of(plan_of(Type(type="x"), Type(type="y", interrupt_after_ms=1000)))
    assert whole.length_s - cut.length_s == pytest.approx(ANSWER_S - 1)


def test_text_answers_and_bounds_of_answers_count():
    assert one_of(plan_of(Type(type="x" * 4), session={"output_modalities": ["text"]})).tokens == 1 + WRITTEN_TOKENS
    assert one_of(plan_of(Type(type="x" * 4), session={"max_output_tokens": 30})).tokens == 1 + 30


def test_tools_are_read_each_time_and_a_call_is_a_response_of_its_own():
    tools = [CannedTool(name="t" * 38)]
    plain = one_of(plan_of(Type(type="x" * 4)))
    read = one_of(plan_of(Type(type="x" * 4), tools=tools))
    called = one_of(plan_of(Type(type="x" * 4), tools=tools, expect=[ToolCalled(tool_called="t" * 38)]))
    assert read.tokens > plain.tokens
    assert called.tokens - read.tokens > WRITTEN_TOKENS
    assert called.length_s > read.length_s


def test_a_session_ends_at_its_deadline():
    assert one_of(plan_of(Type(type="x"), deadline_s=2)).length_s == 2


def test_a_scenario_is_the_mean_of_its_rows():
    rows = ({"w": "x" * 40}, {"w": "x" * 80})
    one = one_of(plan_of(Type(type="{w}"), rows=rows))
    assert one.tokens == 15 + ANSWER_TEXT_TOKENS + SPOKEN


def test_a_model_without_a_price_has_no_cost():
    plan = plan_of(Type(type="x"), session={"model": "mine"})
    got = estimate(attrs.evolve(plan, target=Target(kind="service")))
    assert got.usd is None
    assert estimate(plan).usd == 0
    assert estimate(plan).service_usd is None


def test_the_simulator_is_free_and_the_service_is_not(tmp_path):
    plan = load_text(tmp_path)
    assert expected(plan)["greet"].usd == 0
    at_service = attrs.evolve(plan, target=Target(kind="service"))
    each = expected(at_service)["greet"]
    assert each.usd > 0
    assert each.tokens == expected(plan)["greet"].tokens
    assert each.life_s > 0
    assert estimate(at_service).usd == pytest.approx(12 * each.usd)
    assert estimate(plan).service_usd == estimate(at_service).usd


def run_of(load=None, caps=None, repeat=100):
    scenario = Scenario(name="s", turns=[Type(type="x"), Wait(wait_s=4.2)], repeat=repeat)
    return estimate(Plan(name="p", scenarios=[scenario], session=QUIET, load=load or Load(), caps=caps or Caps()))


SESSION_S = CONNECT_S + ANSWER_WAIT_S + ANSWER_S + 4.2


def test_caps_say_how_long_a_run_takes():
    assert run_of(caps=Caps(sessions=10, starts_per_s=1000)).duration_s == pytest.approx(10 * SESSION_S)
    assert run_of(caps=Caps(sessions=100, starts_per_s=2)).duration_s == pytest.approx(99 / 2 + SESSION_S)
    assert run_of(caps=Caps(sessions=100, starts_per_s=100, tokens_per_min=1000)).duration_s == pytest.approx(
        run_of().tokens / 1000 * 60
    )
    assert run_of(repeat=1).duration_s == pytest.approx(SESSION_S)
    assert run_of(Load(shape="constant", sessions=5)).duration_s == pytest.approx(20 * SESSION_S)


def test_a_load_with_a_time_says_how_many_sessions_it_has():
    timed = run_of(Load(shape="constant", sessions=20, duration_s=100), Caps(starts_per_s=100))
    assert timed.sessions == pytest.approx(20 * 100 / SESSION_S)
    assert timed.duration_s == pytest.approx(100 + SESSION_S)
    assert run_of(Load(shape="arrival", rate_per_s=2, duration_s=50)).sessions == pytest.approx(100)
    stages = [Stage(duration_s=10, to=4), Stage(duration_s=10, to=4), Stage(duration_s=20, to=0)]
    assert run_of(Load(shape="arrival", stages=stages)).sessions == pytest.approx(20 + 40 + 40)
    assert run_of(Load(shape="ramp", stages=stages)).sessions == pytest.approx(100 / SESSION_S)
    assert run_of(Load(shape="constant", sessions=90, duration_s=100), Caps(starts_per_s=2)).sessions == pytest.approx(
        200
    )


def test_scenarios_share_a_load_by_weight():
    scenarios = [Scenario(name=name, turns=[Wait(wait_s=9.5)], weight=weight) for name, weight in (("a", 1), ("b", 3))]
    plan = Plan(name="p", scenarios=scenarios, load=Load(shape="constant", sessions=4, duration_s=100))
    assert {one.name: one.sessions for one in estimate(plan).scenarios} == pytest.approx({"a": 10, "b": 30})


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=5))
def test_the_area_below_a_ramp_is_what_stands_below_it(stages):
    load = Load(shape="constant", sessions=1)
    load = attrs.evolve(load, shape="ramp", sessions=None, stages=[Stage(duration_s=1, to=1)])
    object.__setattr__(load, "stages", tuple(Stage(duration_s=length, to=to) for length, to in stages))
    most = max(to for _, to in stages)
    assert 0 <= area(load) <= most * sum(length for length, _ in stages) * (1 + 1e-9)
    assert area(Load(shape="constant", sessions=3, duration_s=4)) == 12


def test_a_good_plans_estimate_counts_all_of_it(tmp_path):
    got = estimate(load_text(tmp_path, GOOD))
    assert got.sessions == 12
    assert got.session_s == pytest.approx(12 * got.scenarios[0].one.length_s)
    assert got.tokens == pytest.approx(12 * got.scenarios[0].one.tokens)

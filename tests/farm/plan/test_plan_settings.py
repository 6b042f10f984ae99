"""A session's settings are the plan's, with the scenario's over them, the target's address, and the try's name."""

import pytest

from engine.config.addresses import DEFAULT_BASE_URL
from engine.errors import ConfigError
from engine.farm.plan.model import Plan, Scenario, Target, Type
from engine.farm.plan.settings import NOBODY, session_config


def plan_of(target=None, over=None, **session):
    scenario = Scenario(name="s", turns=[Type(type="x")], session=over or {})
    return Plan(name="p", scenarios=[scenario], session=session, target=target or Target()), scenario


def test_the_scenario_goes_over_the_plan_key_by_key_in_the_parts():
    plan, scenario = plan_of(
        over={"voice": "verse", "audio": {"voice": "x"}, "engine": {"ping_interval_s": 5}},
        instructions="Be brief.",
        voice="alloy",
        audio={"wire_format": "pcmu"},
        engine={"idle_deadline_s": 9.0, "ping_interval_s": 1},
    )
    config = session_config(plan, scenario)
    assert (config.instructions, config.voice) == ("Be brief.", "verse")
    assert (config.audio.wire_format, config.audio.voice, config.audio.input_rate) == ("pcmu", "x", 24_000)
    assert (config.engine.idle_deadline_s, config.engine.ping_interval_s) == (9.0, 5)


def test_a_value_such_as_turn_detection_is_one_thing():
    server, semantic = {"type": "server_vad", "threshold": 0.9}, {"type": "semantic_vad"}
    plan, scenario = plan_of(over={"turn_detection": semantic}, turn_detection=server)
    assert session_config(plan, scenario).turn_detection.threshold is None


def test_false_is_none_but_for_switches():
    plan, scenario = plan_of(
        turn_detection=False,
        transcription=False,
        parallel_tool_calls=False,
        engine={"reconnect": False, "ping_interval_s": False, "fill_silence": False},
        client={"proxy": False, "allow_insecure_key": False},
    )
    config = session_config(plan, scenario)
    assert config.turn_detection is None
    assert config.transcription is None
    assert config.parallel_tool_calls is False
    assert config.engine.reconnect is None
    assert config.engine.ping_interval_s is None
    assert config.engine.fill_silence is False
    assert config.client.proxy is None
    assert config.client.allow_insecure_key is False


def test_how_to_reconnect_is_a_table():
    plan, scenario = plan_of(engine={"reconnect": {"attempts": 2}})
    assert session_config(plan, scenario).engine.reconnect.attempts == 2


@pytest.mark.parametrize(
    ("target", "base_url", "there"),
    [
        (Target(), None, NOBODY),
        (Target(), "ws://127.0.0.1:8123/v1", "ws://127.0.0.1:8123/v1"),
        (Target(kind="service"), None, DEFAULT_BASE_URL),
        (Target(kind="url", url="https://host/v1"), None, "wss://host/v1"),
    ],
)
def test_the_target_says_where(target, base_url, there, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "wss://elsewhere/v1")
    plan, scenario = plan_of(target)
    assert session_config(plan, scenario, base_url=base_url, key="k").client.base_url == there


def test_the_simulator_takes_any_key_and_the_service_the_one_that_is_given(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert session_config(*plan_of()).client.api_key
    assert session_config(*plan_of(Target(kind="service")), key="sk-1").client.api_key == "sk-1"
    with pytest.raises(ConfigError) as caught:
        session_config(*plan_of(Target(kind="service")))
    assert caught.value.field == "session.client.api_key"


def test_a_try_is_named_to_the_service_beside_the_plans_headers():
    plan, scenario = plan_of(client={"extra_headers": {"X-Team": "voice"}})
    config = session_config(plan, scenario, attempt_id="1f3a9c02-37-1")
    assert config.client.extra_headers == (("X-Team", "voice"), ("X-Client-Request-Id", "1f3a9c02-37-1"))
    assert session_config(plan, scenario).client.extra_headers == (("X-Team", "voice"),)


def test_mcp_servers_are_settings_and_functions_are_not():
    plan, scenario = plan_of(tools=[{"type": "mcp", "server_label": "docs", "server_url": "https://host"}])
    assert [tool.server_label for tool in session_config(plan, scenario).tools] == ["docs"]
    plan, scenario = plan_of(tools=[{"type": "function", "name": "f"}])
    with pytest.raises(ConfigError, match=r"session\.tools\[0\].*scenario\.tool"):
        session_config(plan, scenario)


@pytest.mark.parametrize(
    ("session", "field"),
    [
        ({"voise": "x"}, "session.voise"),
        ({"audio": {"voise": "x"}}, "session.audio.voise"),
        ({"audio": {"output_rate": 8000}}, "session.audio.output_rate"),
        ({"engine": {"reconnect": {"atempts": 1}}}, "session.engine.reconnect.atempts"),
        ({"engine": {"reconnect": {"attempts": 0}}}, "session.engine.reconnect.attempts"),
        ({"engine": {"ping_interval_s": -1}}, "session.engine.ping_interval_s"),
        ({"client": {"base_url": "x"}}, "session.client.base_url"),
        ({"client": {"timeout_s": 0}}, "session.client.timeout_s"),
        ({"client": {"extra_headers": {"Authorization": "x"}}}, "session.client.extra_headers"),
        ({"max_output_tokens": 0}, "session.max_output_tokens"),
        ({"turn_detection": {"type": "vad"}}, "session.turn_detection.type"),
        ({"turn_detection": {"threshhold": 1}}, "session.turn_detection.threshhold"),
        ({"history": 3}, "session.history"),
        ({"model": ""}, "session.model"),
    ],
)
def test_what_is_wrong_is_told_by_its_path_in_the_plan(session, field):
    with pytest.raises(ConfigError) as caught:
        session_config(*plan_of(**session), attempt_id="a-1-1")
    assert caught.value.field == field
    assert field in str(caught.value)

"""The model as Strands' agents and devices ask it, and its verbs when nothing goes as planned."""

import asyncio
import logging
import sys
from pathlib import Path

import pytest

pytest.importorskip("strands.bidi", reason="needs strands-agents>=1.58 in this environment")
sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))

from strands.bidi import BidiAgent
from strands.bidi.models import AudioCapable, BidiModel, ConnectionTimeoutError, Restartable
from strands.bidi.types import BidiMessage
from strands.types.content import TextBlock
from strands.types.tools import ToolResultBlock

import engine
from engine.errors import (
    AlreadyStarted,
    BidiModelTimeoutError,
    ConfigError,
    NotStarted,
    SessionEnded,
    UnsupportedContent,
)
from engine.integrations.strands import BidiOpenAIRealtimeModel
from engine.integrations.strands import talk as talks
from engine.integrations.strands.current import RESTART_MARGIN_S
from engine.simulator import INSTANT, Call, Fail, Say, Script, SimulatorSettings
from engine.testing import simulator_in_thread

CLIENT = {"api_key": "sk-secret", "timeout_s": 600}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ORGANIZATION", "OPENAI_PROJECT", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def model(provider=None, **more):
    return BidiOpenAIRealtimeModel(provider_config=provider, client_config={**CLIENT, **more.pop("client", {})}, **more)


def talk(script, body):
    """Run a coroutine function of a model that talks with a simulator, and give what each connection got."""

    async def run(base_url):
        one = model(client={"base_url": base_url})
        await asyncio.wait_for(body(one), 10)
        await one.stop()

    with simulator_in_thread(SimulatorSettings(pace=INSTANT), script.responder) as server:
        asyncio.run(run(server.base_url))
        return [[message.event for message in ledger.received] for ledger in server.sessions]


async def until(events, kind):
    async for event in events:
        if event.get("type") == kind:
            return event
    raise AssertionError(f"no {kind}")


# --- what Strands asks a model ----------------------------------------------------------------------------------


def test_it_is_all_that_strands_asks_of_a_model_of_speech():
    one = model()

    assert isinstance(one, BidiModel)
    assert isinstance(one, AudioCapable)
    assert isinstance(one, Restartable)
    assert BidiAgent(model=one).model is one


def test_it_is_made_like_the_facade():
    provider = {"audio": {"voice": "marin", "input_rate": 16000}, "inference": {"max_output_tokens": 500}}
    one = BidiOpenAIRealtimeModel("gpt-realtime-mini", provider, {**CLIENT, "organization": "org", "project": "p"})
    facade = engine.BidiOpenAIRealtimeModel("gpt-realtime-mini", provider, {**CLIENT})

    assert one.model_id == "gpt-realtime-mini"
    assert one.config == facade.config
    assert (one.api_key, one.organization, one.project, one.timeout_s) == ("sk-secret", "org", "p", 600)


def test_devices_learn_the_shape_of_the_audio():
    assert model({"audio": {"input_rate": 16000}}).get_audio_config() == {
        "input": {"sample_rate": 16000, "channels": 1, "format": "pcm"},
        "output": {"sample_rate": 24000, "channels": 1, "format": "pcm"},
    }


def test_agent_restarts_before_the_time_is_over():
    one = model()
    assert one.get_connection_config() == {"restart_after_s": 600 - RESTART_MARGIN_S}
    one.timeout_s = 3000
    assert one.get_connection_config() == {"restart_after_s": 3000 - RESTART_MARGIN_S}


def test_agent_restarts_nothing_that_is_too_short_or_that_the_engine_renews():
    renews = {"engine": {"on_timeout": "renew"}}

    assert model(client={"timeout_s": RESTART_MARGIN_S}).get_connection_config() == {}
    assert model(renews).get_connection_config() == {}
    assert model({"engine": engine.EngineSettings()}).get_connection_config() == {}


def test_application_s_wish_counts_more():
    one = model(connection={"restart_after_s": 100, "auto_restart": False})

    assert one.get_connection_config() == {"restart_after_s": 100, "auto_restart": False}


def test_settings_change_for_the_next_start():
    one = model()
    one.update_config(model_id="gpt-realtime-mini", audio={"voice": "marin"}, connection={"restart_after_s": 5})

    assert one.get_config()["model_id"] == one.model_id == "gpt-realtime-mini"
    assert one.get_config()["audio"]["voice"] == one.config["audio"]["voice"] == "marin"
    assert one.config["audio"]["input_rate"] == 24000
    assert one.get_config()["connection"] == {"restart_after_s": 5}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"params": {}}, "params=.*model_id, audio, inference, connection"),
        ({"audio": {"input_rate": 7}}, "input_rate"),
        ({"connection": {"soon": True}}, "connection.soon=.*restart_after_s"),
        ({"model_id": ""}, "model"),
    ],
)
def test_setting_that_cannot_be_used_changes_nothing(change, says):
    one = model()
    before = one.get_config()

    with pytest.raises(ConfigError, match=says):
        one.update_config(**{"inference": {"max_output_tokens": 7}, **change})
    assert one.get_config() == before


@pytest.mark.parametrize("wrong", ["words", 7])
def test_settings_of_another_shape_are_refused(wrong):
    with pytest.raises(ConfigError, match="provider_config"):
        BidiOpenAIRealtimeModel(provider_config=wrong, client_config=CLIENT)


def test_key_is_in_no_repr():
    assert "sk-secret" not in repr(model()) + repr(vars(model()))


# --- its verbs --------------------------------------------------------------------------------------------------


def test_verbs_before_the_start_say_so():
    async def run():
        one = model()
        with pytest.raises(NotStarted):
            await one.send(BidiMessage(content=[TextBlock("Hello")]))
        with pytest.raises(NotStarted):
            await anext(aiter(one.receive()))
        with pytest.raises(NotStarted):
            _ = one.session
        await one.stop()

    asyncio.run(run())


def test_second_start_is_refused_and_the_first_goes_on():
    async def body(one):
        await one.start()
        with pytest.raises(AlreadyStarted):
            await one.start()
        await one.send(BidiMessage(content=[TextBlock("Hello")]))
        await until(one.receive(), "bidi_response_stop")

    talk(Script.of(Say("Good day.")), body)


def test_receiving_goes_on_where_a_loop_or_a_cancelled_wait_has_left_it():
    async def body(one):
        await one.start()
        await one.send(BidiMessage(content=[TextBlock("Hello")]))
        seen = []
        async for event in one.receive():
            seen.append(event["type"])
            break
        waiting = asyncio.create_task(anext(aiter(one.receive())))
        await asyncio.sleep(0)
        waiting.cancel()
        (taken,) = await asyncio.gather(waiting, return_exceptions=True)
        seen += [] if isinstance(taken, asyncio.CancelledError) else [taken["type"]]
        async for event in one.receive():
            seen.append(event["type"])
            if event["type"] == "bidi_usage":
                break
        assert seen[:2] == ["bidi_connection_start", "bidi_response_start"]
        for stream in ("bidi_audio", "bidi_transcript"):
            assert seen.count(f"{stream}_start") == seen.count(f"{stream}_stop") == 1

    talk(Script.of(Say("Good day.")), body)


def test_reader_of_a_session_that_was_stopped_reads_none_of_the_next():
    async def body(one):
        await one.start()
        old = one.receive()
        await until(old, "bidi_connection_start")
        await one.stop()
        await one.start()
        assert [event["type"] async for event in old] == ["bidi_connection_stop"]
        assert (await anext(aiter(one.receive())))["type"] == "bidi_connection_start"

    talk(Script(), body)


def test_timeout_says_how_to_go_on_without_an_agent():
    async def body(one):
        one.timeout_s = 0.3
        await one.start(system_prompt="You deal.")
        await one.send(BidiMessage(content=[TextBlock("Hello")]))
        with pytest.raises(ConnectionTimeoutError) as raised:
            await until(one.receive(), "never")
        assert isinstance(raised.value, BidiModelTimeoutError)
        assert isinstance(raised.value.__cause__, BidiModelTimeoutError)
        await one.stop()
        await one.start(system_prompt="You deal.", **raised.value.restart_config)
        await until(one.receive(), "bidi_connection_start")

    _, second = talk(Script.of(Say("Good day.")), body)
    texts = [part["text"] for event in second if "item" in event for part in event["item"]["content"]]
    assert texts == ["Hello", "Good day."]


def test_end_by_somebody_else_ends_an_agent_s_loop():
    async def body(one):
        agent = BidiAgent(model=one)
        await agent.start()
        events = agent.receive()
        await until(events, "bidi_connection_start")
        await one.stop()
        assert [event["reason"] async for event in events] == ["user_request"]
        with pytest.raises((NotStarted, SessionEnded)):
            await agent.send("Hello")
        await agent.stop()

    talk(Script(), body)


def test_error_of_the_service_is_told():
    async def body(one):
        await one.start()
        await one.send(BidiMessage(content=[ToolResultBlock("call_unknown", "success", [{"text": "ten"}])]))
        error = await until(one.receive(), "bidi_error")
        assert error["code"]
        assert isinstance(error.engine_event, engine.BidiErrorEvent)

    talk(Script.of(Fail("server_error")), body)


def test_result_that_cannot_be_told_is_answered_in_its_place():
    async def body(one):
        await one.start()
        await one.send(BidiMessage(content=[TextBlock("Score them.")]))
        await until(one.receive(), "bidi_response_stop")
        results = {"call_1": "half \ud83d", "call_2": "ten"}
        blocks = [ToolResultBlock(call_id, "success", [{"text": text}]) for call_id, text in results.items()]
        with pytest.raises(UnsupportedContent, match="surrogate"):
            await one.send(BidiMessage(content=blocks))
        await until(one.receive(), "bidi_transcript_stop")

    (got,) = talk(Script.of([Call("a", {}, "call_1"), Call("a", {}, "call_2")], Say("Ten.")), body)
    outputs = [event["item"]["output"] for event in got if event.get("item", {}).get("type") == "function_call_output"]
    assert "can't be told here" in outputs[0]
    assert outputs[1] == '[{"text": "ten"}]'
    assert [event["type"] for event in got].count("response.create") == 2


def test_model_may_be_used_in_one_event_loop_after_another():
    async def run(one):
        await one.start()
        await one.send(BidiMessage(content=[TextBlock("Hello")]))
        await until(one.receive(), "bidi_transcript_stop")
        await one.stop()

    with simulator_in_thread(SimulatorSettings(pace=INSTANT)) as server:
        one = model(client={"base_url": server.base_url})
        asyncio.run(run(one))
        asyncio.run(run(one))
        assert len(server.sessions) == 2


def test_calls_that_nobody_answers_are_forgotten_at_a_bound(monkeypatch):
    monkeypatch.setattr(talks, "OPEN_CALLS_MAX", 2)

    async def body(one):
        await one.start()
        await one.send(BidiMessage(content=[TextBlock("Hello")]))
        await until(one.receive(), "bidi_response_stop")
        assert [call["toolUseId"] for call in one._talk.calls.values()] == ["call_2", "call_3"]

    talk(Script.of([Call("a", {}, f"call_{number}") for number in (1, 2, 3)]), body)


def test_request_for_an_answer_that_waits_ends_with_the_session(caplog):
    async def body(one):
        await one.start()
        one._sending._requests.ask(one.session)
        await one.stop()
        assert len(asyncio.all_tasks()) == 2  # this one, and the one that waits for it

    with caplog.at_level(logging.WARNING, "engine.integrations"):
        talk(Script.of(Say("Good day.")), body)
    assert [record for record in caplog.records if record.name.startswith("engine.integrations")] == []

"""Responses of every kind: function calls, outside the conversation, in conflict, failed, cut short."""

import json

import pytest
import trio
from sim_client import talk, types, user

from engine.simulator import Call, Fail, Incomplete, Pace, Say, Script, ScriptedResponder, SimulatorSettings, Turn

WEATHER = '{"city": "Oslo", "unit": "celsius"}'


async def test_a_function_call_streams_its_arguments(autojump_clock):
    async with talk(Call("get_weather", WEATHER), Say("Cold.")) as client:
        await client.say("weather?")
        client.events.clear()
        response = await client.ask()
        call = response["output"][0]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "2 degrees"}
        await client.send("conversation.item.create", item=output)
        echoed = (await client.until("conversation.item.done"))["item"]
        answer = await client.ask()
    assert types(client.events)[:8] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert client.joined("response.function_call_arguments.delta") == WEATHER
    done = client.of("response.function_call_arguments.done")[0]
    assert (done["name"], done["arguments"], done["call_id"]) == ("get_weather", WEATHER, call["call_id"])
    assert client.of("response.output_item.added")[0]["item"]["arguments"] == ""
    assert list(call) == ["id", "type", "status", "name", "call_id", "arguments"]
    assert call["status"] == "completed"
    assert call["call_id"].startswith("call_")
    assert len(call["call_id"]) == len("call_") + 16
    assert list(echoed) == ["id", "type", "call_id", "output"]
    assert answer["output"][0]["content"][0]["transcript"] == "Cold."


async def test_parallel_calls_and_a_preamble_are_items_of_one_response(autojump_clock):
    async with talk([Say("Let me see."), Call("a"), Call("b", '{"n": 1}', call_id="call_mine")]) as client:
        await client.say("go")
        response = await client.ask()
    added = client.of("response.output_item.added")
    assert [event["output_index"] for event in added] == [0, 1, 2]
    assert [item["type"] for item in response["output"]] == ["message", "function_call", "function_call"]
    assert response["output"][2]["call_id"] == "call_mine"
    mirrored = [event["item"]["id"] for event in client.of("conversation.item.added")[1:]]
    assert mirrored == [item["id"] for item in response["output"]]


async def test_a_call_cut_off_still_sends_its_done_events(autojump_clock):
    async with talk(Call("f", json.dumps({"text": "word " * 200})), settings=SimulatorSettings()) as client:
        await client.say("go")
        await client.send("response.create")
        await client.until("response.function_call_arguments.delta")
        await client.send("response.cancel")
        done = (await client.until("response.done"))["response"]
    partial = client.of("response.function_call_arguments.done")[0]["arguments"]
    assert partial == client.joined("response.function_call_arguments.delta") == done["output"][0]["arguments"]
    assert done["output"][0]["status"] == "incomplete"


async def test_out_of_band_runs_beside_the_conversation_and_leaves_no_trace(autojump_clock):
    async with talk(Say("A long spoken answer, " * 10), Say("Class: greeting")) as client:
        said = await client.say("hello")
        await client.send("response.create")
        running = (await client.until("response.created"))["response"]["id"]
        await client.until("response.output_audio.delta")
        before = len(client.of("conversation.item.added"))
        aside = {
            "conversation": "none",
            "metadata": {"topic": "class"},
            "output_modalities": ["text"],
            "input": [{"type": "item_reference", "id": said["id"]}, user("Classify.")],
        }
        await client.send("response.create", response=aside)
        created = (await client.until("response.created"))["response"]
        first, second = [(await client.until("response.done"))["response"] for _ in range(2)]
    assert (first["id"], second["id"]) == (created["id"], running)
    assert created["conversation_id"] is first["conversation_id"] is None
    assert created["metadata"] == first["metadata"] == {"topic": "class"}
    assert len(client.of("conversation.item.added")) == before
    assert first["output"][0]["content"] == [{"type": "output_text", "text": "Class: greeting"}]
    assert first["usage"]["input_token_details"]["audio_tokens"] == 0


async def test_own_input_replaces_the_context(autojump_clock):
    async with talk() as client:
        await client.update(output_modalities=["text"])
        await client.say("secret")
        asked = await client.ask(input=[user("public")])
        empty = await client.ask(conversation="none", input=[])
    assert asked["output"][0]["content"][0]["text"] == "You said: public"
    assert empty["output"][0]["content"][0]["text"] == "Hello, how can I help you?"


async def test_an_unknown_reference_is_refused(autojump_clock):
    missing = {"type": "item_reference", "id": "item_x"}
    async with talk() as client:
        await client.send("response.create", response={"input": [user("x"), missing]})
        error = await client.error()
        assert await client.rest() == []
    assert error["param"] == "response.input[1].id"


async def test_a_second_response_is_refused_with_the_clients_event_id(autojump_clock):
    async with talk(Say("Long answer. " * 10)) as client:
        await client.say("hello")
        await client.send("response.create")
        running = (await client.until("response.created"))["response"]["id"]
        await client.send("response.create", event_id="second")
        error = await client.error()
        await client.until("response.done")
    assert error["code"] == "conversation_already_has_active_response"
    assert error["event_id"] == "second"
    assert running in error["message"]
    assert len(client.of("response.created")) == 1


async def test_a_failed_response(autojump_clock):
    async with talk(Fail("rate_limit_exceeded", "Rate limit reached.", "invalid_request_error")) as client:
        await client.say("hello")
        client.events.clear()
        response = await client.ask()
    assert types(client.events) == ["response.created", "response.done"]
    assert response["status"] == "failed"
    assert response["status_details"] == {
        "type": "failed",
        "error": {"type": "invalid_request_error", "code": "rate_limit_exceeded", "message": "Rate limit reached."},
    }
    assert response["usage"]["total_tokens"] == 0
    assert response["usage"]["input_token_details"]["cached_tokens_details"]["text_tokens"] == 0


async def test_a_response_that_fails_after_its_first_item(autojump_clock):
    async with talk([Say("Well,"), Fail()]) as client:
        await client.say("hello")
        response = await client.ask()
    assert response["status"] == "failed"
    assert response["output"][0]["status"] == "completed"


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
async def test_an_incomplete_response_still_closes_its_item(reason, autojump_clock):
    async with talk([Say("And then"), Incomplete(reason)]) as client:
        await client.say("hello")
        response = await client.ask()
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": reason}
    assert response["output"][0]["status"] == "incomplete"
    assert client.of("response.output_audio_transcript.done")[0]["transcript"] == "And then"


@pytest.mark.parametrize("modality", ["text", "audio"])
async def test_max_output_tokens_cuts_the_answer(modality, autojump_clock):
    async with talk(Say("word " * 100)) as client:
        await client.say("hello")
        response = await client.ask(output_modalities=[modality], max_output_tokens=20)
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert 20 <= response["usage"]["output_tokens"] <= 28
    assert response["max_output_tokens"] == 20


async def test_settings_of_a_response_hold_for_it_alone(autojump_clock):
    async with talk() as client:
        await client.say("hello")
        changed = {"output": {"voice": "cedar", "format": {"type": "audio/pcmu"}}}
        own = await client.ask(instructions="x" * 4000, audio=changed)
        next_one = await client.ask(audio={"output": {"voice": {"id": "voice_1"}}})
    assert own["audio"]["output"] == {"format": {"type": "audio/pcmu"}, "voice": "cedar"}
    assert own["usage"]["input_tokens"] > 1000 > next_one["usage"]["input_tokens"]
    assert next_one["audio"]["output"] == {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "voice_1"}


async def test_rate_limits_come_43_ms_after_the_response_and_tell_tokens_alone(autojump_clock):
    async with talk(Say("Hi.")) as client:
        await client.say("hello")
        usage = (await client.ask())["usage"]
        limits = (await client.until("rate_limits.updated"))["rate_limits"]
        done, told = list(client.server.sessions[0].sent)[-2:]
    assert told.at_s - done.at_s == pytest.approx(0.043)
    assert [limit["name"] for limit in limits] == ["tokens"]
    assert limits[0]["remaining"] == limits[0]["limit"] - usage["total_tokens"]


class Broken(ScriptedResponder):
    async def answer(self, prompt):
        raise LookupError("no answer")


async def test_a_broken_responder_fails_the_response_not_the_session(autojump_clock, caplog):
    async with talk(responder=Broken) as client:
        await client.say("hello")
        response = await client.ask()
        assert (await client.say("still there?"))["status"] == "completed"
    assert response["status_details"]["error"]["code"] == "server_error"
    assert "LookupError" in caplog.text


class Prepared:
    """An iterator of speech that is no generator."""

    def __init__(self):
        self.pieces = [bytes(4800)] * 3

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.pieces:
            raise StopAsyncIteration
        await trio.sleep(0.01)
        return self.pieces.pop()


class Plain(ScriptedResponder):
    def speak(self, text, voice):
        return Prepared()


async def test_any_async_iterator_can_speak(autojump_clock):
    async with talk(responder=lambda: Plain(Script.of(Say("Hi.")))) as client:
        await client.say("hello")
        await client.ask()
    assert len(client.of("response.output_audio.delta")) == 2


async def test_a_responders_time_comes_on_top_of_the_pace(autojump_clock):
    script = Script((Turn((Say("Hm."),), think_ms=5000),))
    async with talk(script=script, settings=SimulatorSettings(pace=Pace(think_ms=1000))) as client:
        await client.say("hello")
        await client.ask()
    created, added = [
        next(m.at_s for m in client.server.sessions[0].sent if m.type == kind)
        for kind in ("response.created", "response.output_item.added")
    ]
    assert added - created == pytest.approx(6.0)

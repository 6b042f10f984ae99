"""Calls over WebRTC or SIP: a client joins one with its id, and controls what it does not hear."""

import json
import os
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from sim_client import DTMF, assert_faithful, in_memory, talk, types

from engine.audio.pcm import silence, tone
from engine.simulator import Say, Script, SimulatorSettings, serve

SETTINGS = SimulatorSettings(epoch_s=1_000_000)


def at(call):
    return f"/v1/realtime?call_id={call.id}"


@asynccontextmanager
async def joined(*answers, settings=SETTINGS):
    """Serve a call, and join it."""
    async with serve(settings, Script.of(*answers).responder, host=None) as server:
        call = server.create_call()
        async with in_memory(server, at(call), greeted=False) as client:
            await call.joined.wait()
            client.server = server
            yield client, call
        assert_faithful(server)


async def test_a_joined_call_answers_in_events_without_audio(autojump_clock):
    async with joined(Say("Hi there.")) as (client, call):
        assert (await client.update(instructions="Be brief."))["id"] == call.session["id"]
        await client.say("hi")
        await client.ask()
        await client.until("output_audio_buffer.stopped")
    names = types(client.events)
    assert "session.created" not in names
    assert names[names.index("response.content_part.added") + 1 :] == [
        "response.output_audio_transcript.delta",
        "output_audio_buffer.started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
        "output_audio_buffer.stopped",
    ]
    assert client.joined("response.output_audio_transcript.delta") == "Hi there."


async def test_playing_takes_as_long_as_the_audio(autojump_clock):
    async with joined(Say("x" * 100)) as (client, _):
        await client.send("response.create")
        await client.until("output_audio_buffer.started")
        started_at = trio.current_time()
        await client.until("output_audio_buffer.stopped")
    assert trio.current_time() - started_at == pytest.approx(6.5, abs=0.01)


async def test_clearing_cuts_the_audio_off_and_shortens_the_item(autojump_clock):
    async with joined(Say("x" * 100)) as (client, _):
        response = await client.ask()
        sent = client.server.sessions[0].sent
        started_at = next(message.at_s for message in sent if message.type == "output_audio_buffer.started")
        await trio.sleep(1)
        await client.send("output_audio_buffer.clear")
        cleared = await client.until("output_audio_buffer.cleared")
        heard_ms = round((trio.current_time() - started_at) * 1000)
        truncated = await client.until("conversation.item.truncated")
        assert await client.rest(10) == []
    assert cleared["response_id"] == response["id"]
    assert truncated["item_id"] == response["output"][0]["id"]
    assert truncated["audio_end_ms"] == heard_ms


async def test_clearing_silence_does_nothing(autojump_clock):
    async with joined() as (client, _):
        await client.send("output_audio_buffer.clear")
        assert await client.rest(1) == []


async def test_the_event_is_unknown_where_audio_goes_over_the_socket():
    async with talk() as client:
        await client.send("output_audio_buffer.clear")
        error = await client.error()
    assert (error["code"], error["param"]) == ("invalid_value", "type")
    assert "'response.create', and 'response.cancel'." in error["message"]


async def test_the_caller_speaks_and_barges_in(autojump_clock):
    async with joined(Say("x" * 200), Say("Yes?")) as (client, call):
        call.say(silence(300) + tone(220, 500) + silence(500))
        await client.until("response.done")
        call.say(tone(220, 500) + silence(500))
        await client.until("conversation.item.truncated")
        await client.until("output_audio_buffer.stopped")
    names = types(client.events)
    assert names[:3] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
    ]
    second = names.index("input_audio_buffer.speech_started", 3)
    assert names[second : second + 3] == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]


async def test_pressed_keys_are_told_without_an_id(autojump_clock):
    async with joined() as (client, call):
        call.press("4#")
        events = await client.rest(1)
    assert events == [{"type": DTMF, "event": key, "received_at": 1_000_000} for key in "4#"]


async def test_who_joins_later_finds_the_conversation_and_the_settings(autojump_clock):
    async with joined(Say("Hello."), Say("Again.")) as (client, call):
        await client.update(instructions="Be brief.", output_modalities=["text"])
        item = await client.say("hi")
        async with in_memory(client.server, at(call), greeted=False) as second:
            await second.send("conversation.item.retrieve", item_id=item["id"])
            assert (await second.until("conversation.item.retrieved"))["item"]["id"] == item["id"]
            assert (await second.update())["instructions"] == "Be brief."


async def test_a_call_that_is_hung_up_closes_its_sockets_and_can_not_be_joined(autojump_clock):
    async with joined() as (client, call):
        call.hang_up()
        reason = await client.closed()
        with pytest.raises(ExceptionGroup) as caught:
            async with in_memory(client.server, at(call)):
                pass
    assert caught.value.exceptions[0].status_code == 404
    assert reason.code == 1000


async def test_the_greeting_is_there_for_those_who_want_it(autojump_clock):
    async with serve(SimulatorSettings(greet_sideband=True), host=None) as server:
        call = server.create_call("gpt-realtime-2")
        async with in_memory(server, at(call)) as client:
            assert client.events[0]["session"]["model"] == "gpt-realtime-2"
        assert server.calls == {call.id: call}


RECORDINGS = os.environ.get("REALTIME_RECORDINGS")


@pytest.mark.skipif(RECORDINGS is None, reason="no recordings of the real service: set REALTIME_RECORDINGS")
@pytest.mark.parametrize("name", ["text", "audio"])
async def test_the_events_are_those_of_a_recorded_sideband(name, autojump_clock):
    path = Path(RECORDINGS) / f"openai_ws_sideband.webrtc_sideband_{name}_turn.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    recorded = [line["event"] for line in lines if line["dir"] == "server"]
    async with joined(Say("Hi there.")) as (client, _):
        for line in lines:
            if line["dir"] == "client":
                await client.send(line["event"].pop("type"), **line["event"])
        await client.until(recorded[-1]["type"])
    assert types(client.events) == types(recorded)


async def test_a_written_answer_plays_nothing(autojump_clock):
    async with joined(Say("Hi.")) as (client, _):
        await client.update(output_modalities=["text"])
        await client.ask()
        await client.rest(5)
    assert not [name for name in types(client.events) if name.startswith("output_audio_buffer")]


async def test_what_the_caller_says_before_anybody_has_joined_is_lost(autojump_clock):
    async with serve(SETTINGS, host=None) as server:
        call = server.create_call()
        call.say(silence(300) + tone(220, 500) + silence(500))
        call.press("1")
        async with in_memory(server, at(call), greeted=False) as client:
            assert await client.rest(5) == []


async def test_only_what_was_not_heard_is_cut(autojump_clock):
    async with joined((Say("x" * 20), Say("y" * 100))) as (client, _):
        first, second = (await client.ask())["output"]
        await trio.sleep(2)  # the first item takes 1.3 s
        await client.send("output_audio_buffer.clear")
        await client.rest(1)
    assert first["id"] != second["id"]
    assert [event["item_id"] for event in client.of("conversation.item.truncated")] == [second["id"]]


async def test_an_item_that_was_deleted_while_it_played_is_not_shortened(autojump_clock):
    async with joined(Say("x" * 100)) as (client, _):
        item = (await client.ask())["output"][0]
        await client.send("conversation.item.delete", item_id=item["id"])
        await client.send("output_audio_buffer.clear")
        await client.until("output_audio_buffer.cleared")
        await client.rest(10)
    assert not client.of("conversation.item.truncated", "output_audio_buffer.stopped")

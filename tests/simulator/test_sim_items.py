"""Conversation items: created, placed, retrieved, truncated, deleted, and refused."""

import pybase64
import pytest
from sim_client import base64, speech, talk, types, user

from engine.audio.pcm import tone
from engine.simulator import Pace, Say, SimulatorSettings


def message(text, item_id, role="user"):
    kind = "output_text" if role == "assistant" else "input_text"
    return {"id": item_id, "type": "message", "role": role, "content": [{"type": kind, "text": text}]}


async def create(client, item, **fields):
    await client.send("conversation.item.create", item=item, **fields)
    return await client.until("conversation.item.done")


async def test_items_are_placed_at_the_end_first_or_behind_another(autojump_clock):
    async with talk() as client:
        await client.update(output_modalities=["text"])
        assert (await create(client, message("1", "one")))["previous_item_id"] is None
        assert (await create(client, message("2", "two")))["previous_item_id"] == "one"
        assert (await create(client, message("3", "three"), previous_item_id="one"))["previous_item_id"] == "one"
        assert (await create(client, message("0", "zero"), previous_item_id="root"))["previous_item_id"] is None
        assert (await create(client, message("4", "four"), previous_item_id="two"))["previous_item_id"] == "two"
        response = await client.ask()
    assert client.of("conversation.item.added")[-1]["previous_item_id"] == "four"
    assert response["output"][0]["content"][0]["text"] == "You said: 4"


async def test_history_of_every_kind_can_be_replayed(autojump_clock):
    call = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}", "status": None}
    spoken = {"type": "input_audio", "audio": base64(tone(220, 300)), "transcript": "hi"}
    async with talk() as client:
        await create(client, message("rules", None, "system"))
        await create(client, {**user(""), "content": [spoken]})
        await create(client, message("hello", "said", "assistant"))
        echoed = await create(client, call)
        await create(client, {"type": "function_call", "name": "g", "arguments": "{}"})
        await create(client, {"type": "function_call_output", "call_id": "call_1", "output": "done"})
        response = await client.ask()
    items = [event["item"] for event in client.of("conversation.item.done")]
    assert items[1]["content"] == [{"type": "input_audio", "transcript": "hi"}]
    assert items[2]["role"] == "assistant"
    assert echoed["item"]["status"] == "completed"
    assert items[4]["call_id"].startswith("call_")
    assert response["output"][0]["content"][0]["transcript"] == "You said: done"


async def test_retrieve_gives_the_audio(autojump_clock):
    async with talk(Say("Hi.")) as client:
        await client.hear(speech(500))
        committed = await client.until("input_audio_buffer.committed")
        answer = (await client.until("response.done"))["response"]["output"][0]
        await client.send("conversation.item.retrieve", item_id=committed["item_id"])
        heard = (await client.until("conversation.item.retrieved"))["item"]
        await client.send("conversation.item.retrieve", item_id=answer["id"])
        said = (await client.until("conversation.item.retrieved"))["item"]
    assert heard["content"][0]["type"] == "input_audio"
    assert len(pybase64.b64decode(heard["content"][0]["audio"])) == 1000 * 48
    assert said["content"][0]["transcript"] == "Hi."
    assert len(pybase64.b64decode(said["content"][0]["audio"])) == len("Hi.") * 65 * 48


async def test_an_item_in_progress_can_be_retrieved_and_truncated_and_goes_on(autojump_clock):
    text = "A long answer that goes on. " * 5
    async with talk(Say(text), settings=SimulatorSettings(pace=Pace(audio_speed=1))) as client:
        await client.say("hello")
        await client.send("response.create")
        item_id = (await client.until("response.output_audio.delta"))["item_id"]
        await client.rest(1)
        await client.send("conversation.item.retrieve", item_id=item_id)
        item = (await client.until("conversation.item.retrieved"))["item"]
        await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=500)
        await client.until("conversation.item.truncated")
        response = (await client.until("response.done"))["response"]
    assert item["status"] == "in_progress"
    assert text.startswith(item["content"][0]["transcript"])
    assert response["status"] == "completed"
    assert response["output"][0]["content"] == [{"type": "output_audio"}]
    assert client.of("response.output_audio_transcript.done")[0]["transcript"] == text


async def test_truncation_cuts_audio_and_transcript(autojump_clock):
    async with talk(Say("One two three four.")) as client:
        await client.say("hello")
        item = (await client.ask())["output"][0]
        await client.send("conversation.item.truncate", item_id=item["id"], content_index=0, audio_end_ms=400)
        truncated = await client.until("conversation.item.truncated")
        await client.send("conversation.item.retrieve", item_id=item["id"])
        left = (await client.until("conversation.item.retrieved"))["item"]["content"][0]
        second = await client.ask()
    assert {k: truncated[k] for k in ("item_id", "content_index", "audio_end_ms")} == {
        "item_id": item["id"],
        "content_index": 0,
        "audio_end_ms": 400,
    }
    assert "transcript" not in left
    assert len(pybase64.b64decode(left["audio"])) == 400 * 48
    assert second["usage"]["input_token_details"]["audio_tokens"] == 8


@pytest.mark.parametrize(
    ("change", "code", "param", "text"),
    [
        ({"item_id": "gone"}, "item_truncate_invalid_item_id", None, "Error truncating item: the item with id 'gone'"),
        (
            {"audio_end_ms": 196},
            "invalid_value",
            "audio_end_ms",
            "Audio content of 195ms is already shorter",
        ),
        ({"audio_end_ms": 0}, None, None, "Only model output audio messages can be truncated"),
        ({"content_index": 1}, None, None, "Only model output audio messages can be truncated"),
        ({"item_id": "mine"}, None, None, "Only model output audio messages can be truncated"),
        ({"audio_end_ms": -1}, "integer_below_min_value", "audio_end_ms", "Invalid 'audio_end_ms'"),
    ],
)
async def test_truncations_that_are_refused(change, code, param, text, autojump_clock):
    async with talk(Say("One")) as client:
        await create(client, message("hello", "mine"))
        item = (await client.ask())["output"][0]
        wanted = {"item_id": item["id"], "content_index": 0, "audio_end_ms": 195, **change}
        await client.send("conversation.item.truncate", **wanted)
        error = await client.error()
    assert (error["code"], error["param"]) == (code, param)
    assert error["message"].startswith(text)


async def test_a_deleted_id_is_free_again(autojump_clock):
    async with talk() as client:
        await create(client, message("a", "same"))
        await client.send("conversation.item.create", item=message("b", "same"), event_id="dup")
        duplicate = await client.error()
        await client.send("conversation.item.delete", item_id="same")
        assert (await client.until("conversation.item.deleted"))["item_id"] == "same"
        await create(client, message("c", "same"))
    assert (duplicate["code"], duplicate["param"], duplicate["event_id"]) == ("invalid_value", "item.id", "dup")


async def test_an_item_deleted_while_it_is_written_goes_on(autojump_clock):
    async with talk(Say("A long answer. " * 5)) as client:
        await client.say("hello")
        await client.send("response.create")
        item_id = (await client.until("response.output_audio.delta"))["item_id"]
        await client.send("conversation.item.delete", item_id=item_id)
        assert (await client.until("response.done"))["response"]["status"] == "completed"
    assert client.of("conversation.item.done")[-1]["previous_item_id"] is None


@pytest.mark.parametrize(
    ("event", "code", "message_"),
    [
        ("delete", "item_delete_invalid_item_id", "Error deleting item: the item with id 'yo' does not exist."),
        ("retrieve", "item_retrieve_invalid_item_id", "Error retrieving item: the item with id 'yo' does not exist."),
    ],
)
async def test_unknown_items(event, code, message_, autojump_clock):
    async with talk() as client:
        await client.send(f"conversation.item.{event}", item_id="yo", event_id="e")
        error = await client.error()
    assert (error["code"], error["message"], error["event_id"]) == (code, message_, "e")


LONG_ID = "x" * 33


@pytest.mark.parametrize(
    ("item", "fields", "code", "param"),
    [
        (message("a", LONG_ID), {}, "string_above_max_length", "item.id"),
        (
            {"type": "function_call_output", "call_id": LONG_ID, "output": ""},
            {},
            "string_above_max_length",
            "item.call_id",
        ),
        ({"type": "function_call_output", "call_id": "none", "output": ""}, {}, "invalid_value", "item.call_id"),
        (message("a", "b"), {"previous_item_id": "gone"}, "invalid_value", "previous_item_id"),
        ({**user("a"), "role": "assistant"}, {}, "invalid_value", "item.content[0].type"),
        ({**user("a"), "role": "tool"}, {}, "invalid_value", "item.role"),
        ({"type": "message", "content": []}, {}, "missing_required_parameter", "item.role"),
        ({"type": "poem"}, {}, "invalid_value", "item.type"),
        ({**user("a"), "colour": "red"}, {}, "unknown_parameter", "item.colour"),
        ({**user("a"), "content": [{"type": "input_audio", "audio": "?"}]}, {}, "invalid_value", "audio"),
        ({"type": "function_call", "arguments": "{}"}, {}, "missing_required_parameter", "item.name"),
        ("text", {}, "invalid_type", "item"),
    ],
)
async def test_items_that_are_refused(item, fields, code, param, autojump_clock):
    async with talk() as client:
        await client.send("conversation.item.create", item=item, event_id="bad", **fields)
        error = await client.error()
        assert await client.rest() == []
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "bad")


async def test_the_oldest_audio_is_forgotten_past_the_bound_and_its_length_is_not(autojump_clock):
    settings = SimulatorSettings(item_audio_max_bytes=100_000)
    async with talk(settings=settings) as client:
        await client.no_vad()
        ids = []
        for _ in range(3):
            await client.hear(base64(tone(220, 1000)))
            await client.send("input_audio_buffer.commit")
            ids.append((await client.until("conversation.item.done"))["item"]["id"])
        retrieved = []
        for item_id in ids:
            await client.send("conversation.item.retrieve", item_id=item_id)
            retrieved.append((await client.until("conversation.item.retrieved"))["item"]["content"][0])
        usage = (await client.ask())["usage"]
    assert ["audio" in content for content in retrieved] == [False, True, True]
    assert usage["input_token_details"]["audio_tokens"] == 30
    assert types(client.events)[-1] == "response.done"

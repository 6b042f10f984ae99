"""Whole turns, written and spoken, as the service was measured to hold them."""

import itertools

import pybase64
import pytest
from sim_client import base64, speech, talk, types, user

from engine.audio.pcm import silence, tone
from engine.simulator import Call, Pace, Say, Script, SimulatorSettings

PCM = {"type": "audio/pcm", "rate": 24000}


async def test_a_written_turn_comes_in_the_measured_order(autojump_clock):
    async with talk(Say("Hi there!")) as client:
        await client.update(output_modalities=["text"])
        client.events.clear()
        item = await client.say("hello")
        await client.ask()
        await client.until("rate_limits.updated")
    assert types(client.events) == [
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    added, done = client.events[0], client.events[1]
    assert list(item) == ["id", "type", "status", "role", "content"]
    assert added["previous_item_id"] is None
    assert added["item"] == done["item"] == item
    assert client.of("conversation.item.added")[1]["previous_item_id"] == item["id"]
    assert client.joined("response.output_text.delta") == "Hi there!"
    assert [e["part"] for e in client.of("response.content_part.added", "response.content_part.done")] == [
        {"type": "text", "text": ""},
        {"type": "text", "text": "Hi there!"},
    ]
    output = client.of("response.done")[0]["response"]["output"]
    assert output[0]["content"] == [{"type": "output_text", "text": "Hi there!"}]
    assert output[0] == client.of("response.output_item.done")[0]["item"]


async def test_a_spoken_answer_streams_words_ahead_of_audio_and_ends_in_order(autojump_clock):
    text = "Nice to meet you, what can I do for you today?"
    async with talk(Say(text)) as client:
        await client.say("hello")
        client.events.clear()
        response = await client.ask()
    closing = types(client.events, without=("response.output_audio.delta", "response.output_audio_transcript.delta"))
    assert closing == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    deltas = types(client.events)[4:-6]
    assert deltas[0] == "response.output_audio_transcript.delta"
    assert client.joined("response.output_audio_transcript.delta") == text
    assert client.of("response.output_audio_transcript.done")[0]["transcript"] == text
    audio = b"".join(pybase64.b64decode(e["delta"]) for e in client.of("response.output_audio.delta"))
    assert len(audio) == len(text) * 65 * 48
    assert response["output"][0]["content"] == [{"type": "output_audio", "transcript": text}]
    assert response["status_details"] is None
    assert response["metadata"] is None


async def test_response_objects_hold_every_key_in_the_services_order(autojump_clock):
    async with talk(Say("Hi.")) as client:
        await client.say("hello")
        await client.ask()
    created, done = client.of("response.created")[0]["response"], client.of("response.done")[0]["response"]
    assert list(created) == list(done) == [
        "object", "id", "status", "status_details", "output", "conversation_id", "output_modalities",
        "max_output_tokens", "audio", "usage", "metadata",
    ]  # fmt: skip
    assert created["status"] == "in_progress"
    assert created["usage"] is None
    assert created["output"] == []
    assert created["audio"] == {"output": {"format": PCM, "voice": "alloy"}}


async def test_usage_sums_up_and_the_second_response_finds_the_first_in_the_cache(autojump_clock):
    async with talk(Say("one " * 100), Say("two")) as client:
        await client.update(instructions="x" * 400)
        await client.say("hello")
        first = (await client.ask())["usage"]
        second = (await client.ask())["usage"]
    for usage in (first, second):
        given, made = usage["input_token_details"], usage["output_token_details"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert usage["input_tokens"] == given["text_tokens"] + given["audio_tokens"] + given["image_tokens"]
        assert usage["output_tokens"] == made["text_tokens"] + made["audio_tokens"]
        assert given["cached_tokens"] == sum(given["cached_tokens_details"].values()) <= usage["input_tokens"]
    assert first["output_token_details"] == {"text_tokens": 100, "audio_tokens": 400 * 65 // 50}
    assert first["input_token_details"]["cached_tokens"] == 0
    assert second["input_token_details"]["cached_tokens"] == 64
    assert second["input_token_details"]["audio_tokens"] == 400 * 65 // 50


async def test_text_deltas_carry_padding_to_sixteen_characters(autojump_clock):
    async with talk([Say("It's an extraordinarily-long compartmentalization."), Call("f", '{"a": 1}')]) as client:
        await client.say("hello")
        await client.ask()
    padded = [event for event in client.events if "obfuscation" in event]
    assert len(padded) > 10
    assert all(len(event["delta"] + event["obfuscation"]) % 16 == 0 for event in padded)


async def test_audio_comes_faster_than_real_time_in_deltas_of_the_set_length(autojump_clock):
    pace = Pace(audio_delta_ms=100, audio_speed=5, think_ms=50, first_delta_ms=10)
    async with talk(Say("x", audio=tone(300, 1050)), settings=SimulatorSettings(pace=pace)) as client:
        await client.say("hello")
        await client.ask()
    sent = [m for m in client.server.sessions[0].sent if m.type == "response.output_audio.delta"]
    sizes = [len(pybase64.b64decode(m.event["delta"])) // 48 for m in sent]
    assert sizes == [100] * 10 + [50]
    gaps = [round(b.at_s - a.at_s, 6) for a, b in itertools.pairwise(sent)]
    assert gaps == [0.02] * 10
    created = next(m for m in client.server.sessions[0].sent if m.type == "response.created")
    assert sent[0].at_s - created.at_s == pytest.approx(0.06)


async def test_server_vad_turn(autojump_clock):
    async with talk(script=Script.of(Say("Fine."), transcripts=["how are you"])) as client:
        await client.hear(speech(1000))
        await client.until("response.done")
    assert types(client.events[1:7]) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    started, stopped, committed, added, done = client.events[1:6]
    assert (started["audio_start_ms"], stopped["audio_end_ms"]) == (0, 1500)
    assert started["item_id"] == stopped["item_id"] == committed["item_id"] == added["item"]["id"] == done["item"]["id"]
    assert committed["previous_item_id"] is None
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    assert added["item"]["status"] == "completed"


async def test_positions_count_all_audio_ever_appended(autojump_clock):
    async with talk() as client:
        for _ in range(2):
            await client.hear(speech(1000, before=1000, after=1000))
            await client.until("response.done")
    started = [event["audio_start_ms"] for event in client.of("input_audio_buffer.speech_started")]
    stopped = [event["audio_end_ms"] for event in client.of("input_audio_buffer.speech_stopped")]
    assert started == [700, 3700]
    assert stopped == [2200, 5200]
    committed = client.of("input_audio_buffer.committed")[1]
    assert committed["previous_item_id"] == client.of("response.done")[0]["response"]["output"][0]["id"]


@pytest.mark.parametrize(("eagerness", "silence_ms"), [("low", 1500), ("auto", 1000), ("high", 500)])
async def test_semantic_vad_waits_by_eagerness(eagerness, silence_ms, autojump_clock):
    async with talk() as client:
        await client.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}}})
        await client.hear(speech(600, before=400, after=2000))
        stopped = await client.until("input_audio_buffer.speech_stopped")
        await client.until("response.created")
    assert stopped["audio_end_ms"] == 1000 + silence_ms


async def test_manual_commit_makes_an_item_and_no_response(autojump_clock):
    async with talk() as client:
        await client.no_vad()
        client.events.clear()
        await client.hear(speech(500))
        await client.send("input_audio_buffer.commit")
        assert types(await client.rest()) == [
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
        ]
        response = await client.ask()
    assert response["output"][0]["content"][0]["transcript"] == "You said: spoken turn of 1.3 s"


async def test_a_commit_under_vad_takes_the_turn_that_goes_on(autojump_clock):
    async with talk() as client:
        await client.hear(speech(500, after=0))
        started = await client.until("input_audio_buffer.speech_started")
        await client.send("input_audio_buffer.commit")
        committed = await client.until("input_audio_buffer.committed")
        await client.hear(base64(silence(1000)))
        assert "input_audio_buffer.speech_stopped" not in types(await client.rest())
    assert committed["item_id"] == started["item_id"]


async def test_without_create_response_the_client_asks(autojump_clock):
    async with talk() as client:
        await client.update(audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}})
        await client.hear(speech(500))
        assert types(await client.rest())[-1] == "conversation.item.done"
        assert (await client.ask())["status"] == "completed"


async def test_clear_forgets_the_audio_and_the_turn(autojump_clock):
    async with talk() as client:
        await client.hear(speech(500, after=0))
        await client.until("input_audio_buffer.speech_started")
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        await client.hear(base64(silence(1000)))
        assert await client.rest() == []
        await client.hear(speech(500, before=500))
        started = await client.until("input_audio_buffer.speech_started")
    assert started["audio_start_ms"] == 300 + 500 + 1000 + 500 - 300


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
async def test_g711_goes_both_ways(kind, autojump_clock):
    loud, quiet = (b"\x80\x00", b"\xff") if kind == "audio/pcmu" else (b"\xaa\x2a", b"\xd5")
    async with talk(Say("Hello there.")) as client:
        session = await client.update(audio={"input": {"format": {"type": kind}}, "output": {"format": {"type": kind}}})
        await client.hear(base64(quiet * 2400 + loud * 4000 + quiet * 4000))
        started = await client.until("input_audio_buffer.speech_started")
        await client.until("response.done")
        item = client.of("conversation.item.done")[0]["item"]
        await client.send("conversation.item.retrieve", item_id=item["id"])
        retrieved = await client.until("conversation.item.retrieved")
    assert session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == {"type": kind}
    assert started["audio_start_ms"] == 0
    spoken = sum(len(pybase64.b64decode(e["delta"])) for e in client.of("response.output_audio.delta"))
    assert spoken == len("Hello there.") * 65 * 8
    assert pybase64.b64decode(retrieved["item"]["content"][0]["audio"]).startswith(quiet * 2400 + loud[:1])


async def test_the_idle_timer_commits_the_silence_and_answers(autojump_clock):
    async with talk(Say("Anything else?"), Say("Are you there?")) as client:
        detection = {"type": "server_vad", "idle_timeout_ms": 5000}
        await client.update(audio={"input": {"turn_detection": detection}})
        await client.say("hello")
        await client.ask()
        heard = client.server.sessions[0].sent
        asked_at = next(reversed(list(heard))).at_s
        for _ in range(80):
            await client.hear(base64(silence(100)))
            await client.rest(0.1)
        timeout = client.of("input_audio_buffer.timeout_triggered")[0]
        names = types(client.events)
    at = names.index("input_audio_buffer.timeout_triggered")
    assert names[at + 1 : at + 5] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert 4800 <= timeout["audio_end_ms"] - timeout["audio_start_ms"] <= 5200
    spoken_s = len("Anything else?") * 0.065
    fired = next(m for m in heard if m.type == "input_audio_buffer.timeout_triggered")
    assert fired.at_s - asked_at == pytest.approx(spoken_s + 5, abs=0.05)


async def test_speech_stops_the_idle_timer(autojump_clock):
    async with talk() as client:
        detection = {"type": "server_vad", "idle_timeout_ms": 5000, "create_response": False}
        await client.update(audio={"input": {"turn_detection": detection}})
        await client.say("hello")
        await client.ask()
        await client.rest(3)
        await client.hear(speech(500))
        assert "input_audio_buffer.timeout_triggered" not in types(await client.rest(30))


async def test_an_image_is_echoed_with_high_detail(autojump_clock):
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    async with talk() as client:
        await client.send("conversation.item.create", item={**user(""), "content": [image]})
        item = (await client.until("conversation.item.done"))["item"]
        response = await client.ask()
    assert item["content"] == [{**image, "detail": "high"}]
    assert response["usage"]["input_token_details"]["image_tokens"] > 0
    assert response["output"][0]["content"][0]["transcript"] == "Hello, how can I help you?"

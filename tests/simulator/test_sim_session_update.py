"""`session.update`: what merges, what is filled in, what is refused."""

import pytest
from sim_client import TRANSCRIPTION, base64, speech, talk

from engine.audio.pcm import silence
from engine.simulator import Say, SimulatorSettings

SERVER_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}


async def test_a_new_session_looks_like_the_captures(autojump_clock):
    async with talk(settings=SimulatorSettings(epoch_s=1_756_000_000)) as client:
        session = client.events[0]["session"]
    assert list(session) == [
        "type", "object", "id", "model", "output_modalities", "instructions", "tools", "tool_choice",
        "max_output_tokens", "tracing", "truncation", "prompt", "expires_at", "audio", "include",
    ]  # fmt: skip
    assert session["expires_at"] == 1_756_003_600
    assert session["model"] == "gpt-realtime"
    assert session["id"].startswith("sess_")
    assert len(session["id"]) == 26
    assert session["audio"] == {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": SERVER_VAD,
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy", "speed": 1.0},
    }


async def test_only_what_is_present_changes(autojump_clock):
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
    async with talk() as client:
        before = client.events[0]["session"]
        first = await client.update(tools=[tool], instructions="Be brief.", max_output_tokens=100)
        second = await client.update(audio={"output": {"speed": 1.2}})
        third = await client.update(tools=[], instructions="")
    assert first == before | {"tools": [tool], "instructions": "Be brief.", "max_output_tokens": 100}
    assert second["audio"]["input"] == before["audio"]["input"]
    assert second["audio"]["output"] == before["audio"]["output"] | {"speed": 1.2}
    assert second["tools"] == [tool]
    assert (third["tools"], third["instructions"]) == ([], "")


async def test_objects_are_filled_with_their_defaults(autojump_clock):
    async with talk() as client:
        semantic = {"turn_detection": {"type": "semantic_vad"}, "transcription": {"model": "whisper-1"}}
        one = (await client.update(audio={"input": semantic}))["audio"]["input"]
        vad = {"turn_detection": {"type": "server_vad", "threshold": 0.7}, "noise_reduction": {"type": "near_field"}}
        two = (await client.update(audio={"input": vad}))["audio"]["input"]
    assert one["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }
    assert one["transcription"] == {"model": "whisper-1", "language": None, "prompt": None}
    assert two["turn_detection"] == SERVER_VAD | {"threshold": 0.7}
    assert two["noise_reduction"] == {"type": "near_field"}


async def test_null_clears_or_leaves_but_is_never_an_error(autojump_clock):
    async with talk() as client:
        before = client.events[0]["session"]
        full = {"transcription": {"model": "whisper-1"}, "noise_reduction": {"type": "far_field"}}
        await client.update(audio={"input": full}, tracing="auto")
        nulls = {"transcription": None, "noise_reduction": None, "turn_detection": None, "format": None}
        session = await client.update(
            audio={"input": nulls, "output": {"voice": None}}, tracing=None, instructions=None, tools=None, prompt=None
        )
    assert session["audio"]["input"] == before["audio"]["input"] | {"turn_detection": None}
    assert session["audio"]["output"] == before["audio"]["output"]
    assert session["tracing"] is None
    assert session["instructions"] == before["instructions"]


async def test_another_model_is_ignored_without_a_word(autojump_clock):
    async with talk() as client:
        assert (await client.update(model="gpt-other"))["model"] == "gpt-realtime"


async def test_the_voice_is_locked_once_the_assistant_has_spoken(autojump_clock):
    async with talk(Say("Hi.")) as client:
        assert (await client.update(audio={"output": {"voice": "cedar"}}))["audio"]["output"]["voice"] == "cedar"
        await client.say("hello")
        await client.ask()
        change = {"type": "realtime", "instructions": "lost", "audio": {"output": {"voice": "marin"}}}
        await client.send("session.update", session=change, event_id="v")
        error = await client.error()
        same = await client.update(audio={"output": {"voice": "cedar"}})
    assert error == {
        "type": "invalid_request_error",
        "code": "cannot_update_voice",
        "message": "Cannot update a conversation's voice if assistant audio is present.",
        "param": None,
        "event_id": "v",
    }
    assert same["instructions"] != "lost"


async def test_a_written_answer_does_not_lock_the_voice(autojump_clock):
    async with talk(Say("Hi.")) as client:
        await client.say("hello")
        await client.ask(output_modalities=["text"])
        assert (await client.update(audio={"output": {"voice": "echo"}}))["audio"]["output"]["voice"] == "echo"


async def test_reasoning_is_for_reasoning_models(autojump_clock):
    async with talk() as client:
        session = {"type": "realtime", "reasoning": {"effort": "low"}}
        await client.send("session.update", session=session, event_id="r")
        error = await client.error()
    async with talk(url="/v1/realtime?model=gpt-realtime-2") as client:
        accepted = await client.update(reasoning={"effort": "low"}, parallel_tool_calls=True)
    assert (error["param"], error["event_id"]) == (None, None)
    assert accepted["reasoning"] == {"effort": "low"}


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({}, "missing_required_parameter", "session.type"),
        ({"type": "chat"}, "invalid_value", "session.type"),
        ({"type": "transcription"}, "invalid_value", "session.type"),
        ({"type": "realtime", "tools": [], "turn_detection": None}, "unknown_parameter", "session.turn_detection"),
        ({"type": "realtime", "temperature": 0.8}, "unknown_parameter", "session.temperature"),
        ({"type": "realtime", "instructions": 1}, "invalid_type", "session.instructions"),
        ({"type": "realtime", "max_output_tokens": 0}, "integer_below_min_value", "session.max_output_tokens"),
        ({"type": "realtime", "max_output_tokens": 4097}, "integer_above_max_value", "session.max_output_tokens"),
        ({"type": "realtime", "max_output_tokens": "all"}, "invalid_value", "session.max_output_tokens"),
        ({"type": "realtime", "max_output_tokens": True}, "invalid_type", "session.max_output_tokens"),
        ({"type": "realtime", "output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
        ({"type": "realtime", "output_modalities": "text"}, "invalid_type", "session.output_modalities"),
        ({"type": "realtime", "output_modalities": ["smell"]}, "invalid_value", "session.output_modalities[0]"),
        (
            {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "integer_below_min_value",
            "session.audio.input.format.rate",
        ),
        ({"type": "realtime", "audio": {"output": {"voice": "bob"}}}, "invalid_value", "session.audio.output.voice"),
        ({"type": "realtime", "audio": {"output": {"voice": {}}}}, "missing_required_parameter",
         "session.audio.output.voice.id"),
        ({"type": "realtime", "audio": {"output": {"speed": 2}}}, "decimal_above_max_value",
         "session.audio.output.speed"),
        ({"type": "realtime", "audio": {"input": {"turn_detection": {}}}}, "missing_required_parameter",
         "session.audio.input.turn_detection.type"),
        ({"type": "realtime", "audio": {"input": {"turn_detection": []}}}, "invalid_type",
         "session.audio.input.turn_detection"),
        (
            {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 1}}}},
            "integer_below_min_value",
            "session.audio.input.turn_detection.idle_timeout_ms",
        ),
        (
            {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": 1}}}},
            "invalid_type",
            "session.audio.input.turn_detection.eagerness",
        ),
        ({"type": "realtime", "tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
        ({"type": "realtime", "tools": [{"type": "function", "name": "f", "strict": True}]}, "unknown_parameter",
         "session.tools[0].strict"),
        ({"type": "realtime", "tool_choice": "maybe"}, "invalid_value", "session.tool_choice"),
    ],
)  # fmt: skip
async def test_updates_that_are_refused_change_nothing(session, code, param, autojump_clock):
    async with talk() as client:
        before = client.events[0]["session"]
        await client.send("session.update", session=session, event_id="u")
        error = await client.error()
        after = await client.update()
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "u")
    assert after == before


async def test_a_transcription_session_hears_and_never_answers(autojump_clock):
    async with talk(url=TRANSCRIPTION) as client:
        created = client.events[0]["session"]
        heard = {"transcription": {"model": "gpt-4o-mini-transcribe"}, "turn_detection": {"type": "server_vad"}}
        change = {"type": "transcription", "audio": {"input": heard}}
        await client.send("session.update", session=change)
        updated = (await client.until("session.updated"))["session"]
        await client.hear(speech(500))
        await client.until("conversation.item.input_audio_transcription.completed")
        await client.hear(base64(silence(500)))
        await client.rest()
        await client.send("response.create", event_id="r")
        error = await client.error()
    assert list(created) == ["type", "object", "id", "expires_at", "audio", "include"]
    assert created["object"] == "realtime.transcription_session"
    assert updated["audio"]["input"]["transcription"]["language"] is None
    assert (error["code"], error["event_id"]) == ("invalid_value", "r")
    assert not client.of("response.created", "rate_limits.updated")

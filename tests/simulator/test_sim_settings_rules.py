"""Every setting of a session: taken, echoed, and refused with its place where it does not fit."""

import pytest
from openai.types.realtime import RealtimeSessionCreateRequest, RealtimeTranscriptionSessionCreateRequest
from sim_client import TRANSCRIPTION, talk, types

from engine.simulator import Call, Say, ScriptedResponder, SimulatorSettings

EVERYTHING = {
    "type": "realtime",
    "model": "gpt-realtime-2",
    "output_modalities": ["text"],
    "instructions": "Be brief.",
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "noise_reduction": {"type": "far_field", "strength": 0.5},
            "transcription": {
                "model": "gpt-4o-transcribe",
                "language": "de",
                "prompt": "Names: Ada",
                "delay": "low",
                "keywords": ["Ada"],
                "languages": ["de", "en"],
            },
            "turn_detection": {
                "type": "semantic_vad",
                "eagerness": "high",
                "create_response": False,
                "interrupt_response": False,
            },
        },
        "output": {"format": {"type": "audio/pcma"}, "voice": "cedar", "speed": 1.25},
    },
    "include": ["item.input_audio_transcription.logprobs"],
    "max_output_tokens": 1000,
    "parallel_tool_calls": True,
    "prompt": {"id": "pmpt_1", "version": "2", "variables": {"city": "Oslo"}},
    "reasoning": {"effort": "minimal"},
    "tool_choice": {"type": "function", "name": "f"},
    "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}],
    "tracing": {"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}},
    "truncation": {
        "type": "retention_ratio",
        "retention_ratio": 0.8,
        "token_limits": {"post_instructions": 5000},
    },
}


async def test_every_setting_of_openai_python_is_taken_and_echoed():
    assert set(EVERYTHING) == set(RealtimeSessionCreateRequest.model_fields)
    RealtimeSessionCreateRequest.model_validate(EVERYTHING)
    async with talk(url="/v1/realtime?model=gpt-realtime-2") as client:
        echoed = await client.update(**EVERYTHING)
    assert {key: echoed[key] for key in EVERYTHING} == EVERYTHING


async def test_every_setting_of_a_transcription_is_taken_and_echoed():
    vad = {"type": "server_vad", "threshold": 0.7, "prefix_padding_ms": 100, "silence_duration_ms": 700}
    audio = {"input": {**EVERYTHING["audio"]["input"], "turn_detection": vad}}
    session = {"type": "transcription", "audio": audio, "include": EVERYTHING["include"]}
    assert set(session) == set(RealtimeTranscriptionSessionCreateRequest.model_fields)
    async with talk(url=TRANSCRIPTION) as client:
        echoed = await client.update(**session)
    assert echoed["include"] == session["include"]
    assert vad.items() <= echoed["audio"]["input"]["turn_detection"].items()


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"truncation": {"type": "half"}}, "invalid_value", "truncation.type"),
        ({"truncation": {"type": "retention_ratio"}}, "missing_required_parameter", "truncation.retention_ratio"),
        (
            {"truncation": {"type": "retention_ratio", "retention_ratio": 1.1}},
            "decimal_above_max_value",
            "truncation.retention_ratio",
        ),
        (
            {
                "truncation": {
                    "type": "retention_ratio",
                    "retention_ratio": 1,
                    "token_limits": {"post_instructions": -1},
                }
            },
            "integer_below_min_value",
            "truncation.token_limits.post_instructions",
        ),
        ({"truncation": "never"}, "invalid_value", "truncation"),
        ({"truncation": 1}, "invalid_type", "truncation"),
        ({"tracing": "on"}, "invalid_value", "tracing"),
        ({"tracing": {"name": "x"}}, "unknown_parameter", "tracing.name"),
        ({"prompt": {"version": "1"}}, "missing_required_parameter", "prompt.id"),
        ({"include": ["everything"]}, "invalid_value", "include[0]"),
        ({"tool_choice": {"type": "function"}}, "missing_required_parameter", "tool_choice.name"),
        ({"tool_choice": {"type": "mcp", "name": "x"}}, "missing_required_parameter", "tool_choice.server_label"),
        ({"tool_choice": "any"}, "invalid_value", "tool_choice"),
        ({"reasoning": {"effort": "max"}}, "invalid_value", "reasoning.effort"),
        ({"audio": {"input": {"noise_reduction": {"type": "none"}}}}, "invalid_value",
         "audio.input.noise_reduction.type"),
        ({"audio": {"input": {"transcription": {"delay": "short"}}}}, "invalid_value",
         "audio.input.transcription.delay"),
        ({"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "eager"}}}}, "invalid_value",
         "audio.input.turn_detection.eagerness"),
        ({"audio": {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}}}, "unknown_parameter",
         "audio.input.turn_detection.threshold"),
        ({"audio": {"output": {"speed": 0.2}}}, "decimal_below_min_value", "audio.output.speed"),
    ],
)  # fmt: skip
async def test_a_value_that_does_not_fit_is_refused_with_its_place(change, code, param):
    async with talk(url="/v1/realtime?model=gpt-realtime-2") as client:
        await client.send("session.update", event_id="mine", session={"type": "realtime", "instructions": "x"} | change)
        error = await client.error()
        after = await client.update()
    assert (error["code"], error["param"], error["event_id"]) == (code, f"session.{param}", "mine")
    assert after == client.events[0]["session"]


async def test_the_strength_of_noise_reduction_stays_when_only_its_type_changes():
    async with talk() as client:
        await client.update(audio={"input": {"noise_reduction": {"type": "near_field", "strength": 0.3}}})
        after = await client.update(audio={"input": {"noise_reduction": {"type": "far_field"}}})
    assert after["audio"]["input"]["noise_reduction"] == {"type": "far_field", "strength": 0.3}


async def test_tracing_stays_as_it_was_enabled():
    async with talk() as client:
        await client.update(tracing="auto")
        await client.update(tracing="auto")  # clients send it twice
        await client.send("session.update", session={"type": "realtime", "tracing": {"workflow_name": "other"}})
        assert (await client.error())["param"] == "session.tracing"
        assert (await client.update(tracing=None))["tracing"] is None


async def test_the_speed_changes_only_between_answers(autojump_clock):
    async with talk(Say("A long answer. " * 20)) as client:
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        await client.send("session.update", session={"type": "realtime", "audio": {"output": {"speed": 1.5}}})
        assert (await client.error())["param"] == "session.audio.output.speed"
        await client.update(audio={"output": {"speed": 1}})  # as it is
        await client.until("response.done")
        assert (await client.update(audio={"output": {"speed": 1.5}}))["audio"]["output"]["speed"] == 1.5


# --- what the model reads --------------------------------------------------------------------------------------------


class Reader:
    """A responder's answers that say how many messages it was given to read."""

    def __init__(self):
        self._scripted = ScriptedResponder()
        self.detector = self._scripted.detector
        self.transcribe = self._scripted.transcribe
        self.speak = self._scripted.speak

    async def answer(self, prompt):
        texts = [item.content[0].text for item in prompt.items if item.role == "user"]
        return [Say(" ".join(text[0] for text in texts))]


def window(max_tokens):
    """Settings under which `max_tokens` fit, of which the instructions take none."""
    return SimulatorSettings(context_max_tokens=max_tokens, instructions="")


async def ask(client, *letters):
    for letter in letters:
        await client.say(letter * 400)  # 100 tokens
    return await client.ask()


def read(response):
    return response["output"][0]["content"][0]["text"]


async def test_the_oldest_items_are_left_out_quietly(autojump_clock):
    async with talk(settings=window(301), responder=Reader) as client:
        await client.update(output_modalities=["text"])
        assert read(await ask(client, "a", "b", "c")) == "a b c"
        response = await ask(client, "d")
        assert read(response) == "c d"  # what was answered counts too
        assert response["usage"]["input_tokens"] <= 301
        item_id = client.of("conversation.item.done")[0]["item"]["id"]
        await client.send("conversation.item.retrieve", item_id=item_id)
        await client.until("conversation.item.retrieved")
    assert not client.of("error")


async def test_a_retention_ratio_leaves_room_for_what_comes(autojump_clock):
    half = {"type": "retention_ratio", "retention_ratio": 0.5}
    async with talk(settings=window(420), responder=Reader) as client:
        await client.update(output_modalities=["text"], truncation=half)
        assert read(await ask(client, "a", "b", "c", "d")) == "a b c d"
        assert read(await ask(client, "e")) == "d e"
        assert read(await ask(client, "f")) == "d e f"


async def test_a_session_can_set_a_limit_of_its_own_beside_the_instructions(autojump_clock):
    own = {"type": "retention_ratio", "retention_ratio": 1, "token_limits": {"post_instructions": 210}}
    async with talk(settings=window(10_000), responder=Reader) as client:
        await client.update(output_modalities=["text"], truncation=own, instructions="i" * 4000)
        assert read(await ask(client, "a", "b", "c")) == "b c"


async def test_without_truncation_a_response_fails_once_too_much_was_said(autojump_clock):
    async with talk(settings=window(250), responder=Reader) as client:
        await client.update(output_modalities=["text"], truncation="disabled")
        assert read(await ask(client, "a", "b")) == "a b"
        response = await ask(client, "c")
        assert response["status"] == "failed"
        assert response["output"] == []
        error = response["status_details"]["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "context_length_exceeded")
        assert (await client.ask(input=[]))["status"] == "completed"
    assert types(client.events)[-1] == "response.done"


async def test_what_the_last_input_began_with_comes_from_the_cache(autojump_clock):
    async with talk(settings=window(340), responder=Reader) as client:
        await client.update(output_modalities=["text"])
        cached = []
        for letters in ("ab", "c", "d"):
            usage = (await ask(client, *letters))["usage"]
            cached.append(usage["input_token_details"]["cached_tokens"])
        await client.update(instructions="Anew.")
        usage = (await ask(client, "e"))["usage"]
        cached.append(usage["input_token_details"]["cached_tokens"])
    assert cached == [0, 192, 0, 0]  # blocks of 64; leaving items out and new instructions begin anew


async def test_calls_are_read_like_the_rest(autojump_clock):
    async with talk(Call("f"), Say("Done."), settings=window(40)) as client:
        await client.say("x" * 80)
        call = (await client.ask())["output"][0]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "y" * 100}
        await client.send("conversation.item.create", item=output)
        response = await client.ask()
    assert response["usage"]["input_tokens"] <= 40

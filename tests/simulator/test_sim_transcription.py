"""Transcripts of spoken turns: pieces, usage by model, failures; beside any response."""

import pytest
from sim_client import speech, talk, types

from engine.simulator import Pace, Say, Script, ScriptedResponder, SimulatorSettings, TranscriptionRefused, Unheard

KIND = "conversation.item.input_audio_transcription."


def hearing(*transcripts):
    return Script.of(Say("All right, this is a longer answer. " * 5), transcripts=transcripts)


async def configure(client, model, **fields):
    await client.update(audio={"input": {"transcription": {"model": model, **fields}}})


async def test_a_transcript_comes_in_pieces_beside_the_response(autojump_clock):
    async with talk(script=hearing("Hello, my name is Bo.")) as client:
        await configure(client, "gpt-4o-transcribe")
        await client.hear(speech(1000))
        completed = await client.until(KIND + "completed")
        await client.until("response.done")
        await client.send("conversation.item.retrieve", item_id=completed["item_id"])
        item = (await client.until("conversation.item.retrieved"))["item"]
    names = types(client.events)
    assert names.index("response.created") < names.index(KIND + "delta")
    assert names.index(KIND + "completed") < names.index("response.done")
    assert [event["delta"] for event in client.of(KIND + "delta")][:3] == ["Hello", ",", " my"]
    assert client.joined(KIND + "delta") == completed["transcript"] == "Hello, my name is Bo."
    assert completed["item_id"] == client.of("input_audio_buffer.committed")[0]["item_id"]
    assert completed["usage"] == {
        "type": "tokens",
        "total_tokens": 21,
        "input_tokens": 15,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 15},
        "output_tokens": 6,
    }
    assert item["content"][0]["transcript"] == "Hello, my name is Bo."


@pytest.mark.parametrize("model", ["whisper-1", "gpt-realtime-whisper", "gpt-transcribe"])
async def test_other_models_tell_seconds(model, autojump_clock):
    async with talk(script=hearing("Hello there.")) as client:
        await configure(client, model)
        await client.hear(speech(1000))
        completed = await client.until(KIND + "completed")
    assert completed["usage"] == {"type": "duration", "seconds": 2}
    assert len(client.of(KIND + "delta")) == (1 if model == "whisper-1" else 3)
    assert ("languages" in completed) == (model == "gpt-transcribe")


async def test_logprobs_come_where_asked_for(autojump_clock):
    async with talk(script=hearing("Yes.")) as client:
        await client.update(include=["item.input_audio_transcription.logprobs"])
        await configure(client, "gpt-4o-transcribe")
        await client.hear(speech(500))
        completed = await client.until(KIND + "completed")
    assert [entry["token"] for entry in completed["logprobs"]] == ["Yes", "."]
    assert client.of(KIND + "delta")[0]["logprobs"][0]["bytes"] == list(b"Yes")


async def test_a_transcription_that_fails_does_not_hinder_the_answer(autojump_clock):
    async with talk(script=Script(transcripts=[Unheard("audio_unintelligible")])) as client:
        await configure(client, "whisper-1")
        await client.hear(speech(500))
        failed = await client.until(KIND + "failed")
        response = (await client.until("response.done"))["response"]
    item_id = failed["item_id"]
    assert failed["error"] == {
        "type": "server_error",
        "code": "audio_unintelligible",
        "message": f"Input transcription failed for item '{item_id}'.",
        "param": None,
    }
    assert response["status"] == "completed"


class Deaf(ScriptedResponder):
    async def transcribe(self, pcm):
        raise OSError("no ear")


async def test_a_responder_that_breaks_while_it_hears_fails_the_transcription(autojump_clock, caplog):
    async with talk(responder=Deaf) as client:
        await configure(client, "whisper-1")
        await client.hear(speech(500))
        assert (await client.until(KIND + "failed"))["error"]["code"] == "server_error"
        await client.until("response.done")
    assert "no ear" in caplog.text


class Refusing(ScriptedResponder):
    async def transcribe(self, pcm):
        raise TranscriptionRefused


async def test_without_transcription_a_turn_that_cannot_be_heard_is_still_answered(autojump_clock):
    async with talk(responder=Refusing) as client:
        await client.hear(speech(500))
        response = (await client.until("response.done"))["response"]
    assert response["output"][0]["content"][0]["transcript"] == "Hello, how can I help you?"


async def test_a_turn_is_heard_once_whoever_asks(autojump_clock):
    script = Script(transcripts=["first", "second"], echo="{text}")
    async with talk(script=script, settings=SimulatorSettings(pace=Pace(transcription_ms=3000))) as client:
        await configure(client, "whisper-1")
        await client.hear(speech(500))
        await client.until(KIND + "completed")
        await client.hear(speech(500))
        await client.until(KIND + "completed")
    spoken = [event["response"]["output"][0]["content"][0]["transcript"] for event in client.of("response.done")]
    assert spoken == ["first", "second"]
    assert [event["transcript"] for event in client.of(KIND + "completed")] == ["first", "second"]

"""The translation endpoint: words and speech of another language, 200 ms at a time, and an end that says all."""

import pybase64
import pytest
import trio
from sim_client import TRANSLATION, base64, talk, types

from engine.audio.pcm import bytes_to_ms, silence, tone
from engine.simulator import (
    Script,
    ScriptedResponder,
    Translation,
    load_script,
)

MORNING = Translation("Good morning to you.", "Buenos días a usted.")
NIGHT = Translation("Good night.", "Buenas noches.")
SCRIPT = Script(translations=[MORNING, NIGHT])
OUTPUTS = ("session.input_transcript.delta", "session.output_transcript.delta", "session.output_audio.delta")


def translate(script=SCRIPT, **options):
    return talk(script=script, url=TRANSLATION, **options)


async def append(client, pcm, step_ms=200):
    size = step_ms * 48
    for at in range(0, len(pcm), size):
        await client.send("session.input_audio_buffer.append", audio=base64(pcm[at : at + size]))


async def change(client, **audio):
    await client.send("session.update", session={"audio": audio})
    return (await client.until("session.updated"))["session"]


async def close(client):
    await client.send("session.close")
    return await client.closed()


def audio_of(client):
    deltas = client.of("session.output_audio.delta")
    return b"".join(pybase64.b64decode(event["delta"]) for event in deltas)


async def test_a_new_session_is_one_of_translation(autojump_clock):
    async with translate() as client:
        session = client.events[0]["session"]
        assert session == {
            "type": "translation",
            "id": session["id"],
            "model": "gpt-realtime-translate",
            "expires_at": session["expires_at"],
            "audio": {"input": {"transcription": None, "noise_reduction": None}, "output": {"language": "en"}},
        }


async def test_only_language_transcription_and_noise_reduction_change(autojump_clock):
    async with translate() as client:
        await change(client, output={"language": "es"}, input={"transcription": {"model": "gpt-4o-transcribe"}})
        await change(client, input={"noise_reduction": {"type": "near_field", "strength": 0.5}})
        after = await change(client, input={"noise_reduction": {"type": "far_field"}})
        assert after["audio"] == {
            "input": {
                "transcription": {"model": "gpt-4o-transcribe"},
                "noise_reduction": {"type": "far_field", "strength": 0.5},
            },
            "output": {"language": "es"},
        }
        off = await change(client, input={"transcription": None, "noise_reduction": None})
        assert off["audio"]["input"] == {"transcription": None, "noise_reduction": None}
        await client.send("session.update", session={"type": "translation", "model": "other"})
        assert (await client.until("session.updated"))["session"]["model"] == "gpt-realtime-translate"


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "session.update", "session": {"instructions": "x"}}, "unknown_parameter", "session.instructions"),
        ({"type": "session.update", "session": {"type": "realtime"}}, "invalid_value", "session.type"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "response.create"}, "invalid_value", "type"),
        ({"type": "input_audio_buffer.append", "audio": "AAAA"}, "invalid_value", "type"),
        ({"type": "session.input_audio_buffer.append", "audio": "?"}, "invalid_value", "audio"),
        (
            {"type": "session.update", "session": {"audio": {"output": {"language": 7}}}},
            "invalid_type",
            "session.audio.output.language",
        ),
    ],
)
async def test_what_the_endpoint_does_not_know_is_refused(event, code, param):
    async with translate() as client:
        await client.send(event.pop("type"), event_id="mine", **event)
        error = await client.error()
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "mine")


async def test_an_utterance_is_translated_while_it_is_heard_and_the_rest_before_the_end(autojump_clock):
    async with translate() as client:
        await change(client, output={"language": "es"}, input={"transcription": {"model": "gpt-4o-transcribe"}})
        await append(client, tone(220, 1000))
        await trio.sleep(1)
        heard_by_then = [event["type"] for event in await client.rest(1)]
        reason = await close(client)
    assert "session.output_audio.delta" in heard_by_then
    assert client.joined("session.input_transcript.delta") == MORNING.heard
    assert client.joined("session.output_transcript.delta") == MORNING.said
    assert bytes_to_ms(len(audio_of(client))) == len(MORNING.said) * 65
    assert types(client.events)[-1] == "session.closed"
    assert reason.code == 1000
    times = [event["elapsed_ms"] for event in client.of(*OUTPUTS)]
    assert times == sorted(times)
    assert {ms % 200 for ms in times} == {0}
    assert client.of("session.output_transcript.delta")[0]["elapsed_ms"] == 800  # 600 ms behind what is heard
    first = client.of("session.output_audio.delta")[0]
    assert (first["sample_rate"], first["channels"], first["format"]) == (24000, 1, "pcm16")


async def test_the_words_that_were_said_come_only_when_asked_for(autojump_clock):
    async with translate() as client:
        await append(client, tone(220, 600))
        await close(client)
    assert not client.of("session.input_transcript.delta")
    assert client.joined("session.output_transcript.delta") == MORNING.said


async def test_each_utterance_has_its_words_and_those_after_the_last_name_the_language(autojump_clock):
    async with translate() as client:
        await change(client, output={"language": "fr"}, input={"transcription": {"model": "m"}})
        for _ in range(3):
            await append(client, tone(220, 500) + silence(1000), step_ms=70)
        await close(client)
    assert client.joined("session.input_transcript.delta") == f"{MORNING.heard} {NIGHT.heard} something"
    assert client.joined("session.output_transcript.delta") == f"{MORNING.said} {NIGHT.said} (fr) something"


async def test_silence_alone_says_nothing(autojump_clock):
    async with translate() as client:
        await append(client, silence(3000))
        await close(client)
    assert types(client.events) == ["session.created", "session.closed"]


async def test_less_than_a_step_is_heard_at_the_end(autojump_clock):
    async with translate() as client:
        await append(client, tone(220, 150))
        assert await client.rest(2) == []
        await close(client)
    assert client.joined("session.output_transcript.delta") == MORNING.said


async def test_a_client_that_sends_faster_than_is_translated_waits(autojump_clock):
    class Slow:
        async def step(self, pcm, language):
            await trio.sleep(0.2)
            steps.append(len(pcm))
            return await ScriptedResponder().interpreter().step(pcm, language)

        async def rest(self, language):
            return []

    class Responder(ScriptedResponder):
        def interpreter(self):
            return Slow()

    steps = []
    async with translate(responder=Responder) as client:
        await append(client, silence(100_000), step_ms=1000)
        sent_at = trio.current_time()
        assert await close(client)
    assert 0 < sent_at < 50  # less than 60 s wait on the server, and the socket's buffers hold the rest
    assert steps == [9600] * 500


async def test_a_responder_that_can_not_translate_names_the_language(autojump_clock):
    class Plain:
        def detector(self, settings):
            return ScriptedResponder().detector(settings)

    async with translate(responder=Plain) as client:
        await append(client, tone(220, 400))
        await close(client)
    assert client.joined("session.output_transcript.delta") == "(en) something"


async def test_the_endpoint_needs_a_model():
    async with talk(url="/v1/realtime/translations", greeted=False) as client:
        assert (await client.error())["code"] == "missing_model"


def test_scripts_in_files_translate(tmp_path):
    path = tmp_path / "script.toml"
    path.write_text('[[translation]]\nheard = "Good night."\nsaid = "Buenas noches."')
    assert load_script(path).translations == (NIGHT,)

"""Messages that can't be read or done: each is answered in the service's words, and the session goes on."""

import pytest
from sim_client import base64, talk

from engine.audio.pcm import silence
from engine.limits import APPEND_MAX_BYTES

SUPPORTED = (
    "Supported values are: 'session.update', 'session.close', 'input_audio_buffer.append', "
    "'session.input_audio_buffer.append', 'input_audio_buffer.commit', 'input_audio_buffer.clear', "
    "'conversation.item.create', 'conversation.item.truncate', 'conversation.item.delete', "
    "'conversation.item.retrieve', 'response.create', and 'response.cancel'."
)
BAD_AUDIO = "Invalid 'audio'. Expected base64-encoded audio bytes (mono PCM16 at 24kHz) but got "


@pytest.mark.parametrize(
    ("raw", "code", "message", "param", "event_id"),
    [
        ('{"type": "nope"}', "invalid_value", "Invalid value: 'nope'. " + SUPPORTED, "type", None),
        (
            '{"type": "output_audio_buffer.clear", "event_id": "o"}',
            "invalid_value",
            "Invalid value: 'output_audio_buffer.clear'. " + SUPPORTED,
            "type",
            "o",
        ),
        (
            '{"type": "transcription_session.update"}',
            "invalid_value",
            "Invalid value: 'transcription_session.update'. " + SUPPORTED,
            "type",
            None,
        ),
        ('{"type": 7}', "invalid_value", "Invalid value: '7'. " + SUPPORTED, "type", None),
        ("{oops", "invalid_json", "Invalid event: failed to parse JSON value. ", None, None),
        (b"\x00", "invalid_event", "Expected a text WebSocket message; binary frames are not supported.", None, None),
        ("[1]", "invalid_event", "Invalid event: expected a JSON object.", None, None),
        ('{"event_id": "m"}', "invalid_event", "The 'type' field is missing.", None, "m"),
        (
            '{"type": "session.update", "event_id": "s"}',
            "missing_required_parameter",
            "Missing required parameter: 'session'.",
            "session",
            "s",
        ),
        (
            '{"type": "session.update", "session": {"instructions": "x"}}',
            "missing_required_parameter",
            "Missing required parameter: 'session.type'.",
            "session.type",
            None,
        ),
        (
            '{"type": "response.create", "response": {"modalities": ["text"]}}',
            "unknown_parameter",
            "Unknown parameter: 'response.modalities'.",
            "response.modalities",
            None,
        ),
        (
            '{"type": "response.create", "event_id": 5}',
            "invalid_type",
            "Invalid type for 'event_id': expected a string, but got an integer instead.",
            "event_id",
            None,
        ),
        (
            '{"type": "response.create", "response": {"metadata": {"k": 5}}}',
            "invalid_type",
            "Invalid type for 'response.metadata.k': expected a string, but got an integer instead.",
            "response.metadata.k",
            None,
        ),
        (
            '{"type": "response.create", "response": {"metadata": []}}',
            "invalid_type",
            "Invalid type for 'response.metadata': expected an object, but got an array instead.",
            "response.metadata",
            None,
        ),
        ('{"type": "input_audio_buffer.append", "audio": "???"}', "invalid_value", BAD_AUDIO + "an invalid value.",
         "audio", None),
        ('{"type": "input_audio_buffer.append", "audio": "AAAA"}', "invalid_value", BAD_AUDIO + "an invalid value.",
         "audio", None),
        ('{"type": "input_audio_buffer.append", "audio": ""}', "invalid_value", BAD_AUDIO + "empty bytes.",
         "audio", None),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "Missing required parameter: 'audio'.",
         "audio", None),
    ],
)  # fmt: skip
async def test_refused_messages(raw, code, message, param, event_id, autojump_clock):
    async with talk() as client:
        await client.send_raw(raw)
        error = await client.error()
        assert (await client.say("still there?"))["status"] == "completed"
    assert error.pop("message").startswith(message)
    assert error == {"type": "invalid_request_error", "code": code, "param": param, "event_id": event_id}


async def test_too_many_and_too_long_metadata(autojump_clock):
    async with talk() as client:
        await client.send("response.create", response={"metadata": {str(n): "" for n in range(17)}})
        assert (await client.error())["code"] == "object_above_max_properties"
        await client.send("response.create", response={"metadata": {"k" * 65: ""}})
        assert (await client.error())["code"] == "string_above_max_length"
        response = await client.ask(metadata={str(n): "v" * 512 for n in range(16)})
    assert len(response["metadata"]) == 16


async def test_an_event_id_may_have_512_characters(autojump_clock):
    async with talk() as client:
        await client.send("nope", event_id="x" * 512)
        assert (await client.error())["event_id"] == "x" * 512
        await client.send("input_audio_buffer.clear", event_id="x" * 513)
        assert (await client.error())["code"] == "string_above_max_length"


@pytest.mark.parametrize("ms", [0, 99])
async def test_a_commit_needs_100_ms(ms, autojump_clock):
    async with talk() as client:
        await client.no_vad()
        if ms:
            await client.hear(base64(silence(ms)))
        await client.send("input_audio_buffer.commit", event_id="c")
        error = await client.error()
        await client.hear(base64(silence(100 - ms)))
        await client.send("input_audio_buffer.commit")
        await client.until("input_audio_buffer.committed")
    assert error == {
        "type": "invalid_request_error",
        "code": "input_audio_buffer_commit_empty",
        "message": "Error committing input audio buffer: buffer too small. "
        f"Expected at least 100ms of audio, but buffer only has {ms:.2f}ms of audio.",
        "param": None,
        "event_id": "c",
    }


async def test_an_append_may_hold_15_mib_of_audio_and_not_more(autojump_clock):
    async with talk() as client:
        await client.no_vad()
        await client.hear(base64(bytes(APPEND_MAX_BYTES)))
        await client.hear(base64(bytes(APPEND_MAX_BYTES + 2)))
        error = await client.error()
    assert error["param"] == "audio"
    assert str(APPEND_MAX_BYTES) in error["message"]


async def test_four_errors_in_a_row_change_nothing(autojump_clock):
    async with talk() as client:
        for _ in range(4):
            await client.send("nope")
            await client.error()
        assert (await client.ask())["status"] == "completed"


async def test_session_words_for_audio_and_close_are_understood(autojump_clock):
    async with talk() as client:
        await client.no_vad()
        await client.send("session.input_audio_buffer.append", audio=base64(silence(200)))
        await client.send("input_audio_buffer.commit")
        await client.until("input_audio_buffer.committed")
        await client.send("session.close")
        assert (await client.closed()).code == 1000

"""What is left out of a message: audio by policy, keys always."""

import json

import orjson
import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.recording.reduction import CUT_AUDIO_MAX_BYTES, Reduction, base64_bytes, restored
from engine.secrets import NOT_SHOWN

WHOLE, CUT, NONE = Reduction("whole"), Reduction("cut"), Reduction("none")


def base64(data):
    return pybase64.b64encode_as_string(data)


def append(data):
    return {"type": "input_audio_buffer.append", "audio": base64(data)}


def item(**part):
    return {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [part]}}


@given(st.binary(max_size=3000))
def test_the_length_of_audio_is_told_by_its_base64(data):
    assert base64_bytes(base64(data)) == len(data)


@given(st.binary(max_size=4000))
def test_cut_keeps_the_beginning_and_tells_how_much_there_was(data):
    event = append(data)

    changed = CUT.reduce(event)

    assert changed == (len(data) > CUT_AUDIO_MAX_BYTES)
    assert pybase64.b64decode(event["audio"]) == data[:CUT_AUDIO_MAX_BYTES]
    assert event.get("audio_bytes") == (len(data) if changed else None)


@given(st.binary(max_size=4000), st.sampled_from([CUT, NONE]), st.sampled_from([b"\0", b"\xff"]))
def test_what_is_restored_lasts_as_long_as_it_did(data, reduction, silence):
    event = item(type="input_audio", audio=base64(data))
    reduction.reduce(event)
    again = restored(event, silence)["item"]["content"][0]

    pcm = pybase64.b64decode(again["audio"])
    kept = CUT_AUDIO_MAX_BYTES if reduction is CUT else 0
    assert pcm == data[:kept] + silence * (len(data) - kept)
    assert "audio_bytes" not in again


@given(st.binary(min_size=1, max_size=4000))
def test_restoring_leaves_the_recorded_event_as_it_is(data):
    event = append(data)
    NONE.reduce(event)
    before = json.dumps(event)

    restored(event)

    assert json.dumps(event) == before


@pytest.mark.parametrize(
    "event",
    [
        append(b"\1" * 2000),
        {"type": "session.input_audio_buffer.append", "audio": base64(b"\1" * 2000)},
        {"type": "response.output_audio.delta", "item_id": "i", "delta": base64(b"\1" * 2000)},
        {"type": "session.output_audio.delta", "delta": base64(b"\1" * 2000)},
        item(type="input_audio", audio=base64(b"\1" * 2000)),
        {"type": "response.done", "response": {"output": [{"content": [{"audio": base64(b"\1" * 2000)}]}]}},
        {"type": "response.content_part.done", "part": {"type": "audio", "audio": base64(b"\1" * 2000)}},
    ],
    ids=lambda event: event["type"],
)
def test_audio_is_left_out_wherever_an_event_has_it(event):
    assert WHOLE.reduce(dict(event)) is False
    assert NONE.reduce(event) is True
    text = json.dumps(event)
    assert '"audio_bytes": 2000' in text
    assert "AQEB" not in text


@pytest.mark.parametrize("reduction", [CUT, NONE])
def test_an_image_leaves_its_kind_and_its_size(reduction):
    event = item(type="input_image", image_url=f"data:image/png;base64,{base64(b'x' * 500)}")

    assert reduction.reduce(event)

    assert event["item"]["content"][0] == {
        "type": "input_image",
        "image_url": "data:image/png;base64,",
        "image_bytes": 500,
    }


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_text.delta", "delta": "words"},
        {"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/pcm"}}}}},
        item(type="input_image", image_url="https://example.com/a.png"),
        item(type="input_text", text="words"),
        {"type": "input_audio_buffer.append", "audio": 17},
        {"type": "input_audio_buffer.append"},
        {"type": ["no", "text"]},
    ],
)
def test_what_is_no_audio_and_no_secret_stays(event):
    before = json.dumps(event)

    assert NONE.reduce(event) is False
    assert json.dumps(event) == before


TOOL = {
    "type": "mcp",
    "server_label": "calendar",
    "server_url": "https://user:pass@mcp.example/sse?token=s3cr3t",
    "authorization": "tok-1",
    "headers": {"X-Key": "tok-2"},
}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.update", "session": {"tools": [dict(TOOL)]}},
        {"type": "session.updated", "session": {"tools": [dict(TOOL)]}},
        {"type": "response.create", "response": {"tools": [{"type": "function", "name": "f"}, dict(TOOL)]}},
        {"type": "session.update", "session": {"tools": [{k: v for k, v in TOOL.items() if k != "type"}]}},
        {"type": "session.update", "session": {"tools": [TOOL | {"headers": "tok-2"}]}},
    ],
)
@pytest.mark.parametrize("reduction", [WHOLE, NONE])
def test_what_a_tool_on_another_server_is_called_with_is_not_shown(event, reduction):
    event = json.loads(json.dumps(event))

    assert reduction.reduce(event)

    text = json.dumps(event)
    assert NOT_SHOWN in text
    assert not any(secret in text for secret in ("tok-1", "tok-2", "s3cr3t", "pass"))
    assert "calendar" in text
    assert "mcp.example/sse" in text


@pytest.mark.parametrize("tool", [{"type": "mcp", "server_label": "x", "server_url": "https://mcp.example/sse"}])
def test_a_tool_on_another_server_without_secrets_stays(tool):
    assert WHOLE.reduce({"type": "session.update", "session": {"tools": [tool]}}) is False


@pytest.mark.parametrize(
    "event",
    [
        {"type": "input_audio_buffer.append", "audio": "", "audio_bytes": 2**40},
        {"type": "input_audio_buffer.append", "audio": "", "audio_bytes": "many"},
        {"type": "input_audio_buffer.append", "audio": "A", "audio_bytes": 5},
        {"type": "input_audio_buffer.append", "audio": None, "audio_bytes": 5},
    ],
)
def test_a_length_that_can_not_be_is_not_filled(event):
    assert restored(event) == event


def test_a_client_secret_is_not_shown():
    event = {"type": "session.created", "session": {"client_secret": {"value": "anything", "expires_at": 1}}}

    assert WHOLE.reduce(event)

    assert event["session"] == {"client_secret": NOT_SHOWN}


def test_a_functions_schema_may_speak_of_authorization():
    schema = {"type": "object", "properties": {"authorization": {"type": "string"}, "headers": {"type": "object"}}}
    event = {"type": "session.update", "session": {"tools": [{"type": "function", "parameters": schema}]}}

    assert WHOLE.reduce(event) is False


@pytest.mark.parametrize("key", ["sk-proj-Ab12_cd34-ef56", "sk-0123456789", "ek_68af296e8e408191a1120ab6383263c2"])
def test_keys_are_masked_in_any_text(key):
    text = json.dumps({"type": "error", "error": {"message": f"Incorrect API key provided: {key}."}})

    masked = WHOLE.masked(text)

    assert key not in masked
    assert json.loads(masked)["error"]["message"] == f"Incorrect API key provided: {NOT_SHOWN}."


@pytest.mark.parametrize("text", ["task-force-of-seven", "week_123456789", "sk-short", "a risk-averse-person"])
def test_words_that_look_a_little_like_keys_stay(text):
    assert WHOLE.masked(text) == text


def test_the_sessions_own_key_is_masked_whatever_it_looks_like():
    key = "0123456789abcdef0123456789abcdef"

    assert Reduction(secrets=(key,)).masked(f"key {key}") == f"key {NOT_SHOWN}"
    assert key not in repr(Reduction(secrets=(key,)))


def test_a_secret_too_short_to_be_told_from_words_is_not_searched_for():
    assert Reduction(secrets=("any",)).masked("anything") == "anything"


@given(st.binary(max_size=3000), st.sampled_from([WHOLE, CUT, NONE]))
def test_a_binary_message_is_kept_as_audio_is(data, reduction):
    fields = reduction.binary(data)

    kept = {"whole": len(data), "cut": CUT_AUDIO_MAX_BYTES, "none": 0}[reduction.audio]
    assert pybase64.b64decode(fields["binary"]) == data[:kept]
    assert fields.get("binary_bytes") == (None if len(data) <= kept else len(data))


def test_a_message_nested_without_end_is_searched_as_far_as_audio_can_be():
    deep = orjson.loads("[" * 500 + "]" * 500)

    assert NONE.reduce({"type": "x", "value": deep}) is False


def test_there_are_three_policies():
    with pytest.raises(ConfigError, match="whole, cut, none"):
        Reduction("most")

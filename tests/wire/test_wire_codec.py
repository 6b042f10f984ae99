"""The codec: nothing is lost in a round trip, and no message raises anything but `RemoteViolation`."""

import copy
import json
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_strategies import SENTINEL, json_values, objects, records, unknown_keys, words

from engine.errors import RemoteViolation, UnsupportedContent
from engine.wire.client import CLIENT_CLASSES, InputAudioBufferAppend, SessionUpdate
from engine.wire.codec import decode_client, decode_server, encode, event_type, from_object, load_object, to_object
from engine.wire.depth import DEPTH_MAX
from engine.wire.items import FunctionCallOutputItem, MessageItem, UnknownItem
from engine.wire.record import Record, misfit_keys
from engine.wire.response import Response
from engine.wire.server import SERVER_CLASSES, ConversationItemAdded, ResponseDone, UnknownServerEvent
from engine.wire.session import Session, Tool, TurnDetection

Decode = Callable[[str | bytes], Record]

DECODERS = [decode_server, decode_client]
WORDS = [
    *((cls, decode_server) for cls in SERVER_CLASSES.values()),
    *((cls, decode_client) for cls in CLIENT_CLASSES.values()),
    (UnknownServerEvent, decode_server),
]
each_word = pytest.mark.parametrize(("cls", "decode"), WORDS, ids=[cls.tag or "unknown event" for cls, _ in WORDS])
both_ways = pytest.mark.parametrize("decode", DECODERS)
# 58 classes share the work.
a_share = settings(max_examples=settings.default.max_examples // 6)


def canonical(value: Any) -> str:
    """Give JSON as text that tells 1 from 1.0 and from true; the order of keys says nothing."""
    return json.dumps(value, sort_keys=True)


def violation(decode: Decode, text: str | bytes) -> RemoteViolation:
    with pytest.raises(RemoteViolation) as caught:
        decode(text)
    return caught.value


def strictly(text: str | bytes) -> Record:
    """Decode a server event without forgiving a wrong optional field, to see how it is named."""
    value, kind = load_object(text)
    return from_object(value, SERVER_CLASSES.get(kind, UnknownServerEvent))


# --- round trips ---------------------------------------------------------------------------------------------------


@each_word
@given(data=st.data())
@a_share
def test_any_event_comes_back_equal_from_its_json(cls: type[Record], decode: Decode, data: st.DataObject):
    event = data.draw(records(cls))

    assert decode(encode(event)) == event


@each_word
@given(data=st.data())
@a_share
def test_any_json_comes_back_the_same_from_its_event(cls: type[Record], decode: Decode, data: st.DataObject):
    value = data.draw(objects(cls))

    event = decode(json.dumps(value))

    assert type(event) is cls
    assert canonical(json.loads(encode(event))) == canonical(value)


def test_unknown_keys_nulls_and_items_of_a_new_type_survive_on_every_level():
    value = {
        "type": "response.done",
        "event_id": None,
        "weather": "fine",
        "response": {
            "usage": None,
            "mood": {"glad": None},
            "output": [
                {"type": "message", "role": "assistant", "content": [{"type": "smell", "of": "roses", "text": None}]},
                {"type": "dance", "id": "item_2", "steps": [1, 2.5, None]},
                {"id": "item_3"},
            ],
        },
    }

    event = decode_server(orjson.dumps(value))

    assert isinstance(event, ResponseDone)
    assert isinstance(event.response.output, tuple)
    assert [type(item) for item in event.response.output] == [MessageItem, UnknownItem, UnknownItem]
    assert event.extra == {"event_id": None, "weather": "fine"}
    assert canonical(orjson.loads(encode(event))) == canonical(value)


def test_a_field_that_is_none_is_not_on_the_wire_and_one_named_in_extra_is_null():
    assert orjson.loads(encode(SessionUpdate(session=Session(extra={"tools": None})))) == {
        "type": "session.update",
        "session": {"tools": None},
    }


def test_an_unknown_event_is_kept_whole():
    event = decode_server('{"type":"response.danced","event_id":"event_1","steps":3}')

    assert event == UnknownServerEvent(type="response.danced", event_id="event_1", extra={"steps": 3})
    assert event_type(event) == "response.danced"


def test_the_last_of_duplicate_keys_counts():
    assert decode_client('{"type":"response.cancel","type":"input_audio_buffer.clear"}').tag == (
        "input_audio_buffer.clear"
    )


def test_a_string_of_20_mb_passes():
    audio = "A" * 20_000_000

    event = decode_client(f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}')

    assert event == InputAudioBufferAppend(audio=audio)


def test_integers_up_to_64_bits_keep_their_digits():
    text = f'{{"type":"new","low":{-(2**63)},"high":{2**64 - 1}}}'

    assert orjson.loads(encode(decode_server(text))) == orjson.loads(text)


# --- the recordings of the real service ----------------------------------------------------------------------------


def test_every_recorded_event_is_known_and_encodes_back_without_loss(recording: Path):
    decoders = {"server": decode_server, "client": decode_client}
    for line in recording.read_text("utf-8").splitlines():
        entry = orjson.loads(line)
        event = decoders[entry["dir"]](orjson.dumps(entry["event"]))

        assert not isinstance(event, UnknownServerEvent), event_type(event)
        assert canonical(orjson.loads(encode(event))) == canonical(entry["event"])


def test_the_recordings_hold_no_item_that_we_do_not_know(recordings: list[Path]):
    kinds = {
        event["item"]["type"]
        for path in recordings
        for event in (orjson.loads(line)["event"] for line in path.read_text("utf-8").splitlines())
        if "item" in event
    }

    assert kinds == {"message", "function_call", "function_call_output"}


# --- whatever comes, only RemoteViolation --------------------------------------------------------------------------


@both_ways
@given(message=st.binary() | st.text(st.characters()) | json_values.map(orjson.dumps))
def test_no_message_raises_anything_else(decode: Decode, message: str | bytes):
    with suppress(RemoteViolation):
        decode(message)


@both_ways
@given(data=st.data())
def test_no_object_with_a_type_and_keys_of_ours_raises_anything_else(decode: Decode, data: st.DataObject):
    tags = [*SERVER_CLASSES, *CLIENT_CLASSES]
    keys = st.sampled_from(["event_id", "session", "item", "response", "item_id", "delta", "error", "part"])
    value = data.draw(st.dictionaries(keys | unknown_keys, json_values)) | {"type": data.draw(st.sampled_from(tags))}

    with suppress(RemoteViolation):
        decode(orjson.dumps(value))


DEEP = 5_000
ODDITIES = {
    "nothing": "",
    "a byte order mark": b'\xef\xbb\xbf{"type":"error"}',
    "bytes that are no UTF-8": b'{"type":"error","x":"\xff"}',
    "half a surrogate pair, escaped": '{"type":"error","x":"\\ud800"}',
    "half a surrogate pair, raw": '{"type":"error","x":"\ud800"}',
    "NaN": '{"type":"error","x":NaN}',
    "Infinity": '{"type":"error","x":-Infinity}',
    "a number beyond floats": '{"type":"error","x":1e400}',
    "an integer beyond floats": f'{{"type":"error","x":{"9" * 500}}}',
    "lists too deep": f'{{"type":"error","x":{"[" * DEEP}{"]" * DEEP}}}',
    "objects too deep": '{"type":"error","x":' + '{"x":' * DEEP + "1" + "}" * DEEP + "}",
    "an unclosed object": '{"type":"error"',
    "two objects": '{"type":"error"}{"type":"error"}',
}


@both_ways
@pytest.mark.parametrize("message", ODDITIES.values(), ids=ODDITIES.keys())
def test_what_is_no_json_is_a_violation(decode: Decode, message: str | bytes):
    assert violation(decode, message).problem == "invalid_json"


@both_ways
@pytest.mark.parametrize("message", ["null", "true", "3", '"response.done"', "[{}]"])
def test_json_that_is_no_object_is_a_violation(decode: Decode, message: str):
    assert violation(decode, message).problem == "not_an_object"


@both_ways
@pytest.mark.parametrize("message", ["{}", '{"type":null}', '{"type":5}', '{"type":["error"]}'])
def test_an_object_without_a_type_text_is_a_violation(decode: Decode, message: str):
    assert violation(decode, message).problem == "missing_type"


def test_a_client_event_of_unknown_type_is_a_violation():
    error = violation(decode_client, '{"type":"session.created","session":{}}')

    assert (error.problem, error.event_type) == ("unknown_type", "session.created")


def test_an_unknown_server_event_with_a_bad_event_id_is_kept_whole():
    event = decode_server('{"type":"response.danced","event_id":5}')

    assert event == UnknownServerEvent(type="response.danced", extra={"event_id": 5})
    assert list(misfit_keys(event)) == ["event_id"]


SHAPES = ['{"type":"new","x":%s}', '{"type":"session.created","session":{"prompt":%s}}']


@pytest.mark.parametrize("shape", SHAPES, ids=["extra", "field"])
def test_values_nested_100_deep_come_back_equal(shape: str):
    event = decode_server(shape % ('{"x":' * 100 + "1" + "}" * 100))

    assert decode_server(encode(event)) == event


@pytest.mark.parametrize("shape", SHAPES, ids=["extra", "field"])
@pytest.mark.parametrize("levels", [DEPTH_MAX, 1_000])
def test_a_message_nested_deeper_than_the_bound_is_a_violation(shape: str, levels: int):
    error = violation(decode_server, shape % ('{"x":' * levels + "1" + "}" * levels))

    assert (error.problem, error.event_type) == ("too_deep", json.loads(shape % 1)["type"])
    assert str(DEPTH_MAX) in str(error)


def test_an_event_of_ours_that_is_nested_too_deep_to_be_written_is_refused():
    deep = json.loads("[" * 500 + "]" * 500)

    with pytest.raises(UnsupportedContent):
        encode(UnknownServerEvent(type="new", extra={"x": deep}))


def test_an_integer_beyond_64_bits_is_a_violation_where_an_integer_belongs_and_a_float_elsewhere():
    text = f'{{"type":"conversation.item.truncated","item_id":"i","content_index":0,"audio_end_ms":{2**64}}}'

    assert violation(decode_server, text).field == "audio_end_ms"
    assert decode_server(f'{{"type":"new","x":{2**64}}}').extra == {"x": float(2**64)}


# --- one wrong field is named, and no value is repeated ------------------------------------------------------------

TEXT_MAPS = ("headers", "metadata")
"""Objects whose keys are the sender's words: their own path is the last that an error names."""

FIELD = re.compile(r"[a-z_]+(\.[a-z_]+|\[\d+\])*")
Place = tuple[str | int, ...]


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    """Name every place inside a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from places(inner, (*path, key))


def spelled(path: Place) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


@st.composite
def broken(draw: st.DrawFn, value: dict[str, Any]) -> tuple[Any, Place]:
    """Drop or replace what stands at one place, but the event's own type."""
    damaged = copy.deepcopy(value)
    *parents, last = path = draw(st.sampled_from([path for path in places(value) if path != ("type",)]))
    holder = damaged
    for step in parents:
        holder = holder[step]
    if draw(st.booleans()):
        del holder[last]
    else:
        holder[last] = draw(json_values)
    return damaged, tuple(path)


def told(error: BaseException) -> str:
    """Everything that a log would show of an error, its causes included."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


@each_word
@given(data=st.data())
@a_share
def test_a_damaged_event_decodes_or_names_the_field_and_never_tells_what_was_said(
    cls: type[Record], decode: Decode, data: st.DataObject
):
    whole = {"event_id": f"{SENTINEL}1", **data.draw(objects(cls))}
    damaged, path = data.draw(broken(whole))

    try:
        event = decode(orjson.dumps(damaged))
    except RemoteViolation as violated:
        error = violated
    else:
        assert canonical(json.loads(encode(event))) == canonical(damaged), "accepted, but something was converted"
        return
    assert error.problem == "invalid_field"
    assert error.event_type == (cls.tag or ascii(whole["type"][:64])[1:-1])
    assert error.field
    assert FIELD.fullmatch(error.field)
    in_text_map = error.field.endswith(TEXT_MAPS) and spelled(path).startswith(error.field)
    assert in_text_map or error.field.startswith(spelled(path))
    assert (SENTINEL if cls.tag else f"{SENTINEL}1") not in told(error)


NAMED = [
    ('{"type":"session.created"}', "session", "missing field 'session'"),
    ('{"type":"session.created","session":"x"}', "session", "expected an object, got str"),
    ('{"type":"session.created","session":{"tools":"x"}}', "session.tools", "expected a list, got str"),
    ('{"type":"session.created","session":{"tools":{}}}', "session.tools", "expected a list, got dict"),
    ('{"type":"session.created","session":{"tools":[{},{"name":1}]}}', "session.tools[1].name", "text, got int"),
    ('{"type":"session.created","session":{"tools":[{"headers":{"x":1}}]}}', "session.tools[0].headers", "text, got"),
    ('{"type":"session.created","session":{"prompt":[["x",1]]}}', "session.prompt", "expected an object, got list"),
    ('{"type":"session.created","session":{"tracing":1}}', "session.tracing", "expected text or an object, got int"),
    ('{"type":"session.created","session":{"expires_at":1.5}}', "session.expires_at", "an integer, got float"),
    ('{"type":"session.created","session":{"expires_at":true}}', "session.expires_at", "an integer, got bool"),
    ('{"type":"session.created","session":{"expires_at":"1"}}', "session.expires_at", "an integer, got str"),
    ('{"type":"session.created","session":{"parallel_tool_calls":1}}', "session.parallel_tool_calls", "true or false"),
    ('{"type":"session.created","session":{"audio":{"output":{"speed":"1"}}}}', "session.audio.output.speed", "a num"),
    ('{"type":"response.done","response":{"max_output_tokens":"9"}}', "response.max_output_tokens", "or 'inf', got"),
    ('{"type":"response.done","response":{"output":[3]}}', "response.output[0]", "expected an object, got int"),
    ('{"type":"conversation.item.added","item":{"type":[]}}', "item.type", "expected text, got list"),
    ('{"type":"conversation.item.added","item":{"type":"message","role":"x"}}', "item.content", "missing field"),
    (
        '{"type":"conversation.item.added","item":{"type":"message","role":"x","content":[{"text":1}]}}',
        "item.content[0].text",
        "expected text, got int",
    ),
]


@pytest.mark.parametrize(("text", "field", "detail"), NAMED, ids=[f"{field}: {detail}" for _, field, detail in NAMED])
def test_the_wrong_field_is_named_with_its_path(text: str, field: str, detail: str):
    error = violation(strictly, text)

    assert (error.problem, error.field) == ("invalid_field", field)
    assert detail in str(error)


REQUIRED = {"session", "item.type", "item.content"}
FORGIVEN = [text for text, field, _ in NAMED if field not in REQUIRED]


@pytest.mark.parametrize("text", FORGIVEN)
def test_an_optional_field_of_the_wrong_type_does_not_cost_the_event(text: str):
    event = decode_server(text)

    assert json.loads(encode(event)) == json.loads(text)
    assert list(misfit_keys(event))


@each_word
@given(data=st.data())
@a_share
def test_what_was_forgiven_is_named_and_nothing_of_it_is_lost(cls: type[Record], decode: Decode, data: st.DataObject):
    if decode is not decode_server:
        return
    damaged, _ = data.draw(broken({"event_id": "event_1", **data.draw(objects(cls))}))
    try:
        event = decode(orjson.dumps(damaged))
    except RemoteViolation:
        return

    assert canonical(json.loads(encode(event))) == canonical(damaged)
    try:
        strictly(orjson.dumps(damaged))
    except RemoteViolation:
        assert list(misfit_keys(event))
    else:
        assert not list(misfit_keys(event))


@pytest.mark.parametrize(
    "message",
    [
        f'{{"type":"response.output_audio_transcript.done","transcript":"{SENTINEL}"}}',
        f'{{"type":"response.output_text.delta","delta":["{SENTINEL}"]}}',
        f'{{"type":"response.done","response":{{"metadata":{{"{SENTINEL} @ {SENTINEL}":1}}}}}}',
        f'{{"type":"session.created","session":{{"output_modalities":"{SENTINEL}","{SENTINEL}":1}}}}',
        f'{{"type":"error","error":"{SENTINEL}"}}',
        f'{{"type":"error","error":"{SENTINEL}"',
        f'"{SENTINEL}"',
        f'{{"kind":"{SENTINEL}"}}',
    ],
)
def test_errors_tell_types_and_paths_and_never_the_words(message: str):
    assert SENTINEL not in told(violation(strictly, message))


def test_an_error_shows_64_characters_of_a_type_and_escapes_what_does_not_print():
    kind = "\n\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 20_000_000

    error = violation(decode_client, orjson.dumps({"type": kind, "event_id": 5}))

    assert error.event_type == r"\n\u202e" + "x" * 62
    assert len(str(error)) < 200


# --- records and plain values --------------------------------------------------------------------------------------


def test_a_record_becomes_a_json_object_and_comes_back():
    item = MessageItem(role="user", content=())

    assert to_object(item) == {"type": "message", "role": "user", "content": []}
    assert from_object(to_object(item), MessageItem) == item


@given(objects(Tool))
def test_a_record_can_be_made_of_plain_values_as_of_json(value: dict[str, Any]):
    assert canonical(to_object(from_object(value, Tool))) == canonical(value)


def test_a_record_made_of_plain_values_does_not_change_with_them():
    prompt = {"id": "pmpt_1"}
    session = from_object({"prompt": prompt}, Session)

    prompt["id"] = "pmpt_2"

    assert session.prompt == {"id": "pmpt_1"}


@pytest.mark.parametrize(
    ("value", "cls", "kind", "field"),
    [
        ({"threshold": "loud"}, TurnDetection, "TurnDetection", "threshold"),
        ({"call_id": "call_1"}, FunctionCallOutputItem, "function_call_output", "output"),
        ({"metadata": {1: "x"}}, Response, "Response", "metadata"),
    ],
)
def test_plain_values_that_do_not_fit_are_a_violation(value: Any, cls: type[Record], kind: str, field: str):
    with pytest.raises(RemoteViolation) as caught:
        from_object(value, cls)

    assert (caught.value.event_type, caught.value.field) == (kind, field)


def test_load_object_gives_the_object_and_its_type():
    assert load_object(b'{"type":"new","x":[1]}') == ({"type": "new", "x": [1]}, "new")


def test_event_type_is_the_tag_or_the_unknown_events_own():
    assert event_type(InputAudioBufferAppend(audio="")) == "input_audio_buffer.append"
    assert event_type(UnknownServerEvent(type="new")) == "new"


@pytest.mark.parametrize(
    "output",
    [{1, 2}, 2**64, "half a pair: \ud800", {1: "a key that is no text"}, object()],
    ids=["set", "65 bits", "surrogate", "key", "object"],
)
def test_what_json_can_not_say_is_refused_when_encoding(output: Any):
    event = ConversationItemAdded(item=FunctionCallOutputItem(call_id="call_1", output=output))

    with pytest.raises(UnsupportedContent, match=r"^conversation\.item\.added can't be written as JSON: "):
        encode(event)


@given(words)
def test_text_of_any_script_passes_unescaped(text: str):
    assert decode_client(encode(InputAudioBufferAppend(audio=text))) == InputAudioBufferAppend(audio=text)

"""The translation endpoint's words: complete by openai-python's types, whole after a round trip, apart from ours."""

import inspect
from typing import Any, get_args

import openai.types.realtime as openai_types
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_wire_events import differences, models_by_tag
from wire_strategies import objects, records

from engine.errors import RemoteViolation
from engine.wire import translation
from engine.wire.codec import (
    decode_client,
    decode_server,
    decode_translation_client,
    decode_translation_server,
    encode,
    event_type,
    to_object,
)
from engine.wire.record import Record, unknown_keys
from engine.wire.server import SessionUpdated, UnknownServerEvent
from engine.wire.session import NoiseReduction, Transcription
from engine.wire.translation import (
    TRANSLATION_CLIENT_CLASSES,
    TRANSLATION_SERVER_CLASSES,
    TranslationAudio,
    TranslationAudioInput,
    TranslationAudioOutput,
    TranslationClientEvent,
    TranslationOutputAudioDelta,
    TranslationServerEvent,
    TranslationSession,
    TranslationSessionUpdate,
    TranslationSessionUpdated,
)

OPENAI_SERVER = models_by_tag(openai_types.RealtimeTranslationServerEvent)
OPENAI_CLIENT = models_by_tag(openai_types.RealtimeTranslationClientEvent)
SIDES = [
    pytest.param(OPENAI_SERVER, TRANSLATION_SERVER_CLASSES, decode_translation_server, id="server"),
    pytest.param(OPENAI_CLIENT, TRANSLATION_CLIENT_CLASSES, decode_translation_client, id="client"),
]
EVERY = [
    pytest.param(cls, decode, id=f"{side}-{tag}")
    for side, classes, decode in (
        ("server", TRANSLATION_SERVER_CLASSES, decode_translation_server),
        ("client", TRANSLATION_CLIENT_CLASSES, decode_translation_client),
    )
    for tag, cls in classes.items()
]
SESSION = {
    "type": "translation",
    "id": "sess_1",
    "model": "gpt-realtime-translate",
    "expires_at": 1756324625,
    "audio": {
        "input": {"transcription": {"model": "gpt-4o-transcribe"}, "noise_reduction": {"type": "near_field"}},
        "output": {"language": "es"},
    },
}
OPENAI_EXAMPLES: dict[str, dict[str, Any]] = {
    "session.created": {"session": SESSION},
    "session.updated": {"session": SESSION},
    "session.closed": {},
    "session.input_transcript.delta": {"delta": "Good morning", "elapsed_ms": 400},
    "session.output_transcript.delta": {"delta": " Buenos", "elapsed_ms": 400},
    "session.output_audio.delta": {
        "delta": "AAAA",
        "sample_rate": 24000,
        "channels": 1,
        "format": "pcm16",
        "elapsed_ms": 600,
    },
    "error": {"error": {"type": "invalid_request_error", "code": "invalid_value", "message": "No."}},
}


@pytest.mark.parametrize(("theirs", "ours", "decode"), SIDES)
def test_the_table_has_exactly_the_types_of_openai_python(theirs, ours, decode):
    assert set(ours) == set(theirs)


def test_each_union_has_exactly_the_classes_of_its_table():
    assert set(get_args(TranslationServerEvent)) == {*TRANSLATION_SERVER_CLASSES.values(), UnknownServerEvent}
    assert set(get_args(TranslationClientEvent)) == set(TRANSLATION_CLIENT_CLASSES.values())


@pytest.mark.parametrize(("theirs", "ours", "decode"), SIDES)
def test_each_field_of_openai_python_is_a_field_of_ours_with_room_for_its_values(theirs, ours, decode):
    assert [line for tag, cls in ours.items() for line in differences(theirs[tag], cls, tag)] == []


@pytest.mark.parametrize(("cls", "decode"), EVERY)
@given(data=st.data())
def test_any_event_comes_back_equal_from_its_json(cls, decode, data):
    event = data.draw(records(cls))
    assert decode(encode(event)) == event


@pytest.mark.parametrize(("cls", "decode"), EVERY)
@given(data=st.data())
def test_any_json_comes_back_the_same_from_its_event(cls, decode, data):
    value = data.draw(objects(cls))
    assert orjson.loads(encode(decode(orjson.dumps(value)))) == value


@pytest.mark.parametrize("tag", TRANSLATION_SERVER_CLASSES)
def test_what_openai_python_writes_is_read_whole_and_what_we_write_is_valid_there(tag: str):
    theirs = OPENAI_SERVER[tag].model_validate({"type": tag, "event_id": "event_1", **OPENAI_EXAMPLES[tag]})
    ours = decode_translation_server(theirs.model_dump_json(exclude_unset=True))

    assert type(ours) is TRANSLATION_SERVER_CLASSES[tag]
    assert list(unknown_keys(ours)) == []
    assert OPENAI_SERVER[tag].model_validate_json(encode(ours)) == theirs


def test_a_session_update_says_what_openai_python_says():
    update = TranslationSessionUpdate(
        session=TranslationSession(
            audio=TranslationAudio(
                input=TranslationAudioInput(
                    transcription=Transcription(model="gpt-4o-transcribe"),
                    noise_reduction=NoiseReduction(type="far_field"),
                ),
                output=TranslationAudioOutput(language="fr"),
            )
        )
    )
    theirs = OPENAI_CLIENT["session.update"].model_validate_json(encode(update))
    assert theirs.model_dump(exclude_unset=True) == to_object(update)


def test_a_session_event_means_another_thing_at_each_endpoint():
    text = orjson.dumps({"type": "session.updated", "session": SESSION})
    there, here = decode_translation_server(text), decode_server(text)

    assert isinstance(there, TranslationSessionUpdated)
    assert isinstance(here, SessionUpdated)
    assert list(unknown_keys(there)) == []
    assert list(unknown_keys(here)) == ["session.audio.output.language"]


def test_events_of_a_conversation_are_unknown_there():
    event = decode_translation_server('{"type":"response.done","response":{"id":"resp_1"}}')
    assert isinstance(event, UnknownServerEvent)
    assert event_type(event) == "response.done"
    with pytest.raises(RemoteViolation, match="no such client event"):
        decode_translation_client('{"type":"response.create"}')
    with pytest.raises(RemoteViolation, match="no such client event"):
        decode_client('{"type":"session.close"}')


def test_audio_that_is_no_text_is_a_violation_and_never_in_a_repr():
    with pytest.raises(RemoteViolation) as caught:
        decode_translation_server('{"type":"session.output_audio.delta","delta":7}')
    assert caught.value.field == "delta"
    assert "AAAA" not in repr(TranslationOutputAudioDelta(delta="AAAA"))


def test_each_word_says_what_it_means():
    classes = [cls for _, cls in inspect.getmembers(translation, inspect.isclass) if issubclass(cls, Record)]
    assert [cls.__name__ for cls in classes if not cls.__doc__] == []

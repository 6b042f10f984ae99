"""The base of all words: what is typed, what is extra, what is shown."""

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_strategies import records

from engine.wire.client import InputAudioBufferAppend, InputAudioBufferCommit, ResponseCreate, SessionUpdate
from engine.wire.items import Content, FunctionCallItem, MessageItem, UnknownItem
from engine.wire.record import NOTHING_EXTRA, Record, is_odd, known_keys, misfit_keys, unknown_keys
from engine.wire.response import Response
from engine.wire.server import (
    SERVER_CLASSES,
    ConversationItemAdded,
    ResponseDone,
    ResponseOutputAudioDelta,
    UnknownServerEvent,
)
from engine.wire.session import Session, Tool


def test_known_keys_are_the_fields_and_the_type_that_the_class_itself_says():
    assert known_keys(InputAudioBufferAppend) == {"type", "event_id", "audio"}
    assert known_keys(Content) == {"type", "text", "audio", "transcript", "image_url", "detail"}
    assert known_keys(Record) == set()


def test_unknown_keys_are_named_by_path_through_records_and_lists():
    part = Content(text="hello", extra={"mood": "glad"})
    item = MessageItem(role="user", content=(Content(text="hi"), part), extra={"weight": 1})
    event = ConversationItemAdded(item=item, extra={"late": True})

    assert list(unknown_keys(event)) == ["late", "item.weight", "item.content.mood"]


def test_a_known_key_that_was_null_is_not_an_unknown_key():
    assert list(unknown_keys(ResponseCreate(extra={"event_id": None, "response": None}))) == []


def test_all_keys_of_an_unknown_event_are_unknown_but_its_type_and_id():
    event = UnknownServerEvent(type="response.danced", event_id="event_1", extra={"steps": 3})

    assert list(unknown_keys(event)) == ["steps"]


@pytest.mark.parametrize("cls", SERVER_CLASSES.values(), ids=lambda cls: cls.__name__)
@settings(max_examples=10)
@given(data=st.data())
def test_a_record_is_odd_exactly_when_a_key_of_it_is_unknown_or_does_not_fit(cls, data):
    record = data.draw(records(cls))
    assert is_odd(record) == bool([*unknown_keys(record), *misfit_keys(record)])


def test_explicit_nulls_make_no_record_odd_on_any_level():
    item = FunctionCallItem(name="look_up", arguments="{}", extra={"id": None})
    event = ConversationItemAdded(item=item, extra={"previous_item_id": None})
    assert not is_odd(event)
    assert is_odd(attrs.evolve(event, item=attrs.evolve(item, extra={"id": None, "new": None})))
    assert is_odd(ResponseDone(response=Response(output=(item, attrs.evolve(item, extra={"status": 1})))))


def test_a_record_without_extra_shares_one_empty_mapping_that_nobody_can_fill():
    assert Session().extra is NOTHING_EXTRA
    with pytest.raises(TypeError):
        NOTHING_EXTRA["key"] = 1  # type: ignore[index]


def test_records_are_frozen():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Session().model = "gpt-realtime"  # type: ignore[misc]


def test_records_take_no_field_by_position():
    with pytest.raises(TypeError):
        InputAudioBufferAppend("AAAA")  # type: ignore[misc]


def test_records_that_differ_only_in_extra_are_not_equal():
    assert InputAudioBufferCommit() == InputAudioBufferCommit(extra={})
    assert InputAudioBufferCommit() != InputAudioBufferCommit(extra={"event_id": None})


def test_a_record_of_texts_and_numbers_can_be_hashed_whatever_its_extra_holds():
    assert len({Content(text="hi"), Content(text="hi", extra={"list": []})}) == 2


@pytest.mark.parametrize(
    "record",
    [
        InputAudioBufferAppend(audio="S0VZ"),
        Content(type="input_audio", audio="S0VZ"),
        Content(type="input_image", image_url="data:image/png;base64,S0VZ"),
        ResponseOutputAudioDelta(response_id="r", item_id="i", output_index=0, content_index=0, delta="S0VZ"),
        SessionUpdate(session=Session(tools=(Tool(type="mcp", authorization="S0VZ"),))),
        SessionUpdate(session=Session(tools=(Tool(type="mcp", headers={"Authorization": "S0VZ"}),))),
    ],
    ids=lambda record: type(record).__name__,
)
def test_audio_images_and_secrets_do_not_show_in_repr(record: Record):
    assert "S0VZ" not in repr(record)


def test_fields_of_ours_are_not_named_like_a_method_of_the_base():
    assert {field.name for field in attrs.fields(ResponseDone)} == {"extra", "event_id", "response"}
    assert UnknownItem().tag is None

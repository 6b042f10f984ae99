"""The quick way from JSON objects to records says the same as the explaining one, whatever the object holds."""

import copy
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_strategies import json_values, objects

from engine.wire.client import CLIENT_CLASSES
from engine.wire.codec import decode_server
from engine.wire.converters import WRONG, make_converter
from engine.wire.items import FunctionCallItem
from engine.wire.quick_records import quick_factory
from engine.wire.record import Record
from engine.wire.server import SERVER_CLASSES, UnknownServerEvent
from engine.wire.session import Session

QUICK = make_converter(detailed=False, records=quick_factory)
SLOW = make_converter(detailed=False)
CLASSES = [*SERVER_CLASSES.values(), *CLIENT_CLASSES.values(), UnknownServerEvent]


def outcome(converter, value, cls: type[Record]) -> str | None:
    """What becomes of a value, down to 1, 1.0 and true, and to the order of what is extra; None where it is refused."""
    try:
        record = converter.structure(value, cls)
    except WRONG:
        return None
    return repr(told(record))


def told(part: Any) -> Any:
    if isinstance(part, Record):
        fields = {field.name: told(getattr(part, field.name)) for field in attrs.fields(type(part))}
        return type(part).__name__, fields | {"extra": list(part.extra.items())}
    return [told(each) for each in part] if isinstance(part, tuple) else part


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """Put something else in one place of a value, however deep, or take it out."""
    value = copy.copy(value)
    places = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not places or draw(st.integers(0, 4)) == 0:
        return draw(json_values)
    at = draw(st.sampled_from(places))
    if isinstance(value, dict) and draw(st.integers(0, 4)) == 0:
        del value[at]
    else:
        value[at] = draw(changed(value[at]))
    return value


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@settings(max_examples=10)
@given(data=st.data())
def test_it_gives_what_the_explaining_way_gives_and_refuses_what_that_refuses(cls, data):
    value = data.draw(objects(cls))
    assert outcome(QUICK, value, cls) == outcome(SLOW, value, cls) is not None

    damaged = data.draw(changed(value))
    assert outcome(QUICK, damaged, cls) == outcome(SLOW, damaged, cls)


@pytest.mark.parametrize("value", [None, 1, "text", [], {}, {"arguments": "{}"}, {"name": 1, "arguments": "{}"}])
def test_what_is_no_such_object_is_refused(value):
    assert outcome(QUICK, value, FunctionCallItem) is None


def test_a_null_is_kept_beside_the_field_and_a_flag_or_a_fraction_is_no_whole_number():
    assert QUICK.structure({"model": None}, Session) == Session(extra={"model": None})
    for wrong in (True, 1.5, "1"):
        limits = {"type": "server_vad", "silence_duration_ms": wrong}
        value = {"audio": {"input": {"turn_detection": limits}}}
        assert outcome(QUICK, value, Session) is outcome(SLOW, value, Session) is None


def test_brackets_in_words_make_no_message_too_deep():
    event = decode_server('{"type":"error","error":{"message":"' + "[{" * 500 + '"}}')
    assert event.error.message == "[{" * 500

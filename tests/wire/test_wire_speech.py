"""The fast way in for speech: whatever it reads, the codec reads the same; whatever it can't, it leaves alone."""

import json
from string import printable

import pybase64
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.errors import RemoteViolation
from engine.wire.codec import decode_server, from_object, load_object
from engine.wire.server import ResponseOutputAudioDelta
from engine.wire.speech import read_speech

PLACE = {"event_id": "event_1", "response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 1}
MESSAGE = {"type": "response.output_audio.delta", **PLACE, "delta": pybase64.b64encode_as_string(bytes(range(96)))}
COMPACT = json.dumps(MESSAGE, separators=(",", ":"))
SPACED = json.dumps(MESSAGE)

audio = st.binary(max_size=60).map(pybase64.b64encode_as_string)
texts = st.text(max_size=8) | st.text(printable, max_size=8)


def the_slow_way(text):
    """Give what the codec makes of it, or None."""
    try:
        value, kind = load_object(text)
        return from_object(value, ResponseOutputAudioDelta) if kind == ResponseOutputAudioDelta.tag else None
    except RemoteViolation:
        return None


def both_ways(text):
    """Read it, and make sure that the codec reads the same; or that this leaves it to the codec."""
    event = read_speech(text)
    if event is not None:
        slow = the_slow_way(text)
        assert type(event) is type(slow)
        assert event == slow
        assert (event.extra, repr(event)) == (slow.extra, repr(slow))
        assert (type(event.output_index), type(event.content_index)) == (int, int)
    return event


@pytest.mark.parametrize("text", [COMPACT, SPACED])
def test_speech_as_the_service_writes_it_takes_the_fast_way(text):
    assert both_ways(text) == the_slow_way(text) == decode_server(text) == decode_server(text.encode())


@given(
    st.tuples(texts, texts, texts, st.integers(-3, 10**12), st.integers(0, 3), audio | texts),
    st.booleans(),
    st.sampled_from([None, (",", ":")]),
)
def test_any_values_are_read_as_the_codec_reads_them(values, ensure_ascii, separators):
    fields = dict(zip(MESSAGE, [ResponseOutputAudioDelta.tag, *values], strict=True))
    text = json.dumps(fields, ensure_ascii=ensure_ascii, separators=separators)
    event, slow = both_ways(text), the_slow_way(text)
    assert decode_server(text) == slow if slow is not None else event is None


@given(st.sampled_from([COMPACT, SPACED]), st.data())
def test_a_message_that_is_changed_anywhere_is_read_as_the_codec_reads_it(text, data):
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        gone = data.draw(st.integers(0, 2))
        text = (
            text[:at]
            + data.draw(st.text(max_size=2) | st.text('"\\,:{}0123456789 \n\t-=A/+_', max_size=2))
            + text[at + gone :]
        )
    both_ways(text)


@given(st.text())
def test_any_text_raises_nothing(text):
    both_ways(text)


@example(json.dumps(MESSAGE | {"obfuscation": "x"}))
@example(json.dumps(dict(reversed(MESSAGE.items()))))
@example(json.dumps(MESSAGE | {"delta": None}))
@example(json.dumps(MESSAGE | {"output_index": 0.0}))
@example(json.dumps(MESSAGE | {"content_index": True}))
@example(json.dumps(MESSAGE | {"event_id": None}))
@example(COMPACT.replace(":0,", ":00,"))
@example(COMPACT.replace(":0,", ":-0,"))
@example(COMPACT.replace(":0,", ":٣,"))
@example(COMPACT.replace("resp_1", "r\\u0065sp"))
@example(COMPACT.replace("resp_1", "r\nsp"))
@example(COMPACT.replace("resp_1", "répons"))
@example(COMPACT.replace('"delta":"', '"delta":"\\u0041'))
@example(COMPACT.replace('"delta":"', '"delta":"AAAA","delta":"'))
@example(COMPACT.replace('"delta":"', '"delta":"A\n\n\n'))
@example(COMPACT.replace('"delta":"', '"delta":"é'))
@example(COMPACT[:-2] + ',"delta":"AAAA"}')
@example(COMPACT + " ")
@example(" " + COMPACT)
@example(COMPACT[:-1])
@example(COMPACT + "}")
@example("")
@given(st.just(""))
def test_whatever_is_unusual_is_left_to_the_codec(text):
    assert both_ways(text) is None


def test_a_piece_without_audio_is_read_too():
    text = json.dumps(MESSAGE | {"delta": ""})
    assert both_ways(text).delta == ""

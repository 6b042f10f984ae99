"""The model's speech in the application's shape: a stream an item, its length exact, none forgotten unseen."""

import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audio.converter import Converter
from engine.audio.output import OPEN_ITEMS_MAX, OutputConverter
from engine.audio.pcm import tone
from engine.audio.shape import AudioShape

WIRE = AudioShape()
PHONE = AudioShape("pcmu", 8_000)
SPEAKER = AudioShape("pcm", 48_000, 2)


def converted(audio, shape):
    converter = Converter(WIRE, shape)
    return converter.push(audio) + converter.finish()


def cut(audio, size):
    return [audio[at : at + size] for at in range(0, len(audio), size)]


def test_equal_shapes_pass():
    assert OutputConverter(WIRE, AudioShape()).passes
    assert not OutputConverter(WIRE, PHONE).passes


@given(
    st.sampled_from([PHONE, SPEAKER, AudioShape("pcm", 16_000), AudioShape("pcm", 44_100), AudioShape(channels=2)]),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5_000)), max_size=20),
)
def test_each_item_is_converted_as_if_it_were_alone_and_its_length_is_exact(shape, pieces):
    output, given_, got = OutputConverter(WIRE, shape), dict.fromkeys("abc", b""), dict.fromkeys("abc", b"")
    for item_id, size in pieces:
        piece = tone(440, 200)[:size]
        given_[item_id] += piece
        got[item_id] += output.push(item_id, pybase64.b64encode(piece).decode())
    for item_id, audio in given_.items():
        got[item_id] += output.item_done(item_id)
        assert got[item_id] == converted(audio, shape)
    assert output.open_items == ()


def test_bytes_are_taken_as_base64_text_is():
    output = OutputConverter(WIRE, AudioShape(channels=2))
    assert output.push("a", b"\1\2") == output.push("a", "AQI=") == b"\1\2\1\2"


def test_the_end_of_an_item_comes_once():
    output = OutputConverter(WIRE, PHONE)
    output.push("a", tone(440, 50))
    assert output.item_done("a")
    assert output.item_done("a") == output.item_done("never seen") == b""


def test_a_dropped_item_leaves_nothing_to_the_next():
    output = OutputConverter(WIRE, PHONE)
    output.push("a", tone(880, 70))
    output.dropped("a")
    output.dropped("never seen")
    assert output.item_done("a") == b""
    assert output.push("b", tone(440, 50)) + output.item_done("b") == converted(tone(440, 50), PHONE)


def test_text_that_is_no_base64_is_refused_and_the_stream_goes_on():
    output = OutputConverter(WIRE, PHONE)
    first = output.push("a", tone(440, 100)[:2_000])
    with pytest.raises(ValueError, match="base64"):
        output.push("a", "no base64!")
    rest = output.push("a", tone(440, 100)[2_000:]) + output.item_done("a")
    assert first + rest == converted(tone(440, 100), PHONE)


def test_a_server_that_never_ends_its_items_costs_a_bounded_number_of_them():
    output = OutputConverter(WIRE, PHONE)
    for number in range(OPEN_ITEMS_MAX + 3):
        output.push(f"item {number}", tone(440, 20))
        output.push("in use", tone(440, 20))
    assert len(output.open_items) == OPEN_ITEMS_MAX
    assert output.open_items[-1] == "in use"
    assert output.forgotten_items == 4


def test_what_an_item_needed_serves_the_next_ones():
    output = OutputConverter(WIRE, SPEAKER)
    for item_ids in (["a"], ["b", "c", "d", "e"], ["f"]):
        for item_id in item_ids:
            output.push(item_id, tone(440, 30))
        for item_id in item_ids:
            assert output.item_done(item_id)
    assert output.push("g", tone(440, 30)) + output.item_done("g") == converted(tone(440, 30), SPEAKER)


def test_pieces_may_end_inside_a_sample():
    output = OutputConverter(WIRE, AudioShape(channels=2))
    assert b"".join(output.push("a", piece) for piece in cut(b"\1\2\3\4\5\6", 3)) == b"\1\2\1\2\3\4\3\4\5\6\5\6"

"""Cutting and joining a byte stream to frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audio.framing import Framer
from engine.errors import ConfigError


@given(st.integers(1, 40), st.lists(st.binary(max_size=100), max_size=30))
def test_frames_and_rest_joined_are_what_was_pushed(frame_bytes, pieces):
    framer = Framer(frame_bytes)
    frames = []
    for piece in pieces:
        frames += framer.push(piece)
        assert 0 <= framer.rest < frame_bytes
    assert all(len(frame) == frame_bytes for frame in frames)
    rest_bytes = framer.rest
    rest = framer.flush()
    assert len(rest) == rest_bytes
    assert b"".join(frames) + rest == b"".join(pieces)


@given(st.integers(1, 40), st.binary(max_size=500))
def test_how_the_stream_is_cut_makes_no_difference(frame_bytes, data):
    at_once = Framer(frame_bytes)
    byte_by_byte = Framer(frame_bytes)
    frames = [frame for at in range(len(data)) for frame in byte_by_byte.push(data[at : at + 1])]
    assert frames == at_once.push(data)
    assert byte_by_byte.rest == at_once.rest


def test_a_frame_comes_with_the_push_that_fills_it():
    framer = Framer(1920)
    assert framer.push(bytes(960)) == []
    assert framer.rest == 960
    assert framer.push(bytes(960)) == [bytes(1920)]
    assert framer.rest == 0


def test_an_exact_frame_is_handed_on_without_a_copy():
    frame = bytes(range(8))
    assert Framer(8).push(frame)[0] is frame


def test_flush_forgets_what_it_gave():
    framer = Framer(4)
    framer.push(b"abcdef")
    assert framer.flush() == b"ef"
    assert framer.flush() == b""
    assert framer.rest == 0
    assert framer.push(b"wxyz") == [b"wxyz"]


def test_the_caller_may_reuse_its_buffer():
    framer = Framer(4)
    buffer = bytearray(b"ab")
    framer.push(buffer)
    buffer[:] = b"cd"
    assert framer.push(memoryview(buffer)) == [b"abcd"]


@pytest.mark.parametrize("frame_bytes", [0, -1])
def test_a_frame_needs_a_byte(frame_bytes):
    with pytest.raises(ConfigError, match="frame_bytes"):
        Framer(frame_bytes)


def test_a_frame_of_one_byte_is_possible():
    assert Framer(1).push(b"ab") == [b"a", b"b"]

"""Microphone audio of any shape as one stream."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audio.converter import Converter
from engine.audio.input import InputConverter
from engine.audio.shape import AudioShape
from engine.errors import ConfigError

WIRE = AudioShape()
PHONE = AudioShape("pcmu", 8_000)
STEREO = AudioShape("pcm", 48_000, 2)
NARROW = AudioShape("pcm", 16_000)


def converted(audio, shape):
    converter = Converter(shape, WIRE)
    return converter.push(audio) + converter.finish()


def test_audio_of_the_wires_shape_is_handed_on_as_it_is():
    stream, audio = InputConverter(WIRE, WIRE), bytes(960)
    assert stream.take(audio) is audio
    assert (stream.resamples, stream.finish(), stream.fed_ms) == (False, b"", 20.0)


@given(st.lists(st.tuples(st.sampled_from([None, WIRE, PHONE, STEREO, NARROW]), st.integers(1, 3_000)), max_size=12))
def test_each_run_of_one_shape_is_converted_as_a_stream_of_its_own_in_order(pieces):
    stream, runs, got = InputConverter(NARROW, WIRE), [], b""
    for shape, count in pieces:
        effective = shape or NARROW
        audio = bytes(n * 11 % 251 for n in range(count * effective.frame_bytes))
        got += stream.take(audio, shape)
        if runs and runs[-1][0] == effective:
            runs[-1][1] += audio
        else:
            runs.append([effective, audio])
        assert stream.resamples is (effective.rate_hz != 24_000)
    assert got + stream.finish() == b"".join(converted(audio, shape) for shape, audio in runs)
    assert stream.shape_changes == max(0, len(runs) - 1)
    assert stream.fed_ms == pytest.approx(sum(len(audio) / shape.bytes_per_ms for shape, audio in runs))


def test_a_piece_without_a_byte_is_ignored_and_counted_whatever_its_shape():
    stream = InputConverter(WIRE, WIRE)
    assert (stream.take(b""), stream.take(b"", STEREO)) == (b"", b"")
    assert (stream.empty_pieces, stream.shape_changes, stream.resamples) == (2, 0, False)


def test_a_buffer_may_be_used_again():
    stream, buffer = InputConverter(AudioShape(channels=2), WIRE), bytearray(b"\1\2\1\2")
    assert stream.take(buffer) == stream.take(memoryview(buffer)) == b"\1\2"


def test_what_follows_a_finish_is_a_new_stream():
    stream, audio = InputConverter(NARROW, WIRE), bytes(range(250)) * 16
    first = stream.take(audio) + stream.finish()
    assert stream.take(audio) + stream.finish() == first == converted(audio, NARROW)


def test_a_shape_that_can_not_be_converted_here_changes_nothing(monkeypatch):
    stream = InputConverter(WIRE, WIRE)
    stream.take(bytes(960))
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(ConfigError, match="soxr"):
        stream.take(bytes(960), NARROW)
    assert (stream.fed_ms, stream.shape_changes, stream.resamples) == (20.0, 0, False)
    assert stream.take(b"\1\2") == b"\1\2"

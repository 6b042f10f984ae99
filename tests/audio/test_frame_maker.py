"""Frames of speech: exact in length, the same sound as converted whole, and counted as they go out."""

import pytest
from hypothesis import given, settings, strategies

from engine.audio.converter import Converter
from engine.audio.frame_maker import FrameMaker, held_back_ms
from engine.audio.jitter_buffer import JitterBuffer
from engine.audio.pcm import tone
from engine.audio.shape import AudioShape

PCM = AudioShape("pcm", 24_000)
MU_LAW = AudioShape("pcmu", 8_000)
TARGETS = [PCM, MU_LAW, AudioShape("pcm", 48_000, 2), AudioShape("pcm", 44_100), AudioShape("pcm", 16_000)]


def make(wire, target, frame_ms=20):
    per_ms = wire.rate_hz // 1000 * wire.frame_bytes
    buffer = JitterBuffer(wire.frame_bytes, held_back_ms(wire, target) * per_ms, 1000 * per_ms, 10**9)
    return buffer, FrameMaker(buffer, wire, target, target.rate_hz * frame_ms // 1000)


def drain(maker):
    frames, pieces = [], []
    while maker.waiting_bytes:
        frame, out = maker.frame()
        frames.append(frame)
        pieces += out
    return b"".join(frames), b"".join(piece.audio for piece in pieces)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_the_frames_are_the_sound_converted_whole(target):
    buffer, maker = make(PCM, target)
    said = tone(440, 500) + tone(1000, 333)
    buffer.put("i1", "r1", said[:24_000])
    buffer.put("i1", "r1", said[24_000:])
    buffer.item_done("i1")
    frames, went_out = drain(maker)
    converter = Converter(PCM, target)
    whole = converter.push(said) + converter.finish()
    assert frames[: len(whole)] == whole
    assert frames[len(whole) :] == target.silence((len(frames) - len(whole)) // target.frame_bytes)
    assert went_out == said


def test_equal_rates_hold_nothing_back():
    assert held_back_ms(PCM, AudioShape("pcm", 24_000, 2)) == 0
    assert held_back_ms(MU_LAW, AudioShape("pcm", 8_000)) == 0
    assert 20 <= held_back_ms(PCM, MU_LAW) <= 100


def test_where_two_streams_meet_inside_a_frame_each_is_counted_as_it_goes_out():
    buffer, maker = make(PCM, MU_LAW)
    buffer.put("i1", "r1", tone(440, 30))
    buffer.item_done("i1")
    out = [maker.frame()[1]]
    buffer.put("i2", "r2", tone(440, 100))
    buffer.item_done("i2")
    out += [maker.frame()[1] for _ in range(6)]
    assert [[(piece.item_id, len(piece.audio) // 48) for piece in pieces] for pieces in out] == [
        [("i1", 20)],
        [("i1", 10), ("i2", 10)],
        [("i2", 10), ("i2", 10)],
        [("i2", 10), ("i2", 10)],
        [("i2", 10), ("i2", 10)],
        [("i2", 10), ("i2", 10)],
        [("i2", 10)],
    ]


steps = strategies.lists(
    strategies.one_of(
        strategies.tuples(strategies.just("put"), strategies.sampled_from("ab"), strategies.integers(0, 5000)),
        strategies.tuples(strategies.just("frame"), strategies.none(), strategies.integers(1, 9)),
        strategies.tuples(strategies.just("done"), strategies.sampled_from("ab"), strategies.none()),
        strategies.tuples(
            strategies.just("flush"),
            strategies.none(),
            strategies.sampled_from([frozenset(), frozenset(["r-a"]), frozenset(["r-b"])]),
        ),
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(steps=steps, target=strategies.sampled_from(TARGETS), wire=strategies.sampled_from([PCM, MU_LAW]))
def test_whatever_happens_frames_are_whole_and_each_sample_is_counted_once(steps, target, wire):
    buffer, maker = make(wire, target)
    came = gone = flushed = 0
    for step, name, what in steps:
        match step:
            case "put":
                buffer.put(name, f"r-{name}", b"\x11" * (what * wire.frame_bytes))
                came += what * wire.frame_bytes
            case "done":
                buffer.item_done(name)
            case "flush":
                flushed += maker.flush(what)
            case "frame":
                for _ in range(what):
                    frame, pieces = maker.frame()
                    assert len(frame) == target.rate_hz * 20 // 1000 * target.frame_bytes
                    out = sum(len(piece.audio) for piece in pieces)
                    # Two streams may meet inside a frame, each with its length rounded.
                    assert out <= (20 * wire.rate_hz // 1000 + 4) * wire.frame_bytes
                    gone += out
        assert came == gone + flushed + maker.waiting_bytes
    buffer.end()
    assert gone + len(drain(maker)[1]) + flushed == came

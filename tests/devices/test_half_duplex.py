"""The microphone is closed while the loudspeaker sounds, and opens when the room is quiet."""

from hypothesis import given
from hypothesis import strategies as st

from engine.devices import HalfDuplex


def test_it_is_open_until_something_sounds():
    assert not HalfDuplex().is_closed(0.0)


def test_it_is_closed_from_the_sound_until_its_tail_is_over():
    gate = HalfDuplex(tail_ms=200)
    gate.sounds(10.0, length_ms=20, delay_ms=80)

    assert gate.is_closed(10.0)
    assert gate.is_closed(10.299)
    assert not gate.is_closed(10.301)


def test_a_shorter_delay_later_does_not_open_it_earlier():
    gate = HalfDuplex(tail_ms=0)
    gate.sounds(0.0, length_ms=20, delay_ms=500)
    gate.sounds(0.1, length_ms=20, delay_ms=0)

    assert gate.is_closed(0.5)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 200), st.floats(0, 500)), min_size=1), st.floats(0, 500))
def test_no_sound_is_heard_with_its_tail(sounds, tail_ms):
    gate = HalfDuplex(tail_ms)
    for now, length_ms, delay_ms in sounds:
        gate.sounds(now, length_ms, delay_ms)

    assert all(gate.is_closed(now + (delay + tail_ms) / 1000 - 1e-6) for now, _, delay in sounds if delay + tail_ms > 1)

"""How much silence is owed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audio.silence import SilenceClock

times = st.floats(0, 1e6)


@given(
    began_at=times, rate_hz=st.sampled_from([8_000, 24_000]), frame_ms=st.integers(20, 200), count=st.integers(1, 500)
)
def test_a_stream_of_silence_alone_is_a_frame_at_each_deadline_and_never_drifts(began_at, rate_hz, frame_ms, count):
    frame = frame_ms * rate_hz // 1000
    clock, sent = SilenceClock(rate_hz, frame, began_at), 0
    for number in range(1, count + 1):
        due = clock.due_at(sent)
        assert due == pytest.approx(began_at + number * frame_ms / 1000, rel=1e-12, abs=1e-9)
        assert clock.owed_frames(due, sent) == 1
        sent += frame
        assert clock.owed_frames(due, sent) == 0
        assert clock.due_at(sent) > due


@given(passed=st.floats(0, 3600), sent=st.integers(0, 10**9))
def test_what_is_owed_leaves_less_than_a_frame(passed, sent):
    clock = SilenceClock(24_000, 960, 100.0)
    left = passed * 24_000 - sent - 960 * clock.owed_frames(100.0 + passed, sent)
    assert left < 960
    assert left > -0.02 or clock.owed_frames(100.0 + passed, sent) == 0


def test_audio_ahead_of_the_clock_owes_nothing():
    clock = SilenceClock(24_000, 960, 0.0)
    assert clock.owed_frames(1.0, 48_000) == 0
    assert clock.due_at(48_000) == pytest.approx(2.04)

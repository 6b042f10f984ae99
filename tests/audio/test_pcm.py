"""Formats and units of PCM16 and G.711."""

import math
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audio import pcm
from engine.errors import ConfigError, UnsupportedContent


@pytest.mark.parametrize(("format_type", "count"), [("audio/pcm", 48), ("audio/pcmu", 8), ("audio/pcma", 8)])
def test_each_wire_format_has_its_bytes_per_millisecond(format_type, count):
    assert pcm.bytes_per_ms(format_type) == count


def test_an_unknown_format_is_refused_with_the_known_ones_named():
    with pytest.raises(ConfigError, match="audio/pcmu") as refused:
        pcm.bytes_per_ms("audio/opus")
    assert refused.value.value == "audio/opus"


def test_milliseconds_become_whole_samples_rounded_down():
    assert pcm.ms_to_bytes(20) == 960
    assert pcm.ms_to_bytes(20, 16_000) == 640
    assert pcm.ms_to_bytes(0.05) == 2
    assert pcm.ms_to_bytes(0.04) == 0


def test_bytes_become_milliseconds_with_their_fraction():
    assert pcm.bytes_to_ms(960) == 20.0
    assert pcm.bytes_to_ms(2, 16_000) == 0.0625


@given(st.integers(0, 10**9), st.sampled_from([8_000, 16_000, 24_000, 48_000]))
def test_whole_milliseconds_survive_the_way_to_bytes_and_back(duration_ms, rate_hz):
    assert pcm.bytes_to_ms(pcm.ms_to_bytes(duration_ms, rate_hz), rate_hz) == duration_ms


def test_whole_samples_pass_the_alignment_check_unchanged():
    data = b"\x01\x02\x03\x04"
    assert pcm.is_aligned(data)
    assert pcm.check_aligned(data) is data


def test_half_a_sample_is_refused_with_the_way_out():
    assert not pcm.is_aligned(b"abc")
    with pytest.raises(UnsupportedContent, match="keep the last byte"):
        pcm.check_aligned(b"abc")


def test_silence_is_zeros_of_the_wanted_length():
    assert pcm.silence(100) == bytes(4800)
    assert pcm.silence(100, 8_000) == bytes(1600)


def test_a_tone_has_its_length_level_and_pitch():
    data = pcm.tone(1000, 500, level_dbfs=-6.0)
    samples = struct.unpack(f"<{len(data) // 2}h", data)
    crossings = sum(a < 0 <= b for a, b in pairwise(samples))
    assert len(samples) == 12_000
    assert max(samples) == pytest.approx(32_767 * 10 ** (-6 / 20), rel=0.01)
    assert crossings == pytest.approx(500, abs=1)
    assert pcm.level_dbfs(data) == pytest.approx(-9.0, abs=0.2)


def test_a_tone_begins_and_ends_silent():
    samples = struct.unpack("<2400h", pcm.tone(440, 100))
    assert samples[0] == samples[-1] == 0


def test_a_tone_of_no_length_is_empty():
    assert pcm.tone(440, 0) == b""


@pytest.mark.parametrize("freq_hz", [0, -1, 12_000])
def test_a_pitch_that_the_rate_cannot_hold_is_refused(freq_hz):
    with pytest.raises(ConfigError, match="freq_hz"):
        pcm.tone(freq_hz, 10)


def test_a_tone_louder_than_full_scale_is_refused():
    with pytest.raises(ConfigError, match="level_dbfs"):
        pcm.tone(440, 10, level_dbfs=0.1)


@pytest.mark.parametrize("data", [b"", bytes(960)])
def test_silence_and_no_audio_have_no_level(data):
    assert pcm.level_dbfs(data) == -math.inf


def test_full_scale_has_zero_dbfs():
    assert pcm.level_dbfs(struct.pack("<h", -32_768) * 480) == 0.0


@given(st.binary(max_size=2000).filter(lambda data: len(data) % 2 == 0))
def test_no_audio_is_louder_than_full_scale(data):
    assert pcm.level_dbfs(data) <= 1e-9


def test_half_a_sample_has_no_level():
    with pytest.raises(UnsupportedContent):
        pcm.level_dbfs(b"abc")

"""Changing the sample rate."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.audio.pcm import level_dbfs, tone
from engine.audio.resample import Resampler, from_float, resample_pcm16, to_float
from engine.errors import ConfigError, UnsupportedContent


@pytest.mark.parametrize(("from_hz", "to_hz"), [(16_000, 24_000), (24_000, 16_000), (48_000, 24_000), (8_000, 24_000)])
def test_a_tone_keeps_its_length_and_level(from_hz, to_hz):
    there = resample_pcm16(tone(440, 1000, rate_hz=from_hz), from_hz, to_hz)
    assert len(there) == to_hz * 2
    assert level_dbfs(there) == pytest.approx(level_dbfs(tone(440, 1000, rate_hz=from_hz)), abs=0.05)


def test_the_same_rate_gives_the_same_bytes():
    pcm = tone(440, 20)
    assert resample_pcm16(pcm, 24_000, 24_000) is pcm


def test_a_stream_is_what_the_whole_would_be():
    pcm = tone(440, 1000, rate_hz=24_000)
    resampler = Resampler(24_000, 16_000)
    pieces = [resampler.push(pcm[at : at + 960]) for at in range(0, len(pcm), 960)]
    joined = b"".join(pieces) + resampler.finish()
    whole = resample_pcm16(pcm, 24_000, 16_000)
    assert len(joined) == len(whole)
    differences = zip(struct.unpack("<16000h", joined), struct.unpack("<16000h", whole), strict=True)
    assert max(abs(a - b) for a, b in differences) <= 1


def test_a_finished_or_reset_resampler_starts_anew():
    resampler = Resampler(24_000, 16_000)
    pcm = tone(440, 100)
    first = resampler.push(pcm) + resampler.finish()
    resampler.push(tone(880, 70))
    resampler.reset()
    assert resampler.push(pcm) + resampler.finish() == first


def test_a_stream_of_the_same_rate_passes_through():
    resampler = Resampler(24_000, 24_000)
    pcm = tone(440, 20)
    assert resampler.push(pcm) is pcm
    resampler.reset()
    assert resampler.finish() == b""


def test_the_fast_filter_holds_back_at_most_20_ms():
    resampler = Resampler(24_000, 16_000, quality="LQ")
    ready = 0
    for pushed in range(1, 101):
        ready += len(resampler.push(tone(440, 20))) // 2
        assert pushed * 320 - ready <= 320


@pytest.mark.parametrize(("from_hz", "to_hz", "field"), [(0, 24_000, "from_hz"), (24_000, -1, "to_hz")])
def test_a_rate_must_be_over_zero(from_hz, to_hz, field):
    with pytest.raises(ConfigError, match=field):
        resample_pcm16(b"", from_hz, to_hz)
    with pytest.raises(ConfigError, match=field):
        Resampler(from_hz, to_hz)


def test_half_a_sample_is_refused():
    with pytest.raises(UnsupportedContent):
        resample_pcm16(b"abc", 24_000, 16_000)
    with pytest.raises(UnsupportedContent):
        Resampler(24_000, 16_000).push(b"abc")


@settings(max_examples=50)
@given(st.lists(st.integers(-32_768, 32_767)))
def test_samples_survive_the_way_to_float_and_back(samples):
    pcm = struct.pack(f"<{len(samples)}h", *samples)
    assert from_float(to_float(pcm)) == pcm


def test_what_is_too_loud_is_clipped_not_wrapped():
    loud = to_float(struct.pack("<2h", 20_000, -20_000)) * 4
    assert struct.unpack("<2h", from_float(loud)) == (32_767, -32_768)


def test_channels_are_resampled_each_by_itself_or_mixed_first():
    left, right = tone(440, 100, rate_hz=16_000), tone(660, 100, rate_hz=16_000)
    both = b"".join(left[at : at + 2] + right[at : at + 2] for at in range(0, len(left), 2))
    resampler = Resampler(16_000, 24_000, channels=2)
    samples = struct.unpack("<4800h", resampler.push(both) + resampler.finish())
    alone = [struct.unpack("<2400h", resample_stream(each)) for each in (left, right)]
    assert (samples[0::2], samples[1::2]) == tuple(alone)
    mixer = Resampler(16_000, 24_000, channels=2, mix=True)
    mixed = struct.unpack("<2400h", mixer.push(both) + mixer.finish())
    assert max(abs(a + b - 2 * c) for a, b, c in zip(*alone, mixed, strict=True)) <= 2


def resample_stream(pcm):
    resampler = Resampler(16_000, 24_000)
    return resampler.push(pcm) + resampler.finish()


def test_stereo_that_ends_between_the_channels_is_refused():
    with pytest.raises(UnsupportedContent, match="between the channels"):
        Resampler(16_000, 24_000, channels=2).push(bytes(6))


@settings(max_examples=50)
@given(st.sampled_from([8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000]), st.integers(0, 3_000))
def test_the_length_is_the_rounded_share(from_hz, count):
    resampler = Resampler(from_hz, 24_000)
    got = len(resampler.push(bytes(2 * count)) + resampler.finish()) // 2
    assert got == (2 * count * 24_000 + from_hz) // (2 * from_hz)

"""One channel of two, and two of one."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audio.channels import to_mono, to_stereo
from engine.errors import UnsupportedContent

sample = st.integers(-32_768, 32_767)


def pcm(samples):
    return struct.pack(f"<{len(samples)}h", *samples)


@given(st.lists(st.tuples(sample, sample)))
def test_mono_is_the_mean_of_each_pair(pairs):
    stereo = pcm([value for pair in pairs for value in pair])
    assert to_mono(stereo) == pcm([(left + right + 1) // 2 for left, right in pairs])


def test_the_loudest_pairs_do_not_wrap():
    assert to_mono(pcm([-32_768, -32_768, 32_767, 32_767, -32_768, 32_767])) == pcm([-32_768, 32_767, 0])


@given(st.lists(sample))
def test_both_channels_of_stereo_are_the_mono_samples(samples):
    assert to_stereo(pcm(samples)) == pcm([value for value in samples for _ in "lr"])
    assert to_mono(to_stereo(pcm(samples))) == pcm(samples)


@pytest.mark.parametrize("size_bytes", [1, 2, 3, 5])
def test_stereo_that_ends_within_a_pair_is_refused(size_bytes):
    with pytest.raises(UnsupportedContent, match="within a pair"):
        to_mono(bytes(size_bytes))


def test_mono_that_ends_within_a_sample_is_refused():
    with pytest.raises(UnsupportedContent):
        to_stereo(b"abc")

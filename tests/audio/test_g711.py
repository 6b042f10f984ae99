"""G.711 by the letter of the recommendation, against its own figures and other people's tables."""

import io
import struct
import warnings
from itertools import pairwise

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from engine.audio.g711 import LAWS, a_law, decode, encode, mu_law
from engine.errors import UnsupportedContent

EVERY_SAMPLE = range(-32_768, 32_768)
EVERY_CODE = bytes(range(256))
LAW_NAMES = pytest.mark.parametrize("name", ["pcmu", "pcma"])


def pcm(*samples):
    return struct.pack(f"<{len(samples)}h", *samples)


def values(data):
    return struct.unpack(f"<{len(data) // 2}h", data)


def coded(name):
    """Give the code of every sample."""
    return dict(zip(EVERY_SAMPLE, encode(LAWS[name](), pcm(*EVERY_SAMPLE)), strict=True))


def other_peoples(name):
    """The codes as libsndfile decodes them."""
    subtype = {"pcmu": "ULAW", "pcma": "ALAW"}[name]
    samples, _ = soundfile.read(
        io.BytesIO(EVERY_CODE), dtype="int16", format="RAW", subtype=subtype, samplerate=8000, channels=1
    )
    return samples.tolist()


@LAW_NAMES
def test_every_code_is_decoded_as_libsndfile_does(name):
    assert list(values(decode(LAWS[name](), EVERY_CODE))) == other_peoples(name)


@LAW_NAMES
def test_every_code_survives_the_way_to_samples_and_back(name):
    law = LAWS[name]()
    again = encode(law, decode(law, EVERY_CODE))
    # Mu-law has two zeros, and a sample can only have one.
    assert again == (EVERY_CODE.replace(b"\x7f", b"\xff") if name == "pcmu" else EVERY_CODE)


@pytest.mark.parametrize(
    ("name", "codes"),
    # Ends of the segments, tables 1a to 2b: the first sample of the interval, and the last of the one below.
    [
        ("pcmu", {0: 0xFF, 3: 0xFF, 4: 0xFE, 11: 0xFE, 12: 0xFD, 123: 0xF0, 124: 0xEF, 379: 0xE0, 380: 0xDF}),
        ("pcmu", {891: 0xD0, 892: 0xCF, 1915: 0xC0, 1916: 0xBF, 3963: 0xB0, 3964: 0xAF, 8059: 0xA0, 8060: 0x9F}),
        ("pcmu", {16251: 0x90, 16252: 0x8F, 31611: 0x81, 31612: 0x80, 32635: 0x80, 32767: 0x80}),
        ("pcmu", {-1: 0x7F, -4: 0x7F, -5: 0x7E, -124: 0x70, -125: 0x6F, -31613: 0x00, -32768: 0x00}),
        ("pcma", {0: 0xD5, 15: 0xD5, 16: 0xD4, 511: 0xCA, 512: 0xF5, 1023: 0xFA, 1024: 0xE5, 2047: 0xEA}),
        ("pcma", {2048: 0x95, 4095: 0x9A, 4096: 0x85, 8191: 0x8A, 8192: 0xB5, 16383: 0xBA, 16384: 0xA5, 32767: 0xAA}),
        ("pcma", {-1: 0x55, -16: 0x55, -17: 0x54, -512: 0x4A, -513: 0x75, -16384: 0x3A, -16385: 0x25, -32768: 0x2A}),
    ],
)
def test_the_decision_values_are_the_recommendations(name, codes):
    assert {sample: coded(name)[sample] for sample in codes} == codes


@LAW_NAMES
def test_a_code_stands_for_one_interval_and_is_decoded_to_its_middle(name):
    law, intervals = LAWS[name](), {}
    for sample, code in coded(name).items():
        intervals.setdefault(code, []).append(sample)
    for code, samples in intervals.items():
        assert samples == list(range(samples[0], samples[-1] + 1))
        if name != "pcmu" or code & 0x7F not in {0x00, 0x7F}:  # the loudest is open, the softest half as wide
            middle = (samples[0] + samples[-1]) / 2
            assert abs(values(decode(law, bytes([code])))[0] - middle) == 0.5


@LAW_NAMES
def test_louder_is_never_softer(name):
    law = LAWS[name]()
    heard = values(decode(law, encode(law, pcm(*EVERY_SAMPLE))))
    assert all(lower <= higher for lower, higher in pairwise(heard))


@LAW_NAMES
def test_the_codes_are_audioops_where_audioop_keeps_to_the_recommendation(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")
    theirs = {"pcmu": audioop.lin2ulaw, "pcma": audioop.lin2alaw}[name](pcm(*EVERY_SAMPLE), 2)
    ours = encode(LAWS[name](), pcm(*EVERY_SAMPLE))
    # For mu-law it rounds negative samples away from 0 before it looks for the interval: -1 becomes -8.
    first = 32_768 if name == "pcmu" else 0
    assert ours[first:] == theirs[first:]


@LAW_NAMES
@given(samples=st.lists(st.integers(-32_768, 32_767)))
def test_the_error_is_at_most_a_thirtieth_of_the_sample_or_half_a_step(name, samples):
    law = LAWS[name]()
    for before, after in zip(samples, values(decode(law, encode(law, pcm(*samples)))), strict=True):
        assert abs(before - after) <= max(8, abs(before) / 30 + 4)


def test_silence_is_the_code_of_zero():
    assert (mu_law().silence, a_law().silence) == (0xFF, 0xD5)


def test_the_tables_are_made_once():
    assert mu_law() is mu_law()
    assert a_law() is a_law()


@LAW_NAMES
def test_no_audio_is_no_audio(name):
    assert decode(LAWS[name](), b"") == encode(LAWS[name](), b"") == b""


def test_half_a_sample_is_refused():
    with pytest.raises(UnsupportedContent):
        encode(mu_law(), b"abc")

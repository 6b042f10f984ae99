"""Audio of any shape to any other, as a stream: the same samples however it is cut, the length exact, and clean."""

import struct
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.resampling import BAND, RATES_HZ, ideal, made, quantised, snr_db, speech
from engine.audio.converter import Converter, check_convertible
from engine.audio.g711 import LAWS, decode, encode
from engine.audio.shape import AudioShape
from engine.errors import ConfigError

WIRE = AudioShape()
RATES = st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
SHAPES = st.builds(AudioShape, st.sampled_from(["pcm", "pcmu", "pcma"]), RATES, st.integers(1, 2))


def exact(samples, from_hz, to_hz):
    """Give the rounded length, half a sample up, in whole numbers."""
    return (2 * samples * to_hz + from_hz) // (2 * from_hz)


def all_of(converter, *pieces):
    return b"".join(map(converter.push, pieces)) + converter.finish()


def pieces_of(audio, sizes):
    """Cut audio to these sizes, over and over."""
    at, number = 0, 0
    while at < len(audio):
        size = sizes[number % len(sizes)]
        yield audio[at : at + size]
        at, number = at + size, number + 1


@cache
def signal(name, rate_hz, channels):
    return made(name, rate_hz, channels)


# --- fidelity -------------------------------------------------------------------------------------------------------


@given(
    name=st.sampled_from(["sweep", "speech"]),
    rate_hz=st.sampled_from(RATES_HZ),
    channels=st.integers(1, 2),
    start=st.integers(0, 20_000),
    sizes=st.lists(st.integers(1, 9_000), min_size=1, max_size=20),
)
def test_however_the_stream_is_cut_it_gives_the_bytes_of_the_whole_and_their_length_is_exact(
    name, rate_hz, channels, start, sizes
):
    samples = signal(name, rate_hz, channels)[start:]
    converter = Converter(AudioShape("pcm", rate_hz, channels), WIRE)
    whole = all_of(converter, samples.tobytes())
    assert all_of(converter, *pieces_of(samples.tobytes(), [*sizes, 10_000])) == whole
    assert len(whole) == 2 * exact(len(samples), rate_hz, 24_000)
    assert converter.cut_bytes == 0


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("name", ["sweep", "speech"])
def test_what_comes_out_is_the_ideal_conversion_to_60_db_and_better(name, rate_hz, channels):
    samples = signal(name, rate_hz, channels)
    converted = all_of(Converter(AudioShape("pcm", rate_hz, channels), WIRE), samples.tobytes())
    if (rate_hz, channels) == (24_000, 1):
        assert converted == samples.tobytes()
    else:
        assert snr_db(converted, ideal(samples.mean(axis=1) / 32768, rate_hz, 24_000)) > 60


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_the_way_out_is_as_clean(rate_hz):
    samples = quantised(
        [speech(24_000) if rate_hz > 24_000 else ideal(speech(24_000), 24_000, 24_000, BAND / 2 * rate_hz)]
    )
    converted = all_of(Converter(WIRE, AudioShape("pcm", rate_hz, 2)), samples.tobytes())
    left, right = np.frombuffer(converted, "<i2").reshape(-1, 2).T
    assert np.array_equal(left, right)
    assert snr_db(left.tobytes(), ideal(samples[:, 0] / 32768, 24_000, rate_hz)) > 60


def test_the_ideal_conversion_agrees_with_a_formula():
    # The yardstick itself: a tone that was made at the rate wanted.
    def tone(rate_hz):
        at = np.arange(rate_hz * 2) / rate_hz
        return (
            0.5 * np.sin(2 * np.pi * 1_000 * at) * (0.5 - 0.5 * np.cos(np.pi * np.clip(np.minimum(at, 2 - at), 0, 1)))
        )

    for rate_hz in RATES_HZ:
        error = ideal(tone(rate_hz), rate_hz, 24_000) - tone(24_000)
        assert np.abs(error).max() < 1e-6


# --- every shape to every other -------------------------------------------------------------------------------------


@given(SHAPES, SHAPES, st.integers(0, 2_000), st.lists(st.integers(1, 700), min_size=1, max_size=10))
def test_any_shape_becomes_any_other_with_an_exact_length(source, target, count, sizes):
    audio = bytes(n * 7 % 251 for n in range(count * source.frame_bytes))
    converter = Converter(source, target)
    whole = all_of(converter, audio)
    assert all_of(converter, *pieces_of(audio, sizes)) == whole
    samples = len(whole) // target.frame_bytes
    # Where it is half a sample over, soxr rounds up or down.
    assert abs(samples * source.rate_hz - count * target.rate_hz) * 2 <= source.rate_hz


@given(SHAPES, SHAPES, st.lists(st.integers(1, 700), min_size=1, max_size=10))
def test_every_piece_that_comes_out_is_whole_samples_and_nothing_but_a_filter_holds_back(source, target, sizes):
    audio = bytes(2_000 * source.frame_bytes)
    converter, fed, got = Converter(source, target), 0, 0
    for piece in pieces_of(audio, sizes):
        ready = converter.push(piece)
        fed, got = fed + len(piece), got + len(ready)
        assert len(ready) % target.frame_bytes == 0
        assert converter.resamples is (source.rate_hz != target.rate_hz)
        if not converter.resamples:
            assert got // target.frame_bytes == fed // source.frame_bytes


def test_equal_shapes_hand_on_the_very_same_bytes():
    audio = bytes(range(8))
    assert Converter(WIRE, AudioShape()).push(audio) is audio


def test_telephone_audio_at_its_own_rate_is_only_decoded():
    mu, a = LAWS["pcmu"](), LAWS["pcma"]()
    codes = bytes(range(256))
    phone = AudioShape("pcm", 8_000)
    assert all_of(Converter(AudioShape("pcmu", 8_000), phone), codes) == decode(mu, codes)
    assert all_of(Converter(phone, AudioShape("pcma", 8_000)), decode(mu, codes)) == encode(a, decode(mu, codes))
    assert all_of(Converter(AudioShape("pcmu", 8_000), AudioShape("pcma", 8_000)), codes) == encode(
        a, decode(mu, codes)
    )


def test_stereo_stays_stereo():
    left, right = signal("speech", 48_000, 2).T
    converted = np.frombuffer(
        all_of(
            Converter(AudioShape("pcm", 48_000, 2), AudioShape("pcm", 24_000, 2)), signal("speech", 48_000, 2).tobytes()
        ),
        "<i2",
    )
    for got, given_ in ((converted[0::2], left), (converted[1::2], right)):
        assert got.tobytes() == all_of(Converter(AudioShape("pcm", 48_000), WIRE), given_.tobytes())


# --- begin and end --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [24_000, 16_000])
def test_what_never_becomes_a_whole_sample_is_dropped_at_the_end_and_counted(rate_hz):
    converter = Converter(AudioShape("pcm", rate_hz, 2), WIRE)
    audio = struct.pack("<4h", 1_000, 3_000, -5, -5)
    clean = all_of(converter, audio)
    assert all_of(converter, audio + b"abc") == clean
    assert converter.cut_bytes == 3
    assert all_of(converter, audio) == clean
    converter.push(b"a")
    converter.reset()
    assert all_of(converter, audio) == clean
    assert converter.cut_bytes == 4


def test_a_reset_forgets_what_the_filter_holds():
    converter = Converter(AudioShape("pcm", 16_000), WIRE)
    audio = signal("speech", 16_000, 1).tobytes()
    fresh = all_of(converter, audio[:8_000])
    converter.push(audio[8_000:16_000])
    converter.reset()
    assert all_of(converter, audio[:8_000]) == fresh


# --- what it needs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["numpy", "soxr"])
def test_a_change_of_rate_without_its_libraries_names_the_extra(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    phone = AudioShape("pcmu", 8_000)
    with pytest.raises(ConfigError, match=rf"{missing} is not installed .*realtime-engine\[audio\]"):
        check_convertible(phone, WIRE)
    with pytest.raises(ConfigError, match=rf"{missing} is not installed .*realtime-engine\[audio\]"):
        Converter(phone, WIRE)


def test_all_but_a_change_of_rate_works_without_extras():
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['numpy', 'soxr', 'soundfile']))\n"
        "from engine.audio.converter import Converter, check_convertible\n"
        "from engine.audio.shape import AudioShape\n"
        "one, two = AudioShape('pcmu', 8000, 2), AudioShape('pcm', 8000)\n"
        "check_convertible(one, two)\n"
        "print(Converter(one, two).push(b'\\xff' * 6), Converter(two, one).push(bytes(4)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "b'\\x00\\x00\\x00\\x00\\x00\\x00' b'\\xff\\xff\\xff\\xff'\n"

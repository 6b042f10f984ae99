"""WAV files from memory."""

import io
import random
import struct
import sys

import numpy as np
import pytest
import soundfile

from engine.audio.pcm import tone
from engine.audio.shape import AudioShape
from engine.audio.wav import read_wav
from engine.errors import ConfigError, UnsupportedContent

PCM = tone(440, 100, rate_hz=16_000)
SAMPLES = np.frombuffer(PCM, "<i2")


def wav(samples=SAMPLES, rate_hz=16_000, subtype="PCM_16", format="WAV", **options):
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=format, subtype=subtype, **options)
    return file.getvalue()


def test_pcm16_comes_back_byte_by_byte():
    assert read_wav(wav()) == (PCM, AudioShape("pcm", 16_000, 1))


def test_stereo_stays_stereo():
    both = np.stack([SAMPLES, -SAMPLES], axis=1)
    assert read_wav(wav(both, 48_000)) == (both.tobytes(), AudioShape("pcm", 48_000, 2))


@pytest.mark.parametrize(
    ("subtype", "steps"),
    [("PCM_U8", 256), ("PCM_24", 1), ("PCM_32", 1), ("FLOAT", 1), ("DOUBLE", 1), ("ULAW", 600), ("ALAW", 600)],
)
def test_other_encodings_are_read_as_close_as_they_are(subtype, steps):
    pcm, shape = read_wav(wav(SAMPLES / 32_768, subtype=subtype))
    assert shape == AudioShape("pcm", 16_000, 1)
    assert len(pcm) == len(PCM)
    assert np.abs(np.frombuffer(pcm, "<i2").astype(int) - SAMPLES).max() <= steps


@pytest.mark.parametrize("format", ["WAVEX", "RF64"])
def test_the_wider_headers_are_read_too(format):
    assert read_wav(wav(format=format))[0] == PCM


def test_big_endian_samples_are_read():
    assert read_wav(wav(endian="BIG"))[0] == PCM


def test_floats_that_are_too_loud_are_clipped():
    pcm, _ = read_wav(wav(np.array([3e38, -3e38, 0.5]), subtype="FLOAT"))
    assert struct.unpack("<3h", pcm) == (32_767, -32_768, 16_384)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(value):
    with pytest.raises(UnsupportedContent, match="no numbers"):
        read_wav(wav(np.array([0.0, value]), subtype="FLOAT"))


def test_a_header_that_was_written_before_the_length_was_known_gives_what_is_there():
    data = bytearray(wav())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    assert read_wav(bytes(data))[0] == PCM


def test_a_file_without_samples_is_empty():
    assert read_wav(wav(np.zeros(0)))[0] == b""


@pytest.mark.parametrize("data", [b"", b"RIFF", b"OggS" + bytes(100), wav(format="FLAC"), PCM])
def test_what_is_no_wav_file_is_refused(data):
    with pytest.raises(UnsupportedContent, match="no WAV file"):
        read_wav(data)


@pytest.mark.parametrize("cut_at", [12, 20, 36, 40])
def test_a_file_that_ends_in_its_header_is_refused(cut_at):
    with pytest.raises(UnsupportedContent, match="can't be read"):
        read_wav(wav()[:cut_at])


def test_a_file_that_ends_inside_a_sample_is_refused():
    with pytest.raises(UnsupportedContent, match="ends inside a sample, after 57 bytes"):
        read_wav(wav()[:101])


@pytest.mark.parametrize(("rate_hz", "channels"), [(4_000, 1), (96_000, 2), (16_000, 6)])
def test_a_rate_or_channels_that_are_not_converted_are_refused_with_what_is(rate_hz, channels):
    with pytest.raises(UnsupportedContent, match=f"{rate_hz} Hz and {channels} channels .* 8000 to 48000 Hz"):
        read_wav(wav(np.zeros((10, channels)), rate_hz))


def test_a_damaged_header_is_refused_or_read_and_never_anything_else():
    rng = random.Random(1)
    whole, outcomes = wav(), set()
    for _ in range(500):
        damaged = bytearray(whole[:200])
        for _ in range(rng.randint(1, 6)):
            damaged[rng.randrange(12, 44)] = rng.randrange(256)
        try:
            pcm, shape = read_wav(bytes(damaged))
        except UnsupportedContent:
            outcomes.add("refused")
        else:
            outcomes.add("read")
            assert len(pcm) % shape.frame_bytes == 0
    assert outcomes == {"refused", "read"}


def test_pcm16_needs_no_extra_and_the_others_name_theirs(monkeypatch):
    plain, other = wav(), wav(subtype="PCM_24")
    for module in ("numpy", "soundfile"):
        monkeypatch.setitem(sys.modules, module, None)
    assert read_wav(plain)[0] == PCM
    with pytest.raises(ConfigError, match=r"realtime-engine\[audio\]"):
        read_wav(other)

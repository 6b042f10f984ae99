"""Reading and writing sound files."""

import struct
import wave

import pytest
import soundfile

from engine.audio.files import read_pcm16, write_wav, write_wav_stereo
from engine.audio.pcm import level_dbfs, tone
from engine.errors import ConfigError, UnsupportedContent


def test_a_mono_wav_comes_back_sample_by_sample(tmp_path):
    pcm = tone(440, 100)
    write_wav(tmp_path / "a.wav", pcm)
    assert read_pcm16(tmp_path / "a.wav") == pcm


def test_the_whole_range_of_samples_survives_a_file(tmp_path):
    pcm = struct.pack("<5h", -32_768, -1, 0, 1, 32_767)
    write_wav(tmp_path / "a.wav", pcm)
    assert read_pcm16(str(tmp_path / "a.wav")) == pcm


def test_a_written_file_is_a_plain_pcm16_wav(tmp_path):
    write_wav(tmp_path / "a.wav", tone(440, 100, rate_hz=16_000), 16_000)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        assert file.getnframes() == 1600


def test_a_file_of_another_rate_is_resampled(tmp_path):
    write_wav(tmp_path / "a.wav", tone(440, 1000, rate_hz=16_000), 16_000)
    pcm = read_pcm16(tmp_path / "a.wav", 24_000)
    assert len(pcm) == 48_000
    assert level_dbfs(pcm) == pytest.approx(-15.0, abs=0.2)


def test_stereo_is_mixed_to_mono(tmp_path):
    left = struct.pack("<2h", 1000, 0)
    right = struct.pack("<2h", 3000, -2000)
    write_wav_stereo(tmp_path / "a.wav", left, right)
    assert struct.unpack("<2h", read_pcm16(tmp_path / "a.wav")) == (2000, -1000)


def test_silence_fills_up_the_shorter_track(tmp_path):
    write_wav_stereo(tmp_path / "a.wav", tone(440, 20), tone(440, 100))
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getnframes()) == (2, 2400)
        frames = struct.unpack("<4800h", file.readframes(2400))
    assert not any(frames[480 * 2 :: 2])
    assert any(frames[480 * 2 + 1 :: 2])


def test_flac_is_read_too(tmp_path):
    write_wav(tmp_path / "a.wav", tone(440, 50))
    samples, rate_hz = soundfile.read(tmp_path / "a.wav", dtype="int16")
    soundfile.write(tmp_path / "a.flac", samples, rate_hz)
    assert read_pcm16(tmp_path / "a.flac") == tone(440, 50)


def test_a_file_without_a_sample_is_told(tmp_path):
    write_wav(tmp_path / "a.wav", b"", 16_000)
    with pytest.raises(UnsupportedContent, match="is empty"):
        read_pcm16(tmp_path / "a.wav", 24_000)


@pytest.mark.parametrize("name", ["missing.wav", "."])
def test_a_missing_file_is_told_in_one_line(tmp_path, name):
    with pytest.raises(ConfigError, match="is not a file") as missing:
        read_pcm16(tmp_path / name)
    assert "\n" not in str(missing.value)
    assert missing.value.field == "path"


def test_a_file_that_is_no_audio_is_told_in_one_line(tmp_path):
    (tmp_path / "a.wav").write_text("this is no sound")
    with pytest.raises(UnsupportedContent, match="give a WAV or FLAC file") as broken:
        read_pcm16(tmp_path / "a.wav")
    assert "\n" not in str(broken.value)
    assert isinstance(broken.value.__cause__, soundfile.LibsndfileError)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="check that the folder exists"):
        write_wav(tmp_path / "no" / "a.wav", b"")


def test_half_a_sample_is_not_written(tmp_path):
    with pytest.raises(UnsupportedContent):
        write_wav(tmp_path / "a.wav", b"abc")
    assert not (tmp_path / "a.wav").exists()


def test_samples_that_are_no_numbers_are_told(tmp_path):
    soundfile.write(tmp_path / "a.wav", [0.0, float("nan")], 24_000, subtype="FLOAT")
    with pytest.raises(UnsupportedContent, match="no numbers"):
        read_pcm16(tmp_path / "a.wav")

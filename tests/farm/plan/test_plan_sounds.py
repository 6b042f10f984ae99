"""Sound files are looked at before a run: whether they are there, are sound, and how long they last."""

import subprocess
import sys
import wave

import pytest
from plans_made import GOOD, line_of, load_text, write_plan, write_sound

from engine.errors import ConfigError
from engine.farm.plan import sounds
from engine.farm.plan.load import load_plan
from engine.farm.plan.sounds import SPEECH_MAX_S, check_length, is_sound, sound_s


def refused(path):
    with pytest.raises(ConfigError) as caught:
        check_length(path, sound_s(path))
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_wav_lasts_as_long_as_its_header_says(tmp_path):
    assert sound_s(write_sound(tmp_path / "a.wav", 1.25)) == pytest.approx(1.25)


def test_a_header_of_a_stream_says_no_more_than_there_is(tmp_path):
    path = write_sound(tmp_path / "a.wav", 2.0)
    data = bytearray(path.read_bytes()[: 44 + 16_000])
    path.write_bytes(data)
    assert sound_s(path) == pytest.approx(1.0)


def test_flac_and_floats_are_measured_too(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    numpy = pytest.importorskip("numpy")
    for name, subtype in (("a.flac", "PCM_16"), ("b.wav", "FLOAT"), ("c.ogg", "VORBIS")):
        soundfile.write(tmp_path / name, numpy.zeros((12_000, 2)), 24_000, subtype=subtype)
        assert sound_s(tmp_path / name) == pytest.approx(0.5)


def test_what_is_no_sound_is_refused(tmp_path):
    (tmp_path / "text.wav").write_text("hello")
    (tmp_path / "nothing.wav").touch()
    (tmp_path / "folder.wav").mkdir()
    assert "can't be read as audio; allowed: a WAV, FLAC" in refused(tmp_path / "text.wav")
    assert "can't be read as audio" in refused(tmp_path / "nothing.wav")
    assert "is a folder" in refused(tmp_path / "folder.wav")
    assert "is not there" in refused(tmp_path / "none.wav")
    assert "is empty: it holds no sound" in refused(write_sound(tmp_path / "empty.wav", 0))


def test_what_may_not_be_read_is_refused(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(wave, "open", refuse)
    (tmp_path / "a.wav").touch()
    assert "can't be read (Permission denied)" in refused(tmp_path / "a.wav")


def test_the_longest_speech_is_allowed_and_a_little_more_is_not(tmp_path):
    path = write_sound(tmp_path / "a.wav", SPEECH_MAX_S, rate_hz=8)
    check_length(path, sound_s(path))
    assert "over the bound SPEECH_MAX_S of 10 min" in refused(
        write_sound(tmp_path / "b.wav", SPEECH_MAX_S + 1, rate_hz=8)
    )


def test_a_wav_of_an_hour_is_told_with_its_length_and_what_it_would_take(tmp_path):
    write_sound(tmp_path / "hour.wav", 3600, rate_hz=100)
    text = GOOD.replace('"hello.wav"', '"hour.wav"')
    path = write_plan(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_plan(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line_of(text, 'hour.wav')}: scenario[0].turns[1].say: ")
    assert "hour.wav lasts 60 min (36,000 tokens each time that the model hears it)" in message
    assert "over the bound SPEECH_MAX_S of 10 min; allowed: shorter files" in message


def test_a_caller_who_needs_longer_than_the_deadline_is_refused(tmp_path):
    write_sound(tmp_path / "long.wav", 200, rate_hz=100)
    text = GOOD.replace('"hello.wav"', '"long.wav"').replace("repeat = 3", "repeat = 3\ndeadline_s = 190")
    with pytest.raises(ConfigError, match=r"the caller alone takes 201 s, and deadline_s ends the session after 190 s"):
        load_text(tmp_path, text)


def test_words_need_the_local_voice(tmp_path, monkeypatch):
    monkeypatch.setattr(sounds, "VOICE_MODULES", ("no_such_module_at_all",))
    with pytest.raises(
        ConfigError, match=r"turns\[1\]\.say needs the local voice.*pip install 'realtime-engine\[local\]'"
    ):
        load_text(tmp_path, GOOD.replace('"hello.wav"', '"Hello there."'))
    with pytest.raises(ConfigError, match=r"target\.voice needs the local voice"):
        load_text(tmp_path, GOOD.replace('"simulator"', '{ voice = "local" }'))


@pytest.mark.parametrize(
    ("say", "is_one"), [("a.wav", True), ("A.FLAC", True), ("say a.wav please", False), ("wav", False)]
)
def test_a_suffix_makes_the_difference_between_a_file_and_words(say, is_one):
    assert is_sound(say) is is_one


def test_plans_load_neither_numpy_nor_the_simulator(tmp_path):
    write_plan(tmp_path)
    code = (
        "import sys; from engine.farm.plan.load import load_plan; load_plan('plan.toml');"
        "print([name for name in ('numpy', 'soundfile', 'engine.simulator.server') if name in sys.modules])"
    )
    got = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert got.stdout == "[]\n"

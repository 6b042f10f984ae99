"""Settings of audio: what the application gives and gets, and what goes over the wire."""

import pickle
import subprocess
import sys

import pytest

from engine.audio.shape import AudioShape
from engine.config import AudioSettings
from engine.errors import ConfigError
from engine.wire.codec import to_object


@pytest.mark.parametrize(("name", "rate"), [("pcm", 24_000), ("pcmu", 8_000), ("pcma", 8_000)])
def test_rates_follow_the_format_when_they_are_not_given(name, rate):
    audio = AudioSettings(format=name)
    assert (audio.input_rate, audio.output_rate) == (rate, rate)
    assert audio.input_shape == audio.output_shape == audio.wire_shape == AudioShape(name, rate)


def test_any_rate_and_two_channels_are_taken_and_the_wire_stays():
    audio = AudioSettings(input_rate=44_100, output_rate=16_000, channels=2)
    assert audio.input_shape == AudioShape("pcm", 44_100, 2)
    assert audio.output_shape == AudioShape("pcm", 16_000, 2)
    assert audio.wire_shape == AudioShape("pcm", 24_000, 1)
    assert to_object(audio.to_wire()) == {"type": "audio/pcm", "rate": 24_000}


@pytest.mark.parametrize("format", ["pcm", "pcmu", "pcma"])
@pytest.mark.parametrize(
    ("wire", "said", "bytes_per_ms"),
    [
        ("pcm", {"type": "audio/pcm", "rate": 24_000}, 48),
        ("pcmu", {"type": "audio/pcmu"}, 8),
        ("pcma", {"type": "audio/pcma"}, 8),
    ],
)
def test_the_wire_may_have_a_format_of_its_own(format, wire, said, bytes_per_ms):
    audio = AudioSettings(format=format, wire_format=wire)
    assert to_object(audio.to_wire()) == said
    assert audio.bytes_per_ms == bytes_per_ms
    assert audio.wire_shape.channels == 1
    assert audio.input_shape.encoding == format


def test_the_wire_follows_the_format_when_it_has_none():
    assert to_object(AudioSettings(format="pcma").to_wire()) == {"type": "audio/pcma"}


@pytest.mark.parametrize(
    ("given", "field", "allowed"),
    [
        ({"input_rate": 7_999}, "audio.input_rate", "8000 to 48000 Hz"),
        ({"input_rate": 48_001}, "audio.input_rate", "8000 to 48000 Hz"),
        ({"output_rate": 96_000}, "audio.output_rate", "8000 to 48000 Hz"),
        ({"output_rate": 24_000.0}, "audio.output_rate", "8000 to 48000 Hz"),
        ({"input_rate": "16000"}, "audio.input_rate", "8000 to 48000 Hz"),
        ({"channels": 3}, "audio.channels", "1, 2"),
        ({"channels": 0}, "audio.channels", "1, 2"),
        ({"wire_format": "opus"}, "audio.wire_format", "None, 'pcm', 'pcmu', 'pcma'"),
        ({"format": ["pcm"]}, "audio.format", "'pcm', 'pcmu', 'pcma'"),
    ],
)
def test_what_is_not_converted_is_refused_with_what_is(given, field, allowed):
    with pytest.raises(ConfigError) as refused:
        AudioSettings(**given)
    assert (refused.value.field, refused.value.allowed) == (field, allowed)


@pytest.mark.parametrize("given", [{"channels": True}, {"channels": 1.0}])
def test_a_number_of_channels_is_a_whole_number(given):
    with pytest.raises(ConfigError, match="channels"):
        AudioSettings(**given)


@pytest.mark.parametrize("given", [{"input_rate": 16_000}, {"output_rate": 8_000}, {"wire_format": "pcmu"}])
@pytest.mark.parametrize("missing", ["numpy", "soxr"])
def test_a_conversion_whose_library_is_missing_fails_when_the_settings_are_made(given, missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=rf"{missing} is not installed .*realtime-engine\[audio\]"):
        AudioSettings(**given)


def test_all_else_needs_no_library_and_settings_load_none():
    code = (
        "import sys\nfrom engine.config import AudioSettings\n"
        "AudioSettings(input_rate=16000)\nprint({'numpy', 'soxr'} & set(sys.modules))\n"
        "sys.modules.update(numpy=None, soxr=None)\n"
        "AudioSettings(channels=2)\nAudioSettings(format='pcmu', channels=2)\n"
        "AudioSettings(format='pcma', wire_format='pcmu')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_what_was_worked_out_once_does_not_change_what_settings_are():
    fresh, used = AudioSettings(input_rate=16_000), AudioSettings(input_rate=16_000)
    assert used.input_shape is used.input_shape
    assert (used, repr(used), hash(used)) == (fresh, repr(fresh), hash(fresh))
    assert pickle.loads(pickle.dumps(used)) == fresh
    assert pickle.loads(pickle.dumps(used)).wire_shape == used.wire_shape

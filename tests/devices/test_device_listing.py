"""Which device is meant, and what is said when none is."""

import sys

import pytest

from engine.devices import Device, choose, portaudio
from engine.errors import ConfigError

HEADSET = Device(0, "USB Headset", "ALSA", 1, 2, 48_000.0)
BUILT_IN = Device(1, "Built-in Audio", "ALSA", 2, 2, 44_100.0, is_default_input=True, is_default_output=True)
SCREEN = Device(2, "Screen", "ALSA", 0, 8, 96_000.0)
HEADSET_AGAIN = Device(3, "usb headset", "JACK", 1, 2, 48_000.0)
ALL = [HEADSET, BUILT_IN, SCREEN]


@pytest.mark.parametrize(
    ("wanted", "direction", "chosen"),
    [
        (None, "input", BUILT_IN),
        (None, "output", BUILT_IN),
        (0, "input", HEADSET),
        ("0", "input", HEADSET),
        ("headset", "output", HEADSET),
        ("USB HEADSET", "input", HEADSET),
        ("built-in audio, alsa", "input", BUILT_IN),
        ("screen", "output", SCREEN),
    ],
)
def test_a_device_is_meant_by_nothing_a_number_or_a_part_of_its_name(wanted, direction, chosen):
    assert choose(ALL, wanted, direction) is chosen


def test_a_whole_name_is_meant_before_a_part_of_another():
    camera = Device(4, "Camera", "ALSA", 1, 0, 48_000.0)
    longer = Device(5, "Camera 2", "ALSA", 1, 0, 48_000.0)

    assert choose([longer, camera], "camera", "input") is camera


@pytest.mark.parametrize(
    ("among", "wanted", "direction", "words"),
    [
        ([], None, "input", "this machine has no microphone | connect one"),
        ([SCREEN], "screen", "input", "this machine has no microphone | connect one"),
        ([HEADSET], None, "output", "no loudspeaker is the default one | give the number or the name of one of: 0 USB"),
        (ALL, 7, "input", "no microphone is called 7 | give the number or the name of one of: 0 USB Headset, 1 Built"),
        (ALL, "2", "input", "no microphone is called '2'"),
        (ALL, "phone", "output", "no loudspeaker is called 'phone'"),
        ([HEADSET, HEADSET_AGAIN], "headset", "input", "2 microphones are called 'headset'"),
        (ALL, "alsa", "output", "3 loudspeakers are called 'alsa'"),
    ],
)
def test_a_device_that_is_not_there_is_told_with_those_that_are(among, wanted, direction, words):
    with pytest.raises(ConfigError) as caught:
        choose(among, wanted, direction)

    assert words in str(caught.value)
    assert (caught.value.field, caught.value.value) == (f"{direction}_device", wanted)


@pytest.mark.parametrize(
    ("own_hz", "used_hz"),
    [
        (44_100.0, 44_100),
        (8_000.0, 8_000),
        (48_000.0, 48_000),
        (96_000.0, 48_000),
        (4_000.0, 48_000),
        (11_025.0, 48_000),
    ],
)
def test_a_device_keeps_its_rate_where_the_engine_converts_it(own_hz, used_hz):
    assert Device(0, "any", "ALSA", 1, 1, own_hz).usable_rate_hz == used_hz


def test_a_missing_library_is_told_with_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ConfigError, match=r"pip install 'realtime-engine\[audio\]'"):
        portaudio.portaudio()


def test_a_missing_portaudio_is_told_with_the_way_out(monkeypatch, tmp_path):
    # What sounddevice does on Linux where the system has no PortAudio.
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(ConfigError, match=r"PortAudio is not installed \| apt install libportaudio2"):
        portaudio.portaudio()

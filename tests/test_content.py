"""What an application may send: refused with words that say what can be sent, before anything is taken."""

import array
import io
import sys

import numpy as np
import pybase64
import pytest
import soundfile

from engine.audio.shape import AudioShape
from engine.config import AudioSettings
from engine.content import audio_input, check_audio, check_text
from engine.errors import LimitExceeded, UnsupportedContent
from engine.events import BidiAudioInputEvent, BidiImageInputEvent, BidiTextInputEvent, ToolResultEvent
from engine.limits import APPEND_MAX_BYTES

HALF_A_PAIR = "\ud800"


def result(content, call_id="call_1"):
    return ToolResultEvent({"toolUseId": call_id, "status": "success", "content": content})


def event(audio, format="pcm", sample_rate=24_000, channels=1):
    return BidiAudioInputEvent(pybase64.b64encode(audio).decode(), format, sample_rate, channels)


# --- audio ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "given"),
    [
        (AudioSettings(), event(b"\1\2")),
        (AudioSettings(input_rate=16_000, channels=2), event(b"\1\2\3\4", "pcm", 16_000, 2)),
        (AudioSettings(format="pcmu"), event(b"\1", "pcmu", 8_000)),
    ],
)
def test_audio_in_the_sessions_shape_gives_its_bytes(settings, given):
    assert audio_input(given, settings) == (pybase64.b64decode(given.audio), None)


@pytest.mark.parametrize("format", ["pcm", "pcmu", "pcma"])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_audio_in_another_shape_gives_its_bytes_and_how_to_read_them(format, rate_hz, channels):
    given = event(bytes(8), format, rate_hz, channels)
    assert audio_input(given, AudioSettings()) == (bytes(8), AudioShape(format, rate_hz, channels))


def test_a_wav_file_says_itself_what_it_holds():
    file = io.BytesIO()
    soundfile.write(file, [[0.5, -0.5]], 16_000, format="WAV", subtype="PCM_16")
    given = event(file.getvalue(), "wav", 48_000, 1)
    assert audio_input(given, AudioSettings()) == (b"\x00\x40\x00\xc0", AudioShape("pcm", 16_000, 2))


def test_no_audio_is_no_fault():
    assert audio_input(event(b""), AudioSettings()) == (b"", None)


@pytest.mark.parametrize(
    ("format", "rate_hz", "channels"),
    [
        ("opus", 24_000, 1),
        ("mp3", 24_000, 1),
        ("pcm", 4_000, 1),
        ("pcm", 96_000, 1),
        ("pcm", 24_000, 6),
        ("pcm", "16000", 1),
    ],
)
def test_audio_that_can_not_be_converted_is_refused_with_what_can(format, rate_hz, channels):
    takes = r"send 'pcm', 'pcmu', 'pcma' of 8000 to 48000 Hz and 1 or 2 channels, or 'wav'"
    with pytest.raises(UnsupportedContent, match=takes) as refused:
        audio_input(event(bytes(4), format, rate_hz, channels), AudioSettings())
    assert f"format={format!r}, sample_rate={rate_hz!r}, channels={channels!r}" in str(refused.value)


@pytest.mark.parametrize("text", ["no base64!", "AAA", "\u00e4AAA", None, 5])
@pytest.mark.parametrize("format", ["pcm", "wav"])
def test_audio_that_is_no_base64_is_refused(text, format):
    with pytest.raises(UnsupportedContent, match="not base64"):
        audio_input(BidiAudioInputEvent(text, format, 24_000, 1), AudioSettings())


@pytest.mark.parametrize(
    ("given", "bytes_each"),
    [(event(b"abc"), 2), (event(b"ab", channels=2), 4), (event(b"abc", "pcmu", 8_000, 2), 2)],
)
def test_audio_that_ends_inside_a_sample_is_refused(given, bytes_each):
    with pytest.raises(UnsupportedContent, match=f"end inside a sample .* {bytes_each} bytes each"):
        audio_input(given, AudioSettings())


def test_a_wav_file_that_is_none_is_refused():
    with pytest.raises(UnsupportedContent, match="no WAV file"):
        audio_input(event(bytes(100), "wav"), AudioSettings())


@pytest.mark.parametrize("format", ["pcm", "wav"])
def test_audio_over_what_one_message_of_the_service_takes_is_refused_by_the_bounds_name(format):
    with pytest.raises(LimitExceeded, match="send the audio in pieces") as refused:
        audio_input(event(bytes(APPEND_MAX_BYTES + 2), format), AudioSettings())
    assert (refused.value.limit, refused.value.value) == ("APPEND_MAX_BYTES", APPEND_MAX_BYTES + 2)


def test_audio_up_to_that_bound_is_taken():
    data, _ = audio_input(event(bytes(APPEND_MAX_BYTES)), AudioSettings())
    assert len(data) == APPEND_MAX_BYTES


@pytest.mark.parametrize(("module", "format"), [("soxr", "pcm"), ("soxr", "wav"), ("soundfile", "wav")])
def test_a_shape_whose_library_is_missing_is_refused_with_the_extra(module, format, monkeypatch):
    file = io.BytesIO()
    soundfile.write(file, [0.5], 16_000, format="WAV", subtype="PCM_24" if module == "soundfile" else "PCM_16")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UnsupportedContent, match=rf"{module} is not installed .*realtime-engine\[audio\]"):
        audio_input(event(file.getvalue(), format, 16_000), AudioSettings())


def test_bytes_are_checked_as_events_are():
    check_audio(b"\0\0", AudioSettings())
    check_audio(b"\0", AudioSettings(format="pcmu"))
    check_audio(bytes(8), AudioSettings(), AudioShape("pcm", 48_000, 2))
    for data, shape in ((b"\0", None), (bytes(6), AudioShape("pcm", 48_000, 2))):
        with pytest.raises(UnsupportedContent, match="inside a sample"):
            check_audio(data, AudioSettings(), shape)
    with pytest.raises(LimitExceeded):
        check_audio(bytes(APPEND_MAX_BYTES + 2), AudioSettings())


@pytest.mark.parametrize(
    "data",
    ["abcd", None, 5, [0, 0], array.array("h", [0, 0]), memoryview(array.array("h", [0, 0])), np.zeros(2, "<i2")],
)
def test_what_is_no_bytes_is_refused(data):
    with pytest.raises(UnsupportedContent, match="send bytes"):
        check_audio(data, AudioSettings())


@pytest.mark.parametrize("data", [bytearray(4), memoryview(bytes(4))])
def test_whatever_holds_bytes_is_taken(data):
    check_audio(data, AudioSettings())


# --- text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        BidiTextInputEvent(HALF_A_PAIR),
        BidiImageInputEvent(HALF_A_PAIR, "image/png"),
        result([{"text": HALF_A_PAIR}]),
        result([], HALF_A_PAIR),
    ],
    ids=["text", "image", "result", "call id"],
)
def test_half_a_surrogate_pair_is_refused(event):
    with pytest.raises(UnsupportedContent, match="surrogate"):
        check_text(event)


def test_text_that_is_none_is_refused():
    with pytest.raises(UnsupportedContent, match="type int"):
        check_text(BidiTextInputEvent(5))


def test_what_can_be_sent_passes():
    check_text(BidiTextInputEvent("grüß dich"))
    check_text(result([{"json": {"a": 1}}]))
    check_text(BidiImageInputEvent("iVBO", "image/png"))


@pytest.mark.parametrize("result", [{}, {"toolUseId": None}, {"toolUseId": 7}, {"toolUseId": ""}, None, "call_1"])
def test_a_result_that_does_not_say_whose_it_is_in_text_is_refused(result):
    with pytest.raises(UnsupportedContent, match="toolUseId"):
        check_text(ToolResultEvent(result))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_no_json_is_refused(number):
    with pytest.raises(UnsupportedContent, match="can't be written as JSON"):
        check_text(result([{"json": {"deep": [number]}}]))

"""What an application may send: refused with words that say what can be sent, before anything is taken."""

import pytest

from engine.config import AudioSettings
from engine.content import audio_bytes, check_text, check_whole_samples
from engine.errors import UnsupportedContent
from engine.events import BidiAudioInputEvent, BidiImageInputEvent, BidiTextInputEvent, ToolResultEvent

HALF_A_PAIR = "\ud800"


def result(content, call_id="call_1"):
    return ToolResultEvent({"toolUseId": call_id, "status": "success", "content": content})


def test_audio_in_the_sessions_format_gives_its_bytes():
    assert audio_bytes(BidiAudioInputEvent.from_pcm(b"\1\2"), AudioSettings()) == b"\1\2"


@pytest.mark.parametrize(
    "event",
    [
        BidiAudioInputEvent("AAAA", "wav", 24000, 1),
        BidiAudioInputEvent("AAAA", "pcm", 16000, 1),
        BidiAudioInputEvent("AAAA", "pcm", 24000, 2),
    ],
    ids=["format", "rate", "channels"],
)
def test_audio_in_another_format_is_refused_with_what_can_be_sent(event):
    with pytest.raises(UnsupportedContent, match=r"takes format='pcm', sample_rate=24000, channels=1"):
        audio_bytes(event, AudioSettings())


def test_audio_that_is_no_base64_is_refused():
    with pytest.raises(UnsupportedContent, match="not base64"):
        audio_bytes(BidiAudioInputEvent("no base64!", "pcm", 24000, 1), AudioSettings())


def test_pcm_must_not_end_inside_a_sample_and_g711_can_not():
    check_whole_samples(b"\0\0", AudioSettings())
    check_whole_samples(b"\0", AudioSettings(format="pcmu"))
    with pytest.raises(UnsupportedContent, match="inside a sample"):
        check_whole_samples(b"\0", AudioSettings())


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

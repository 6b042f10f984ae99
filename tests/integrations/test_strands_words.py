"""The engine's events in Strands' own classes, and Strands' input in the engine's."""

import base64

import pytest

pytest.importorskip("strands.bidi", reason="needs strands-agents>=1.58 in this environment")

from strands.bidi.models import ConnectionTimeoutError
from strands.bidi.types import AudioDelta, BidiMessage
from strands.bidi.types import events as theirs
from strands.types.content import TextBlock
from strands.types.media import ImageBlock
from strands.types.tools import ToolResultBlock

from engine import errors
from engine import events as ours
from engine.config import AudioSettings
from engine.errors import ConnectionLost, UnsupportedContent
from engine.integrations.strands import EngineEvent, streams
from engine.integrations.strands.current_words import BidiModelTimeoutError, Words, to_inputs

PCM = bytes(4800)  # 100 ms
AUDIO = base64.b64encode(PCM).decode()


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Told:
    """Gathers what an agent is told."""

    def __init__(self, *, written=False, transcribes=True, interrupts=True):
        self.clock = Clock()
        self.words = Words(written=written, transcribes=transcribes, interrupts=interrupts, clock=self.clock)

    def __call__(self, *events):
        return [one for event in events for one in self.words.told(event)]


def names(events):
    return [type(event).__name__.removeprefix("Bidi").removesuffix("Event") for event in events]


def begin(response_id="resp_1"):
    return ours.BidiResponseStartEvent(response_id)


def end(response_id="resp_1", reason="complete"):
    return ours.BidiResponseCompleteEvent(response_id, reason)


def audio(item="item_1", response_id="resp_1", data=AUDIO):
    return ours.BidiAudioStreamEvent(data, "pcm", 24000, 1, item_id=item, content_index=0, response_id=response_id)


def words(text, *, final=False, item="item_1", role="assistant", response_id="resp_1"):
    response = response_id if role == "assistant" else None
    ids = {"item_id": item, "content_index": 0, "response_id": response}
    return ours.BidiTranscriptStreamEvent({"text": text}, text, role, final, **ids)


def speech(item="user_1"):
    return ours.BidiInterruptionEvent("user_speech", item_id=item)


def test_session_begins_and_ends_as_an_agent_knows_it():
    told = Told()(
        ours.BidiConnectionStartEvent("c1", "gpt-realtime"), ours.BidiConnectionCloseEvent("c1", "client_disconnect")
    )

    assert names(told) == ["ConnectionStart", "ConnectionStop"]
    assert (told[0].connection_id, told[0].model) == ("c1", "gpt-realtime")
    assert told[1].reason == "user_request"


def test_session_that_the_service_ended_is_no_stop_that_the_user_asked_for():
    assert Told()(ours.BidiConnectionCloseEvent("c1", "complete")) == []


def test_spoken_answer_is_an_audio_and_a_transcript_stream_between_its_start_and_stop():
    told = Told()(begin(), words("Good "), audio(), words("day."), audio(), words("Good day.", final=True), end())

    assert names(told) == [
        "ResponseStart",
        "TranscriptStart",
        "TranscriptDelta",
        "AudioStart",
        "AudioDelta",
        "TranscriptDelta",
        "AudioDelta",
        "TranscriptStop",
        "AudioStop",
        "ResponseStop",
    ]
    deltas = [event for event in told if isinstance(event, theirs.BidiTranscriptDeltaEvent)]
    assert "".join(event.delta for event in deltas) == "Good day."
    assert told[4]["audio"] == AUDIO
    assert (told[4].format, told[4].sample_rate, told[4].channels) == ("pcm", 24000, 1)
    assert told[3].content_id == told[4].content_id == told[8].content_id
    assert told[1].content_id == told[2].content_id == told[7].content_id != told[3].content_id


def test_written_answer_is_a_text_stream():
    told = Told(written=True)(begin(), words("Good "), words("day."), words("Good day.", final=True), end())

    assert names(told) == ["ResponseStart", "TextStart", "TextDelta", "TextDelta", "TextStop", "ResponseStop"]


def test_words_that_come_only_when_they_are_final_are_one_piece():
    told = Told()(words("Ten of clubs.", final=True, role="user", item="user_1"))

    assert names(told) == ["TranscriptStart", "TranscriptDelta", "TranscriptStop"]
    assert (told[1].delta, told[1].role) == ("Ten of clubs.", "user")


def test_second_final_words_of_an_item_are_another_stream():
    final = words("Ten", final=True, role="user", item="user_1")
    told = Told()(final, final)

    assert names(told) == ["TranscriptStart", "TranscriptDelta", "TranscriptStop"] * 2
    assert told[0].content_id != told[3].content_id


def test_second_item_of_an_answer_ends_the_sound_of_the_first():
    told = Told()(begin(), audio("item_1"), audio("item_2"), end())

    assert names(told) == [
        "ResponseStart",
        "AudioStart",
        "AudioDelta",
        "AudioStop",
        "AudioStart",
        "AudioDelta",
        "AudioStop",
        "ResponseStop",
    ]


def test_answer_that_is_cut_off_ends_its_streams():
    told = Told()(begin(), words("Good "), audio(), speech(), end(reason="interrupted"))

    assert names(told)[5:] == ["BargeIn", "TranscriptStart", "TranscriptStop", "AudioStop", "ResponseStop"]
    assert told[6].role == "user"


def test_answers_beside_each_other_keep_their_streams():
    told = Told()(begin("a"), begin("b"), audio("i", "a"), audio("j", "b"), end("a"), audio("j", "b"), end("b"))

    assert names(told)[-4:] == ["ResponseStop", "AudioDelta", "AudioStop", "ResponseStop"]


def test_user_s_words_have_their_place_before_the_answer_that_comes_sooner():
    told = Told()(speech("u"), begin(), words("Yes."), words("A question", final=True, role="user", item="u"))

    assert names(told)[:3] == ["TranscriptStart", "ResponseStart", "TranscriptStart"]
    assert told[0].content_id == told[-1].content_id


def test_turn_while_nothing_is_said_or_played_is_no_barge_in():
    assert names(Told()(speech())) == ["TranscriptStart"]


def test_turn_while_the_end_of_an_answer_still_plays_is_a_barge_in():
    told = Told()
    told(begin(), audio(), audio(), end())
    told.clock.now += 0.15
    assert names(told(speech("u1"))) == ["BargeIn", "TranscriptStart"]
    assert names(told(speech("u2"))) == ["TranscriptStart"]


def test_turn_after_all_has_played_is_none():
    told = Told()
    told(begin(), audio(), audio(), end())
    told.clock.now += 0.25
    assert names(told(speech())) == ["TranscriptStart"]


def test_turn_that_does_not_interrupt_is_none():
    assert names(Told(interrupts=False)(begin(), speech())) == ["ResponseStart", "TranscriptStart"]


def test_application_that_makes_the_model_fall_silent_is_always_one():
    assert names(Told(interrupts=False)(ours.BidiInterruptionEvent("user_speech"))) == ["BargeIn"]


def test_turn_that_nobody_writes_down_opens_no_stream():
    assert names(Told(transcribes=False)(begin(), speech())) == ["ResponseStart", "BargeIn"]


def test_call_is_a_group_of_one_as_soon_as_it_is_whole():
    use = {"toolUseId": "call_1", "name": "score", "input": {"hand": "10"}}
    (told,) = Told()(ours.ToolUseStreamEvent({"toolUse": use}, use))

    assert isinstance(told, theirs.BidiToolUseBlocksEvent)
    assert told.tool_uses == [use]


def test_usage_is_told_by_kind():
    details = [
        {"modality": "text", "input_tokens": 20, "output_tokens": 8},
        {"modality": "audio", "input_tokens": 3, "output_tokens": 30},
    ]
    (told,) = Told()(ours.BidiUsageEvent(23, 38, 61, details, cache_read_input_tokens=12))

    assert (told.input_tokens, told.output_tokens, told.total_tokens) == (23, 38, 61)
    assert told.input_token_details == {"text": 20, "audio": 3, "cache_read": 12}
    assert told.output_token_details == {"text": 8, "audio": 30}


def test_usage_without_details_has_none():
    (told,) = Told()(ours.BidiUsageEvent(0, 0, 0))

    assert told.input_token_details == told.output_token_details == {}


def test_renewal_and_loss_are_told():
    expired = errors.BidiModelTimeoutError("over")
    told = Told()(
        ours.BidiConnectionWarningEvent("renewal", 30.0),
        ours.BidiConnectionRestartEvent(expired),
        ours.BidiConnectionRestartEvent(ConnectionLost("gone"), reason="connection_lost", asked_again=True),
    )

    assert names(told) == ["ConnectionWarning", "ConnectionRestart", "ConnectionRestart"]
    assert told[0].time_left_s == 30.0
    assert [(each.reason, each.turn_interrupted) for each in told[1:]] == [("scheduled", False), ("timeout", True)]
    assert isinstance(told[1].timeout_error, ConnectionTimeoutError)
    assert told[2].timeout_error is None


def test_event_that_strands_has_no_class_for_is_told_as_the_engine_has_it():
    error = ours.BidiErrorEvent(errors.ServerReported("no", code="invalid_value"))
    (told,) = Told()(error)

    assert isinstance(told, EngineEvent)
    assert told["type"] == "bidi_error"
    assert told["code"] == "invalid_value"
    assert told.engine_event is error


def test_every_event_leads_to_the_engine_s_with_its_ids():
    for told in Told()(begin(), words("Yes."), audio(), end()):
        assert told.engine_event.response_id == "resp_1"


def test_streams_that_never_end_are_ended_at_a_bound(monkeypatch):
    monkeypatch.setattr(streams, "OPEN_MAX", 2)
    told = Told()(speech("a"), speech("b"), speech("c"))

    assert names(told) == ["TranscriptStart"] * 3 + ["TranscriptStop"]
    assert told[3].content_id == told[0].content_id


def test_timeout_is_both_errors_with_how_to_go_on():
    error = errors.BidiModelTimeoutError("timeout_s=600 has passed", history=[{"role": "user"}])
    error.limit_s = 600.0
    known = Told().words.timeout(error)

    assert isinstance(known, errors.BidiModelTimeoutError)
    assert isinstance(known, ConnectionTimeoutError)
    assert str(known) == "timeout_s=600 has passed"
    assert known.restart_config == {"history": [{"role": "user"}]}
    assert (known.limit_s, known.deadline) == (600.0, "lifetime")
    assert type(known) is BidiModelTimeoutError


# --- what agents send -------------------------------------------------------------------------------------------

SETTINGS = AudioSettings(input_rate=16000)


def result(content, call_id="call_1"):
    return ToolResultBlock(tool_use_id=call_id, status="success", content=content)


def test_microphone_audio_is_read_as_the_session_s():
    (sent,) = to_inputs(AudioDelta(format="pcm", source={"bytes": PCM}), SETTINGS)

    assert sent == ours.BidiAudioInputEvent(AUDIO, "pcm", 16000, 1)


def test_message_keeps_the_order_of_its_blocks():
    image = ImageBlock(format="png", source={"bytes": b"png"})
    sent = to_inputs(BidiMessage(content=[TextBlock("What"), image, TextBlock("is it?")]), SETTINGS)

    assert sent == [
        ours.BidiTextInputEvent("What"),
        ours.BidiImageInputEvent(base64.b64encode(b"png").decode(), "image/png"),
        ours.BidiTextInputEvent("is it?"),
    ]


def test_results_are_one_input_each():
    sent = to_inputs(BidiMessage(content=[result([{"text": "ten"}]), result([{"json": 1}], "call_2")]), SETTINGS)

    assert [each.tool_use_id for each in sent] == ["call_1", "call_2"]
    assert sent[0].tool_result == {"toolUseId": "call_1", "status": "success", "content": [{"text": "ten"}]}


def test_input_of_the_engine_s_own_is_taken_as_it_is():
    assert to_inputs(ours.BidiTextInputEvent("Hi"), SETTINGS) == [ours.BidiTextInputEvent("Hi")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("Hello", "content_type=str .* send an AudioDelta, or a BidiMessage"),
        (None, "content_type=NoneType"),
        (BidiMessage(content=[]), "content_type=BidiMessage .* at least one block"),
        (BidiMessage(content=[{"text": "Hi"}]), "dict in a message .* TextBlock"),
        (AudioDelta(format="pcm", source={"location": {}}), "audio whose source holds no bytes"),
        (AudioDelta(format="pcm", source=PCM), "audio whose source holds no bytes"),
        (BidiMessage(content=[ImageBlock(format="png", source={})]), "image whose source holds no bytes"),
    ],
)
def test_what_cannot_be_sent_is_refused_in_words(content, says):
    with pytest.raises(UnsupportedContent, match=says):
        to_inputs(content, SETTINGS)

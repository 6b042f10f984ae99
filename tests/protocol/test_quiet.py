"""Silence: a response that falls silent is stopped, a talk that does is over, and what works in silence may do so."""

import pytest
from asking_talk import Talk, create, only, sent, speaks

from engine.config import EngineSettings
from engine.errors import DeadlinePassed
from engine.events import BidiErrorEvent, BidiTextInputEvent, ToolResultEvent
from engine.protocol.effects import End
from engine.wire import client

STALL_S, IDLE_S, TOOL_S = 20.0, 60.0, 120.0
SPOKEN = {"item_id": "u", "audio_start_ms": 0}
STOPPED = {"item_id": "u", "audio_end_ms": 900}
CALL = {"type": "function_call", "id": "f", "call_id": "call_1", "name": "tool", "arguments": "{}"}


def talk_with(**engine):
    settings = {"response_stall_deadline_s": STALL_S, "tool_result_deadline_s": TOOL_S, **engine}
    return Talk(engine=EngineSettings(on_timeout="raise", reconnect=None, **settings))


@pytest.fixture
def talk():
    return talk_with(idle_deadline_s=IDLE_S)


def ended(effects):
    return [each.error.limit_s for each in only(effects, End)]


def stalled(effects):
    return [each.response_id for each in only(effects, BidiErrorEvent) if each.error.deadline == "response_stall"]


# --- a response -------------------------------------------------------------------------------------------------------


def test_a_response_that_falls_silent_is_told_and_stopped_and_the_talk_goes_on(talk):
    talk.response("created", "resp_1")
    talk.conversation.submit(BidiTextInputEvent("hi"), talk.now)
    assert talk.waits(STALL_S - 1) == []
    effects = talk.waits(1.0)

    (told,) = only(effects, BidiErrorEvent)
    assert isinstance(told.error, DeadlinePassed)
    assert (told.error.deadline, told.error.limit_s, told.response_id) == ("response_stall", STALL_S, "resp_1")
    assert [type(event) for event in sent(effects)] == [client.ResponseCancel, client.ResponseCreate]
    assert sent(effects)[0].response_id == "resp_1"
    assert stalled(talk.waits(STALL_S)) == [], "once"


def test_each_of_its_events_begins_the_silence_anew(talk):
    talk.response("created", "resp_1")
    for _ in range(5):
        talk.waits(STALL_S - 1)
        speaks(talk, "resp_1")
    talk.response("done", "resp_1", status="completed")

    assert stalled(talk.waits(STALL_S)) == []


def test_one_out_of_band_stalls_by_itself_alone(talk):
    talk.response("created", "resp_1")
    (event,) = sent(talk.asks(create("none"))[1])
    talk.response("created", "resp_2", event=event, aside=True)
    talk.waits(STALL_S / 2)
    speaks(talk, "resp_1")

    assert stalled(talk.waits(STALL_S / 2)) == ["resp_2"]
    assert talk.conversation.statistics().gate.state == "active"


def test_one_without_an_id_is_not_followed(talk):
    talk.hears("response.created", response={"conversation_id": "conv_1"})

    assert stalled(talk.waits(STALL_S)) == []


def test_a_tool_of_the_services_may_work_in_silence(talk):
    talk.response("created", "resp_1")
    talk.hears("response.mcp_call.in_progress", item_id="m", output_index=0)
    assert stalled(talk.waits(TOOL_S + STALL_S - 1)) == []

    assert stalled(talk.waits(1.0)) == ["resp_1"]


def test_where_there_is_no_bound_it_may_be_silent_for_ever():
    talk = talk_with(response_stall_deadline_s=None)
    talk.response("created", "resp_1")

    assert talk.conversation.deadline is None
    assert talk.waits(10_000.0) == []


# --- a talk -----------------------------------------------------------------------------------------------------------


def test_a_talk_in_which_nobody_says_anything_is_over(talk):
    assert talk.waits(IDLE_S - 1) == []

    assert ended(talk.waits(1.0)) == [IDLE_S]
    assert talk.waits(IDLE_S) == []


def its_turn(talk):
    talk.hears("input_audio_buffer.speech_started", **SPOKEN)
    talk.hears("input_audio_buffer.speech_stopped", **STOPPED)


SAID = {
    "text": lambda talk: talk.conversation.submit(BidiTextInputEvent("hi", role="assistant"), talk.now),
    "a request": lambda talk: talk.asks(create("none")),
    "an event by hand": lambda talk: talk.conversation.sent_by_hand(client.InputAudioBufferClear(), talk.now),
    "a turn": its_turn,
    "a response": lambda talk: (talk.response("created", "resp_1"), talk.response("done", "resp_1")),
}


@pytest.mark.parametrize("what", SAID)
def test_it_is_not_idle_after(talk, what):
    talk.waits(IDLE_S - 1)
    SAID[what](talk)
    assert ended(talk.waits(IDLE_S - 1)) == []

    assert ended(talk.waits(1.0)) == [IDLE_S]


HOLDS = {
    "the user speaks": (
        lambda talk: talk.hears("input_audio_buffer.speech_started", **SPOKEN),
        lambda talk: talk.hears("input_audio_buffer.speech_stopped", **STOPPED),
    ),
    "a tool works": (
        lambda talk: (
            talk.response("created", "resp_1"),
            talk.hears("response.output_item.done", response_id="resp_1", output_index=0, item=CALL),
            talk.response("done", "resp_1", status="completed"),
        ),
        lambda talk: talk.conversation.submit(
            ToolResultEvent({"toolUseId": "call_1", "content": [{"text": "a"}]}), talk.now
        ),
    ),
}


@pytest.mark.parametrize("what", HOLDS)
def test_it_is_not_idle_while(talk, what):
    begins, ends = HOLDS[what]
    begins(talk)
    for _ in range(5):
        assert ended(talk.waits(IDLE_S)) == []
    ends(talk)
    assert ended(talk.waits(IDLE_S - 1)) == []


def test_it_is_not_idle_while_a_response_goes_on():
    talk = talk_with(idle_deadline_s=IDLE_S, response_stall_deadline_s=None)
    talk.response("created", "resp_1")

    assert ended(talk.waits(10 * IDLE_S)) == []


def test_it_is_not_idle_while_the_models_speech_is_played(talk):
    talk.response("created", "resp_1")
    speaks(talk, "resp_1")
    talk.conversation.playback.received("item_resp_1", 0, 24_000 * 100, "resp_1")
    talk.conversation.playback.delivered("item_resp_1", 24_000 * 101, talk.now)
    talk.response("done", "resp_1", status="completed")
    assert ended(talk.waits(IDLE_S)) == []
    assert ended(talk.waits(100.0 - 1)) == []

    assert ended(talk.waits(2.0)) == [IDLE_S]


def test_a_silent_response_that_is_stopped_holds_the_talk_no_longer(talk):
    talk.response("created", "resp_1")
    talk.waits(STALL_S)
    assert ended(talk.waits(IDLE_S - 1)) == []

    assert ended(talk.waits(1.0)) == [IDLE_S]

"""What the application asks for meets the user's speech, the clock, refusals and servers that leave things out."""

import pytest
from asking_talk import Talk, create, message, only, sent, speaks, update

from engine.errors import DeadlinePassed, RemoteViolation
from engine.events import (
    BidiAudioStreamEvent,
    BidiErrorEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    ToolUseStreamEvent,
)
from engine.protocol.effects import Apart, ResponseEnded
from engine.protocol.requests import GIVEN_UP_MAX, Answered
from engine.wire import client
from engine.wire.items import Content, MessageItem

SPOKEN = {"item_id": "u", "audio_start_ms": 0}
STOPPED = {"item_id": "u", "audio_end_ms": 9}


@pytest.fixture
def talk():
    return Talk()


# --- the user's speech ------------------------------------------------------------------------------------------------


def test_one_that_begins_under_the_users_speech_is_stopped_and_not_asked_for_again(talk):
    ticket, effects = talk.asks(create(instructions="a"))
    (event,) = sent(effects)
    talk.hears("input_audio_buffer.speech_started", **SPOKEN)
    begun = talk.response("created", "resp_1", event=event)

    assert [each.ticket for each in only(begun, Answered)] == [ticket], "whoever asked has its stream"
    assert [type(each) for each in sent(begun)] == [client.ResponseCancel]
    assert only(speaks(talk, "resp_1"), BidiAudioStreamEvent) == []
    ended = talk.response("done", "resp_1", event=event, status="cancelled")
    assert [each.response.status for each in only(ended, ResponseEnded)] == ["cancelled"]
    assert sent(talk.hears("input_audio_buffer.cleared")) == []
    assert talk.conversation.at_rest


def test_what_was_owed_beside_one_that_is_talked_over_stays_owed(talk):
    (event,) = sent(talk.asks(create(instructions="a"))[1])
    talk.conversation.submit(BidiTextInputEvent("hi"), talk.now)
    talk.hears("input_audio_buffer.speech_started", **SPOKEN)
    talk.response("created", "resp_1", event=event)

    assert talk.conversation.statistics().gate.owed


def test_the_services_own_response_is_not_taken_for_the_one_that_was_asked_for(talk):
    talk.asks(create(instructions="a"))
    talk.hears("input_audio_buffer.speech_started", **SPOKEN)
    begun = talk.response("created", "resp_vad")

    assert sent(begun) == [], "the service knows when to interrupt it"
    assert not talk.conversation.statistics().gate.owed


def test_one_by_hand_that_begins_under_the_users_speech_is_its_senders_business(talk):
    talk.conversation.sent_by_hand(client.ResponseCreate(event_id="mine"), talk.now)
    talk.hears("input_audio_buffer.speech_started", **SPOKEN)

    assert sent(talk.response("created", "resp_1")) == []


def test_a_wait_that_nobody_waits_for_any_more_does_not_end_the_users_turn(talk):
    talk.hears("input_audio_buffer.speech_started", **SPOKEN)
    ticket, _ = talk.asks(create())
    talk.conversation.withdraw(ticket, talk.now)
    talk.waits(20.0)

    assert sent(talk.asks(create())[1]) == [], "the user still speaks"


def test_a_turn_that_the_service_listens_to_no_more_holds_nothing_up(talk):
    on = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    talk.hears("session.updated", session=on)
    talk.hears("input_audio_buffer.speech_started", **SPOKEN)
    assert sent(talk.asks(create())[1]) == []
    assert sent(talk.hears("session.updated", session=on)) == [], "another setting has changed"
    off = {"audio": {"input": {"turn_detection": None}}}

    assert [type(event) for event in sent(talk.hears("session.updated", session=off))] == [client.ResponseCreate]


# --- out of band, with servers and moments that are not as usual ------------------------------------------------------


def test_one_out_of_band_that_ends_without_a_beginning_does_not_free_the_way(talk):
    (aside,) = sent(talk.asks(create("none"))[1])
    talk.asks(create(instructions="a"))
    talk.asks(create(instructions="b"))
    item = {"type": "function_call", "id": "i", "call_id": "call_1", "name": "tool", "arguments": "{}"}
    ended = talk.response("done", "resp_1", event=aside, aside=True, status="completed", output=[item])

    assert sent(ended) == [], "the first one is still on its way"
    assert [type(each.told) for each in only(ended, Apart)][:1] == [ToolUseStreamEvent]
    assert talk.conversation.statistics().gate.open_calls == 0


def test_one_out_of_band_is_so_by_what_was_asked_where_the_service_does_not_say(talk):
    (event,) = sent(talk.asks(create("none"))[1])
    talk.hears("response.created", response={"id": "resp_1", "metadata": event.response.metadata})

    assert talk.conversation.statistics().gate.state == "free"
    assert isinstance(speaks(talk, "resp_1")[0], Apart)
    ended = talk.hears("response.done", response={"id": "resp_1", "status": "completed"})
    assert len(only(ended, ResponseEnded)) == 1


def test_one_out_of_band_that_begins_too_late_is_stopped_and_heard_by_nobody(talk):
    ticket, effects = talk.asks(create("none"))
    (event,) = sent(effects)
    (late,) = only(talk.waits(15.0), Answered)
    assert (late.ticket, type(late.error)) == (ticket, DeadlinePassed)
    begun = talk.response("created", "resp_1", event=event, aside=True)

    assert [each.response_id for each in sent(begun)] == ["resp_1"]
    assert only(begun, BidiResponseStartEvent) == []
    assert only(speaks(talk, "resp_1"), BidiAudioStreamEvent) == []


def test_only_so_many_that_begin_too_late_are_known(talk):
    events = [sent(talk.asks(create("none"))[1])[0] for _ in range(GIVEN_UP_MAX + 1)]
    talk.waits(15.0)
    forgotten = talk.response("created", "resp_0", event=events[0], aside=True)
    known = talk.response("created", "resp_1", event=events[1], aside=True)

    assert (len(sent(forgotten)), len(sent(known))) == (0, 1)


def test_that_an_abandoned_one_has_ended_by_itself_does_not_free_the_way(talk):
    ticket, effects = talk.asks(create("none"))
    (event,) = sent(effects)
    talk.conversation.withdraw(ticket, talk.now)
    talk.response("created", "resp_vad")
    talk.asks(create())
    (cancel,) = sent(talk.response("created", "resp_1", event=event, aside=True))
    talk.response("done", "resp_1", event=event, aside=True, status="completed")

    assert sent(talk.fails("response_cancel_not_active", event_id=cancel.event_id)) == []
    assert talk.conversation.statistics().gate.state == "active"


def test_the_end_of_one_out_of_band_does_not_answer_who_stops_the_conversations(talk):
    (aside,) = sent(talk.asks(create("none"))[1])
    talk.response("created", "resp_1", event=aside, aside=True)
    ticket, _ = talk.asks(client.ResponseCancel())
    ended = talk.response("done", "resp_1", event=aside, aside=True, status="completed")

    assert only(ended, Answered) == []
    assert talk.fails("response_cancel_not_active") == [Answered(ticket, value=False)]


def test_to_stop_a_response_without_an_id_names_none(talk):
    talk.hears("response.created", response={"conversation_id": "conv_1"})
    _, effects = talk.asks(client.ResponseCancel())

    assert [each.response_id for each in sent(effects)] == [None]


@pytest.mark.parametrize("conversation", [None, "none"])
def test_whoever_waits_for_an_end_that_can_not_be_read_is_told_so(talk, conversation):
    (event,) = sent(talk.asks(create(conversation))[1])
    aside = conversation is not None
    talk.response("created", "resp_1", event=event, aside=aside)
    error = RemoteViolation("missing_field", "no response", field="response", event_type="response.done")
    effects = talk.conversation.violated(error, "missing_field", talk.now)

    # Which response out of band it was is not known; the session's end ends its stream.
    assert [each.error for each in only(effects, ResponseEnded)] == ([] if aside else [error])


def test_an_item_that_is_put_first_by_hand_is_the_first_of_the_mirror(talk):
    for number, place in enumerate([None, "root"]):
        item = MessageItem(id=f"item_{number}", role="user", content=(Content(type="input_text", text="x"),))
        event = client.ConversationItemCreate(event_id=f"mine_{number}", item=item, previous_item_id=place)
        talk.conversation.sent_by_hand(event, talk.now)
        told = {"type": "message", "id": item.id, "role": "user", "content": [{"type": "input_text", "text": "x"}]}
        talk.hears("conversation.item.added", item=told, previous_item_id=None)
        talk.hears("conversation.item.done", item=told, previous_item_id=None)

    assert [held.item.id for held in talk.conversation.history] == ["item_1", "item_0"]


# --- nothing is kept --------------------------------------------------------------------------------------------------


def test_one_that_lost_a_race_and_that_nobody_wants_is_forgotten(talk):
    ticket, _ = talk.asks(create())
    talk.conversation.withdraw(ticket, talk.now)
    talk.response("created", "resp_vad")
    talk.fails("conversation_already_has_active_response")
    talk.response("done", "resp_vad", status="completed")

    assert talk.conversation.link_ended(talk.gone())[:-1] == [], "nobody is left to be told"


def test_wishes_to_stop_that_were_granted_are_not_kept_for_ever(talk):
    for number in range(50):
        talk.response("created", f"resp_{number}")
        talk.conversation.interrupt(talk.now)
        talk.response("done", f"resp_{number}", status="cancelled")
        talk.now += 11.0

    assert talk.noted() <= 2


def test_a_change_goes_out_when_the_one_that_it_waited_for_is_withdrawn(talk):
    talk.asks(update(instructions="a"))
    ticket, _ = talk.asks(update(instructions="b", tool_choice="none"))
    assert talk.asks(update(tool_choice="auto"))[1] == []
    effects = talk.conversation.withdraw(ticket, talk.now)

    assert [each.session.tool_choice for each in sent(effects)] == ["auto"]


# --- items that the service refuses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["named", "by its parameter", "by hand"])
def test_an_item_that_is_refused_is_not_waited_for(talk, how):
    if how == "by hand":
        content = (Content(type="input_text", text="x"),)
        event = client.ConversationItemCreate(event_id="mine", item=MessageItem(role="user", content=content))
        talk.conversation.sent_by_hand(event, talk.now)
    else:
        event = sent(talk.conversation.submit(BidiTextInputEvent("too long", role="assistant"), talk.now))[0]
    named = None if how == "by its parameter" else event.event_id
    told = talk.fails("invalid_value", param="item.content", event_id=named)
    assert len(only(told, BidiErrorEvent)) == 1, "nobody waits for it, so it is told to all"

    talk.hears("input_audio_buffer.speech_started", **SPOKEN)
    talk.conversation.submit(BidiTextInputEvent("hi"), talk.now)
    talk.hears("conversation.item.added", item={"type": "message", "id": "x", "role": "user", "content": []})
    talk.hears("input_audio_buffer.speech_stopped", **STOPPED)
    talk.response("created", "resp_vad")
    assert not talk.conversation.statistics().gate.owed, "it answers all that the service has"


# --- errors without a name --------------------------------------------------------------------------------------------


def test_an_error_that_says_what_it_is_about_is_not_taken_for_a_refused_change(talk):
    ticket, _ = talk.asks(update(instructions="a"))
    told = talk.fails("inference_rate_limit_exceeded")

    assert only(told, Answered) == []
    assert len(only(told, BidiErrorEvent)) == 1
    answered = talk.hears("session.updated", session={"instructions": "a"})
    assert [each.ticket for each in only(answered, Answered)] == [ticket]


def test_two_items_on_their_way_are_told_apart_by_who_waits(talk):
    mine, _ = talk.asks(message("item_1"))
    talk.conversation.submit(BidiTextInputEvent("hi"), talk.now)
    (answer,) = only(talk.fails("invalid_value", param="item.content"), Answered)

    assert answer.ticket == mine

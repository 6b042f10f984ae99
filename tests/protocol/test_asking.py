"""What the application asks for by itself, in a whole conversation: order, races, errors, and events set apart."""

import pytest
from asking_talk import Talk, create, message, only, sent, speaks, update
from transcripts import config, server

from engine.config.asked import METADATA_ID_KEY
from engine.errors import ConnectionLost, DeadlinePassed, ServerReported, SessionEnded
from engine.events import (
    BidiAudioStreamEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiUsageEvent,
    McpApprovalRequestEvent,
    McpCallEvent,
    McpToolsEvent,
)
from engine.protocol.asking import FOLLOWED_MAX
from engine.protocol.conversation import Conversation
from engine.protocol.effects import Apart, AudioDone, End, ResponseEnded
from engine.protocol.requests import Answered
from engine.wire import client
from engine.wire.items import FunctionCallOutputItem
from engine.wire.session import Audio, AudioOutput, ResponseSettings


@pytest.fixture
def talk():
    return Talk()


# --- responses of the conversation ------------------------------------------------------------------------------------


def test_a_response_goes_out_at_once_when_nothing_is_in_its_way(talk):
    ticket, effects = talk.asks(create(instructions="x", metadata={"topic": "t"}))
    (event,) = sent(effects)
    answered, start = talk.response("created", "resp_1", event=event)

    assert event.response.metadata == {"topic": "t", METADATA_ID_KEY: event.event_id}
    assert answered.ticket == ticket
    assert answered.value.id == "resp_1"
    assert isinstance(start, BidiResponseStartEvent), "its events are the conversation's"
    ended = talk.response("done", "resp_1", event=event, status="completed")
    assert [type(effect) for effect in ended] == [BidiResponseCompleteEvent, ResponseEnded]
    assert ended[1].response.status == "completed"


def test_responses_wait_for_each_other_in_order(talk):
    _, effects = talk.asks(create(instructions="a"))
    (first,) = sent(effects)
    for word in "bc":
        assert talk.asks(create(instructions=word))[1] == []
    order = []
    for number in range(3):
        talk.response("created", f"resp_{number}", event=first)
        order.append(first.response.instructions)
        going = sent(talk.response("done", f"resp_{number}", event=first, status="completed"))
        first = going[0] if going else None

    assert order == ["a", "b", "c"]
    assert first is None


def test_a_response_by_itself_does_not_stand_for_the_one_that_text_wants(talk):
    talk.response("created", "resp_vad")
    talk.asks(create(instructions="a"))
    talk.conversation.submit(BidiTextInputEvent("hi"), talk.now)
    (mine,) = sent(talk.response("done", "resp_vad", status="completed"))
    assert mine.response.instructions == "a"
    talk.response("created", "resp_1", event=mine)
    (owed,) = sent(talk.response("done", "resp_1", event=mine, status="completed"))

    assert owed.response is None


def test_one_that_lost_a_race_goes_again_and_its_caller_never_knows(talk):
    ticket, effects = talk.asks(create())
    (event,) = sent(effects)
    talk.response("created", "resp_vad")
    assert talk.fails("conversation_already_has_active_response") == []
    (again,) = sent(talk.response("done", "resp_vad", status="completed"))

    assert again is event or again == event
    (answered, _) = talk.response("created", "resp_1", event=event)
    assert answered.ticket == ticket


def test_one_that_lost_a_race_and_that_nobody_wants_is_not_sent_again(talk):
    ticket, _ = talk.asks(create())
    talk.conversation.withdraw(ticket, talk.now)
    talk.response("created", "resp_vad")
    talk.fails("conversation_already_has_active_response")

    assert sent(talk.response("done", "resp_vad", status="completed")) == []


def test_one_that_nobody_waits_for_any_more_is_not_asked_for(talk):
    talk.response("created", "resp_vad")
    ticket, _ = talk.asks(create())
    talk.conversation.withdraw(ticket, talk.now)

    assert sent(talk.response("done", "resp_vad", status="completed")) == []


def test_one_that_is_refused_has_its_error_and_lets_the_next_go(talk):
    ticket, effects = talk.asks(create(instructions="a"))
    talk.asks(create(instructions="b"))
    (event,) = sent(effects)
    effects = talk.fails("invalid_value", param="response.tools")

    assert [(each.ticket, type(each.error)) for each in only(effects, Answered)] == [(ticket, ServerReported)]
    assert only(effects, BidiErrorEvent) == [], "it is told once, to who asked"
    assert [each.response.instructions for each in sent(effects)] == ["b"]
    assert event.response.instructions == "a"


def test_one_that_nobody_answers_has_its_deadline_and_lets_the_next_go(talk):
    ticket, _ = talk.asks(create(instructions="a"))
    talk.asks(create(instructions="b"))
    assert talk.conversation.deadline == talk.now + 15.0
    effects = talk.waits(15.0)

    assert [(each.ticket, each.error.deadline) for each in only(effects, Answered)] == [(ticket, "response.create")]
    assert only(effects, BidiErrorEvent) == []
    assert [each.response.instructions for each in sent(effects)] == ["b"]


def test_a_response_that_ends_without_a_beginning_is_its_askers_all_the_same(talk):
    ticket, effects = talk.asks(create())
    (event,) = sent(effects)
    effects = talk.response("done", "resp_1", event=event, status="cancelled")

    assert [each.ticket for each in only(effects, Answered)] == [ticket]
    assert len(only(effects, ResponseEnded)) == 1


def test_a_result_that_is_added_by_itself_counts_as_the_calls_answer(talk):
    talk.response("created", "resp_1")
    item = {"type": "function_call", "id": "i", "call_id": "call_1", "name": "tool", "arguments": "{}"}
    talk.hears("response.output_item.done", response_id="resp_1", output_index=0, item=item)
    output = FunctionCallOutputItem(id="item_1", call_id="call_1", output="x")
    talk.asks(client.ConversationItemCreate(item=output))

    assert [type(event) for event in sent(talk.response("done", "resp_1", status="completed"))] == [
        client.ResponseCreate
    ]


# --- out of band ------------------------------------------------------------------------------------------------------


def test_responses_out_of_band_go_at_once_beside_the_conversation_and_each_other(talk):
    talk.response("created", "resp_vad")

    for _ in range(2):
        assert len(sent(talk.asks(create("none"))[1])) == 1


def test_what_a_response_out_of_band_tells_is_set_apart(talk):
    talk.response("created", "resp_vad")
    ticket, effects = talk.asks(create("none"))
    (event,) = sent(effects)
    answered, start = talk.response("created", "resp_1", event=event, aside=True)

    assert answered.ticket == ticket
    assert (start.response_id, type(start.told)) == ("resp_1", BidiResponseStartEvent)
    (audio,) = speaks(talk, "resp_1")
    assert isinstance(audio.told, BidiAudioStreamEvent)
    assert isinstance(speaks(talk, "resp_vad")[0], BidiAudioStreamEvent), "the conversation's go on as ever"
    (done,) = speaks(talk, "resp_1", "response.output_audio.done")
    assert done == Apart("resp_1", AudioDone("item_resp_1"))
    usage = {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2}
    ended = talk.response("done", "resp_1", event=event, aside=True, status="completed", usage=usage)
    assert [type(each.told) for each in only(ended, Apart)] == [BidiResponseCompleteEvent, BidiUsageEvent]
    assert type(ended[-1]) is ResponseEnded
    assert isinstance(speaks(talk, "resp_1")[0], BidiAudioStreamEvent), "nobody waits for more of it"


def test_speech_out_of_band_is_none_of_the_conversations(talk):
    (event,) = sent(talk.asks(create("none"))[1])
    talk.response("created", "resp_1", event=event, aside=True)
    speaks(talk, "resp_1")
    speaks(talk, "resp_1", "response.output_audio.done")
    part = {"item_id": "i", "output_index": 0, "content_index": 0, "part": {"type": "audio"}}
    talk.hears("response.content_part.added", response_id="resp_1", **part)

    assert not talk.conversation.standing.has_spoken
    interruption = talk.hears("input_audio_buffer.speech_started", item_id="u", audio_start_ms=0)
    assert only(interruption, BidiInterruptionEvent)
    assert sent(interruption) == [], "nothing of it is cut"
    talk.hears("response.content_part.added", response_id="resp_2", **part)
    assert talk.conversation.standing.has_spoken


def test_a_response_out_of_band_by_hand_is_told_to_all(talk):
    event = client.ResponseCreate(event_id="mine", response=ResponseSettings(conversation="none"))
    talk.conversation.sent_by_hand(event, talk.now)

    (start,) = talk.response("created", "resp_1", aside=True)
    assert isinstance(start, BidiResponseStartEvent)


def test_one_out_of_band_that_nobody_waits_for_is_stopped_as_it_begins(talk):
    ticket, effects = talk.asks(create("none"))
    (event,) = sent(effects)
    talk.conversation.withdraw(ticket, talk.now)
    effects = talk.response("created", "resp_1", event=event, aside=True)

    assert [each.response_id for each in sent(effects)] == ["resp_1"]
    assert only(effects, BidiResponseStartEvent) == [], "it is told to nobody"


def test_only_so_many_are_followed_at_once_and_the_oldest_is_forgotten(talk):
    for number in range(FOLLOWED_MAX + 1):
        (event,) = sent(talk.asks(create("none"))[1])
        talk.response("created", f"resp_{number}", event=event, aside=True)

    assert isinstance(speaks(talk, "resp_0")[0], BidiAudioStreamEvent), "it is told to all, and lost to nobody"
    assert isinstance(speaks(talk, "resp_1")[0], Apart)


# --- stopping ----------------------------------------------------------------------------------------------------


def test_to_stop_the_active_response_names_it(talk):
    talk.response("created", "resp_1")
    ticket, effects = talk.asks(client.ResponseCancel())
    assert [each.response_id for each in sent(effects)] == ["resp_1"]

    ended = talk.response("done", "resp_1", status="cancelled")
    assert Answered(ticket, value=True) in ended


def test_nothing_to_stop_is_an_answer_and_no_error(talk):
    ticket, _ = talk.asks(client.ResponseCancel())

    assert talk.fails("response_cancel_not_active") == [Answered(ticket, value=False)]


def test_that_another_response_is_over_does_not_free_the_way(talk):
    talk.response("created", "resp_1")
    talk.asks(create())
    talk.asks(client.ResponseCancel(response_id="resp_aside"))

    assert sent(talk.fails("response_cancel_not_active")) == []
    talk.asks(client.ResponseCancel(response_id="resp_1"))
    assert len(sent(talk.fails("response_cancel_not_active"))) == 1


def test_a_second_wish_to_stop_does_not_free_the_way_before_the_end(talk):
    talk.response("created", "resp_1")
    talk.asks(create())
    first, effects = talk.asks(client.ResponseCancel())
    second, effects = talk.asks(client.ResponseCancel())
    (event,) = sent(effects)

    assert talk.fails("response_cancel_not_active", event_id=event.event_id) == [Answered(second, value=False)]
    ended = talk.response("done", "resp_1", status="cancelled")
    assert Answered(first, value=True) in ended
    assert len(sent(ended)) == 1, "the one in line goes now"


def test_a_wish_to_stop_whatever_begins_counts_as_well(talk):
    talk.asks(create())
    talk.asks(client.ResponseCancel())
    talk.response("created", "resp_1")
    _, effects = talk.asks(client.ResponseCancel())
    talk.conversation.submit(BidiTextInputEvent("hi"), talk.now)
    (event,) = sent(effects)

    assert sent(talk.fails("response_cancel_not_active", event_id=event.event_id)) == [], "its end is still to come"


def test_that_a_wish_to_stop_came_too_late_does_not_free_the_way_of_the_next_response(talk):
    talk.response("created", "resp_1")
    tickets, events = zip(*(talk.asks(client.ResponseCancel()) for _ in range(2)), strict=True)
    ended = talk.response("done", "resp_1", status="cancelled")
    assert [each.ticket for each in only(ended, Answered)] == list(tickets)
    talk.response("created", "resp_2")
    talk.asks(create())
    (late,) = sent(events[1])

    assert talk.fails("response_cancel_not_active", event_id=late.event_id) == []
    assert len(sent(talk.response("done", "resp_2", status="completed"))) == 1


# --- settings and items -----------------------------------------------------------------------------------------------


def test_the_answer_to_the_sessions_own_settings_is_nobody_elses():
    talk = Conversation(config(), "connection_1")
    talk.begin()
    talk.receive(server("session.created", session={"type": "realtime"}), 0.0)
    asked = talk.ask(update(instructions="x"), 0.0)

    assert talk.receive(server("session.updated", session={"type": "realtime"}), 0.0) == []
    (answer,) = talk.receive(server("session.updated", session={"instructions": "x"}), 0.0)
    assert (answer.ticket, answer.value.instructions) == (asked.ticket, "x")


def test_a_second_change_of_a_setting_goes_out_with_the_answer_to_the_first(talk):
    talk.asks(update(instructions="a"))
    assert talk.asks(update(instructions="b"))[1] == []
    effects = talk.hears("session.updated", session={"instructions": "a"})

    assert [event.session.instructions for event in sent(effects)] == ["b"]


def test_a_change_that_waits_goes_out_when_the_one_before_it_is_refused_or_late(talk):
    for word in "abc":
        talk.asks(update(instructions=word))
    refused = talk.fails("invalid_value", param="session.instructions")
    late = talk.waits(10.0)

    assert [event.session.instructions for event in sent(refused) + sent(late)] == ["b", "c"]
    assert isinstance(only(late, Answered)[0].error, DeadlinePassed)


def test_what_the_service_says_decides_what_can_change(talk):
    output = {"output": {"voice": "cedar"}}
    talk.hears("session.updated", session={"audio": output, "tracing": "auto"})
    talk.response("created", "resp_1")
    speaks(talk, "resp_1", "response.output_audio.done")
    standing = talk.conversation.standing

    assert (standing.voice, standing.tracing, standing.has_spoken, standing.response_active) == (
        "cedar",
        "auto",
        True,
        True,
    )
    assert talk.conversation.effective.session.audio == Audio(output=AudioOutput(voice="cedar"))


def test_before_the_service_says_it_the_voice_is_the_one_that_was_asked_for():
    conversation = Conversation(config(voice="marin"), "connection_1")

    assert (conversation.standing.voice, conversation.standing.tracing) == ("marin", None)


def test_an_item_that_is_refused_is_not_waited_for_by_later_responses(talk):
    ticket, _ = talk.asks(message())
    effects = talk.fails("string_above_max_length", param="item.id")
    assert [each.ticket for each in only(effects, Answered)] == [ticket]
    talk.conversation.submit(BidiTextInputEvent("hi"), talk.now)
    item = {"type": "message", "id": "x", "role": "user", "content": []}
    talk.hears("conversation.item.added", item=item)
    talk.response("created", "resp_1")

    assert sent(talk.response("done", "resp_1", status="completed")) == [], "it has answered all there was"


def test_items_are_answered_with_what_the_service_holds(talk):
    item = {"type": "message", "id": "item_1", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    place = {"item_id": "item_1", "content_index": 0, "audio_end_ms": 5}
    for event, kind, fields in [
        (message(), "conversation.item.added", {"item": item}),
        (client.ConversationItemRetrieve(item_id="item_1"), "conversation.item.retrieved", {"item": item}),
        (client.ConversationItemTruncate(**place), "conversation.item.truncated", place),
        (client.ConversationItemDelete(item_id="item_1"), "conversation.item.deleted", {"item_id": "item_1"}),
    ]:
        ticket, _ = talk.asks(event)
        assert [each.ticket for each in only(talk.hears(kind, **fields), Answered)] == [ticket]
    assert talk.conversation.history.get("item_1") is None


# --- ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["link", "expired", "fatal", "done"])
def test_at_the_end_every_request_is_told_before_it(talk, how):
    tickets = [talk.asks(update(instructions="a"))[0], talk.asks(create())[0], talk.asks(create())[0]]
    if how == "link":
        effects = talk.conversation.link_ended(ConnectionLost("gone", code=1006))
    elif how == "done":
        error = {"type": "x", "code": "insufficient_quota", "message": "no money"}
        effects = talk.response("done", "resp_9", status="failed", status_details={"error": error})
    else:
        effects = talk.fails("session_expired" if how == "expired" else "invalid_api_key")

    answers = only(effects, Answered)
    assert [each.ticket for each in answers] == tickets
    assert all(isinstance(each.error, SessionEnded) for each in answers)
    assert isinstance(effects[-1], End)
    assert answers[0].error.__cause__ is effects[-1].error
    assert talk.conversation.deadline is None
    with pytest.raises(SessionEnded):
        talk.conversation.ask(create(), talk.now)


def test_a_refusal_that_ends_the_session_is_told_to_who_asked_as_well(talk):
    ticket, effects = talk.asks(update(instructions="a"))
    (event,) = sent(effects)
    effects = talk.fails("insufficient_quota", event_id=event.event_id)

    assert [(each.ticket, each.error.code) for each in only(effects, Answered)] == [(ticket, "insufficient_quota")]
    assert isinstance(effects[-1], End)


# --- MCP ---------------------------------------------------------------------------------------------------------

TOOLS = {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "docs", "tools": [{"name": "search"}]}
CALL = {"type": "mcp_call", "id": "mcp_1", "server_label": "docs", "name": "search", "arguments": ""}
APPROVAL = {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "docs", "name": "search", "arguments": "{}"}
PLACE = {"response_id": "resp_1", "item_id": "mcp_1", "output_index": 0}


def test_a_servers_tools_are_told_as_they_come(talk):
    effects = talk.hears("mcp_list_tools.in_progress", item_id="mcpl_1")
    for kind in ("added", "done"):
        effects += talk.hears(f"conversation.item.{kind}", item=TOOLS)
    effects += talk.hears("mcp_list_tools.completed", item_id="mcpl_1")

    assert [(type(each), each.status) for each in effects] == [(McpToolsEvent, "in_progress"), (McpToolsEvent, "ready")]
    assert effects[1].event_id == "event_1"
    assert effects[1].received_at == talk.now
    (failed,) = talk.hears("mcp_list_tools.failed", item_id="mcpl_1")
    assert failed.status == "failed"


def test_the_response_after_an_mcp_call_is_asked_for_however_late_it_ends(talk):
    talk.response("created", "resp_1")
    (begun,) = talk.hears("response.output_item.added", response_id="resp_1", output_index=0, item=CALL)
    talk.hears("response.mcp_call_arguments.done", arguments="{}", **PLACE)
    talk.hears("response.mcp_call.in_progress", item_id="mcp_1", output_index=0)
    talk.hears("conversation.item.added", item=CALL)
    done = talk.response("done", "resp_1", status="completed", output=[CALL])
    assert sent(done) == [], "its call still runs"
    effects = talk.hears("response.mcp_call.completed", item_id="mcp_1", output_index=0)
    item = {**CALL, "output": "found"}
    ended = talk.hears("response.output_item.done", response_id="resp_1", output_index=0, item=item)

    assert [type(event) for event in sent(effects)] == [client.ResponseCreate]
    assert [each.output for each in only(ended, McpCallEvent)] == ["found"]
    assert isinstance(begun, McpCallEvent)
    assert sent(ended) == []


@pytest.mark.parametrize(("status", "follows"), [("completed", 1), ("incomplete", 1), ("cancelled", 0), ("failed", 0)])
def test_a_response_that_was_cut_off_is_not_followed(talk, status, follows):
    talk.response("created", "resp_1")
    done = talk.response("done", "resp_1", status=status, output=[{**CALL, "output": "x"}])

    assert [each.status for each in only(done, McpCallEvent)] == ["in_progress", "completed"]
    assert len(sent(done)) == follows


def test_an_approval_is_answered_by_an_item_and_the_talk_goes_on(talk):
    talk.response("created", "resp_1")
    (asked,) = talk.hears("conversation.item.added", item=APPROVAL)
    assert talk.hears("conversation.item.done", item=APPROVAL) == []
    talk.response("done", "resp_1", status="completed")
    assert talk.conversation.mcp.approvals == {"mcpr_1"}
    no = {"type": "mcp_approval_response", "id": "item_1", "approval_request_id": "mcpr_1", "approve": False}
    effects = talk.hears("conversation.item.added", item=no)

    assert isinstance(asked, McpApprovalRequestEvent)
    assert (asked.request_id, asked.response_id) == ("mcpr_1", "resp_1")
    assert [type(event) for event in sent(effects)] == [client.ResponseCreate]


def test_items_of_the_services_own_are_not_taken_for_the_clients(talk):
    talk.response("created", "resp_0")
    talk.conversation.submit(BidiTextInputEvent("hi"), talk.now)
    talk.hears("conversation.item.added", item=TOOLS)
    talk.response("created", "resp_vad")

    assert talk.conversation.statistics().gate.owed, "no response has seen the text yet"

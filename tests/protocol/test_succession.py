"""A talk over one connection after another: when it may move, what is told again, and what is asked for again."""

import pytest
from asking_talk import create, message, only, sent, update
from moving_talk import VAD, MovingTalk

from engine.config import EngineSettings
from engine.errors import SessionEnded
from engine.events import (
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    McpCallEvent,
    ToolResultEvent,
)
from engine.protocol.effects import End, LinkOver, PurgeAudio, ResponseEnded
from engine.protocol.loudness import NOISE_S
from engine.protocol.requests import Answered
from engine.protocol.succession import WORDS_WAIT_S
from engine.wire import client
from engine.wire.items import Content, MessageItem

BY_HAND = {"type": "realtime", "audio": {"input": {"turn_detection": None, "transcription": {}}}}
ASK, ASIDE = "response.create", create("none")


def text(words, role="user"):
    return BidiTextInputEvent(words, role)


def result(call_id="call_1", words="sunny"):
    return ToolResultEvent({"toolUseId": call_id, "content": [{"text": words}]})


def is_written_down(talk, transcript, item_id="turn_1"):
    kind = "conversation.item.input_audio_transcription.completed"
    talk.hears(kind, item_id=item_id, content_index=0, transcript=transcript)


@pytest.fixture
def talk():
    return MovingTalk()


# --- the boundary -----------------------------------------------------------------------------------------------------


def test_a_talk_in_which_nothing_is_under_way_is_at_a_boundary(talk):
    assert talk.succession.at_boundary(talk.now)


def test_one_that_was_answered_and_heard_out_is_at_a_boundary_again(talk):
    talk.speaks()
    talk.answers(heard_ms=1000)
    is_written_down(talk, "hi")
    assert not talk.succession.at_boundary(talk.now)
    talk.ends()

    assert talk.succession.at_boundary(talk.now)


def its_mcp_tool_works(talk):
    item = {"type": "mcp_call", "id": "m", "server_label": "docs", "name": "find", "arguments": "{}"}
    talk.hears("conversation.item.added", item=item, previous_item_id=None)


UNDER_WAY = {
    "a response": lambda talk: talk.answers(heard_ms=1000),
    "a response that was asked for": lambda talk: talk.conversation.tell("x", talk.now),
    "one that waits in line": lambda talk: (talk.conversation.tell("x", talk.now), talk.asks(create())),
    "a call": lambda talk: (talk.answers(ms=0), talk.calls(), talk.ends()),
    "a call of the service's": its_mcp_tool_works,
    "the user's speech": lambda talk: talk.speaks(stops=False, commits=False),
    "a turn that is not committed": lambda talk: talk.speaks(commits=False),
    "a turn that waits for its answer": lambda talk: talk.speaks(),
    "a request": lambda talk: talk.asks(client.ConversationItemRetrieve(item_id="x")),
    "an item": lambda talk: talk.conversation.submit(text("x", "assistant"), talk.now),
    "speech that is played": lambda talk: (talk.answers(heard_ms=10), talk.ends()),
}


@pytest.mark.parametrize("what", UNDER_WAY)
def test_the_talk_does_not_move_in_the_middle_of(talk, what):
    UNDER_WAY[what](talk)

    assert not talk.succession.at_boundary(talk.now)


def test_a_turn_that_is_written_down_is_waited_for_but_not_for_ever(talk):
    talk.speaks()
    talk.answers(heard_ms=1000)
    talk.ends()

    assert not talk.succession.at_boundary(talk.now)
    assert not talk.succession.at_boundary(talk.now + WORDS_WAIT_S - 0.1)
    assert talk.succession.at_boundary(talk.now + WORDS_WAIT_S)


def test_who_may_have_begun_to_speak_is_listened_to_until_it_is_known_for_noise(talk):
    began_at = talk.now
    while talk.now < began_at + NOISE_S:
        talk.feeds(100, level=8000)
        assert not talk.succession.at_boundary(talk.now)
        talk.now += 0.1
    talk.feeds(100, level=8000)

    assert talk.succession.at_boundary(talk.now)


def test_what_was_loud_before_somebody_spoke_is_no_noise_afterwards(talk):
    talk.feeds(100, level=8000)
    assert not talk.succession.at_boundary(talk.now)
    talk.conversation.tell("x", talk.now)
    talk.succession.at_boundary(talk.now)
    talk.answers(ms=0)
    talk.ends()
    talk.adds(message())
    talk.now += NOISE_S
    talk.feeds(100, level=8000)

    assert not talk.succession.at_boundary(talk.now)


# --- what was typed ---------------------------------------------------------------------------------------------------


def typed(talk, words, role="assistant"):
    """Something is on its way."""
    return sent(talk.conversation.submit(text(words, role), talk.now))[0]


def test_what_is_on_its_way_is_told_the_next_connection_once_in_order_and_by_the_same_names(talk):
    talk.says("first")
    events = [typed(talk, "second"), typed(talk, "third")]
    told, moved = talk.reconnects()

    assert told == []
    assert moved.told == ["first"]
    assert [effect.event for effect in moved.effects] == events
    assert all(effect.again for effect in moved.effects)


def test_what_was_seen_on_the_old_one_is_told_as_a_part_of_the_talk_alone(talk):
    talk.adds(typed(talk, "hello"))
    _, moved = talk.reconnects()

    assert (moved.told, moved.sent) == (["hello"], [])


def test_what_is_typed_while_there_is_none_is_told_after_what_was_on_its_way(talk):
    typed(talk, "first", "user")
    talk.loses()
    assert [type(event) for event in sent(talk.conversation.submit(text("second"), talk.now))] == [
        client.ConversationItemCreate
    ], "nothing is asked for while nobody hears it"

    assert talk.moves().sent == ["first", "second", ASK]


def test_what_is_on_its_way_over_two_connections_that_break_is_told_the_third(talk):
    typed(talk, "hello")
    talk.reconnects()
    _, moved = talk.reconnects()
    assert moved.sent == ["hello"]
    talk.adds(moved.effects[0].event)

    assert talk.reconnects()[1].sent == []


def placed(talk, item_id, after):
    item = MessageItem(id=item_id, role="user", content=(Content(type="input_text", text=item_id),))
    return talk.asks(client.ConversationItemCreate(item=item, previous_item_id=after))


def test_an_item_keeps_its_place_if_the_next_connection_has_what_is_before_it(talk):
    long_id = "an_id_that_is_longer_than_the_service_takes"
    talk.says("one")
    talk.says("two", long_id)
    for item_id, after in (("a", "item_one"), ("b", "a"), ("c", "root"), ("d", long_id)):
        placed(talk, item_id, after)
    _, moved = talk.reconnects()
    for effect in moved.effects:
        moved.known.take(effect.event)

    assert moved.known.words == ["c", "one", "a", "b", "two", "d"]


def test_an_item_goes_to_the_end_where_the_next_connection_has_not_what_is_before_it(talk):
    item = {"type": "message", "id": "silent", "role": "user", "content": [{"type": "input_audio"}]}
    talk.hears("conversation.item.added", item=item, previous_item_id=None)
    placed(talk, "a", "silent")
    _, moved = talk.reconnects()

    assert [effect.event.previous_item_id for effect in moved.effects] == [None]


def test_an_item_that_the_next_connection_refused_is_left_out_and_nothing_follows_it(talk):
    talk.says("one")
    talk.says("two")
    placed(talk, "a", "item_one")
    talk.loses()
    moved = talk.moves(talk.prepares(refuses={"item_one"}))

    assert moved.told == ["two"]
    assert [effect.event.previous_item_id for effect in moved.effects] == [None]
    assert (moved.takeover.replayed_items, moved.takeover.left_out_items) == (1, 1)


def test_the_next_connection_is_told_what_the_talk_has_gained_and_lost_while_it_was_prepared(talk):
    talk.says("one")
    talk.says("two")
    ready = talk.prepares()
    talk.says("three")
    talk.hears("conversation.item.deleted", item_id="item_one")
    talk.loses()

    assert talk.moves(ready, broken=False).told == ["two", "three"]
    assert talk.words == ["two", "three"], "its answers to that are no news"


# --- answers that were cut off ----------------------------------------------------------------------------------------


def test_an_answer_that_breaks_off_is_told_as_heard_and_asked_for_again_once(talk):
    talk.says("hi")
    talk.answers(heard_ms=500)
    told, moved = talk.reconnects()

    purge, interruption, complete = told
    assert isinstance(purge, PurgeAudio)
    assert ("resp_1" in purge.kept, "resp_0" in purge.kept, purge.by_user) == (False, True, False)
    assert isinstance(interruption, BidiInterruptionEvent)
    assert (interruption.reason, interruption.response_id) == ("error", None)
    assert isinstance(complete, BidiResponseCompleteEvent)
    assert (complete.response_id, complete.stop_reason) == ("resp_1", "interrupted")
    assert moved.told == ["hi", "one two"], "as far as it was heard"
    assert (moved.sent, moved.takeover.asked_again) == ([ASK], True)


def test_an_answer_of_which_nothing_was_heard_is_no_part_of_the_talk(talk):
    talk.says("hi")
    talk.answers(heard_ms=0)
    _, moved = talk.reconnects()

    assert (moved.told, moved.sent) == (["hi"], [ASK])
    assert talk.words == ["hi"]


@pytest.mark.parametrize(("words", "kept"), [("one two", ["one two"]), (None, [])])
def test_an_answer_in_text_stays_as_far_as_it_was_written(talk, words, kept):
    talk.hears("session.updated", session={**VAD, "output_modalities": ["text"]})
    item_id = talk.answers(ms=0)
    if words:
        talk.hears(
            "response.output_text.delta",
            response_id="resp_1",
            item_id=item_id,
            output_index=0,
            content_index=0,
            delta=words,
        )

    assert talk.reconnects()[1].told == kept


def test_an_answer_that_had_ended_is_not_asked_for_again(talk):
    talk.answers(heard_ms=1000)
    talk.ends()
    told, moved = talk.reconnects()

    assert (told, moved.sent, moved.takeover.asked_again) == ([], [], False)
    assert moved.told == ["one two three four"]


def test_an_answer_that_was_to_end_as_the_user_cut_in_is_not_asked_for_again(talk):
    talk.answers(heard_ms=500)
    talk.hears("input_audio_buffer.speech_started", item_id="turn_1", audio_start_ms=0)
    told, moved = talk.reconnects()

    assert [type(each) for each in told] == [BidiResponseCompleteEvent], "that he did was told before"
    assert (moved.told, moved.sent) == (["one two"], [])


def test_an_answer_that_breaks_off_is_let_be_when_the_user_cuts_in_before_it_can_go_on(talk):
    talk.answers(heard_ms=500)
    talk.loses()
    talk.conversation.interrupt(talk.now)
    moved = talk.moves()

    assert (moved.told, moved.sent, moved.takeover.asked_again) == (["one two"], [], False)


def test_an_answer_that_the_application_has_stopped_is_not_asked_for_again(talk):
    talk.answers(heard_ms=500)
    talk.conversation.ask(client.ResponseCancel(), talk.now)
    _, moved = talk.reconnects()

    assert (moved.told, moved.sent) == (["one two"], [])


def test_what_was_heard_is_kept_though_the_service_never_said_that_it_has_cut_it(talk):
    talk.answers("resp_1", heard_ms=500)
    talk.ends("resp_1")
    talk.answers("resp_2", heard_ms=0)
    talk.ends("resp_2")
    assert len(sent(talk.conversation.interrupt(talk.now))) == 2
    _, moved = talk.reconnects()

    assert moved.told == ["one two"]


def test_what_the_application_has_stopped_is_told_as_heard_though_its_end_never_came(talk):
    talk.answers(heard_ms=500)
    assert [type(event) for event in sent(talk.conversation.interrupt(talk.now))] == [client.ResponseCancel]
    _, moved = talk.reconnects()

    assert (moved.told, moved.sent) == (["one two"], [])


@pytest.mark.parametrize("event", [client.ResponseCreate(event_id="mine"), None])
def test_a_request_without_an_answer_is_owed_still(talk, event):
    if event is None:
        talk.conversation.tell("x", talk.now)
        talk.adds(talk.conversation._turns.underway._items[0])
    else:
        talk.conversation.sent_by_hand(event, talk.now)
    assert talk.gate.state == "requested"
    talk.loses()
    assert (talk.gate.state, talk.gate.owed) == ("free", True)

    assert talk.moves().sent == [ASK]
    assert talk.gate.state == "requested"


def test_a_request_that_lost_a_race_is_asked_for_once(talk):
    talk.conversation.tell("x", talk.now)
    talk.response("created", "resp_vad")
    talk.fails("conversation_already_has_active_response")
    _, moved = talk.reconnects()

    assert moved.sent.count(ASK) == 1


def test_the_way_is_free_at_once_after_a_move_for_who_asks(talk):
    talk.answers()
    talk.reconnects()
    talk.answers("resp_2", heard_ms=1000)
    talk.ends("resp_2")

    assert sent(talk.conversation.tell("x", talk.now))[1:], "no answer of the old connection holds it up"


@pytest.mark.parametrize(("had_it", "sent_again"), [(True, []), (False, [ASK])])
def test_a_request_that_was_given_up_is_made_again_unless_the_service_had_it(talk, had_it, sent_again):
    ask = sent(talk.conversation.tell("x", talk.now))[0]
    talk.adds(ask)
    talk.waits(15.0)
    if had_it:
        talk.conversation.speech_arrived(talk.now)

    assert talk.reconnects()[1].sent == sent_again


# --- calls ------------------------------------------------------------------------------------------------------------


def test_an_answer_whose_calls_are_open_is_asked_for_by_their_results(talk):
    talk.answers(ms=0)
    talk.calls()
    told, moved = talk.reconnects()
    assert isinstance(told[-1], BidiResponseCompleteEvent)
    assert (moved.told, moved.sent) == (["function_call call_1"], [])

    effects = talk.conversation.submit(result(), talk.now)
    assert [type(event) for event in sent(effects)] == [client.ConversationItemCreate, client.ResponseCreate]


def test_a_result_of_the_time_without_a_connection_goes_out_once_with_its_request(talk):
    talk.answers(ms=0)
    talk.calls()
    talk.loses()
    talk.conversation.submit(result(), talk.now)

    assert talk.moves().sent == ["function_call_output call_1", ASK]


def test_a_result_on_its_way_is_told_again_and_its_answer_asked_for_once(talk):
    talk.answers(ms=0)
    talk.calls()
    talk.ends()
    talk.conversation.submit(result(), talk.now)
    assert talk.gate.state == "requested"

    assert talk.reconnects()[1].sent == ["function_call_output call_1", ASK]


def test_a_call_that_was_told_is_known_to_the_next_connection_though_its_item_never_came(talk):
    talk.response("created", "resp_1")
    talk.calls(mirrored=False)

    assert talk.reconnects()[1].told == ["function_call call_1"]


def test_a_call_that_is_whole_and_was_never_told_is_not_made_and_the_answer_asked_for_again(talk):
    talk.says("weather?")
    talk.response("created", "resp_1")
    call = {"type": "function_call", "id": "f", "call_id": "call_1", "name": "tool", "arguments": "{}"}
    begun = {**call, "arguments": "", "status": "in_progress"}
    talk.hears("response.output_item.added", response_id="resp_1", output_index=0, item=begun)
    for kind, item in (("added", begun), ("done", {**call, "status": "completed"})):
        talk.hears(f"conversation.item.{kind}", item=item, previous_item_id=None)
    _, moved = talk.reconnects()

    assert (moved.told, moved.sent) == (["weather?"], [ASK])


def test_a_call_outside_the_conversation_is_no_part_of_the_talk(talk):
    event = sent(talk.asks(ASIDE)[1])[0]
    talk.response("created", "resp_1", event=event, aside=True)
    talk.calls(mirrored=False)

    assert talk.reconnects()[1].told == []


def test_a_call_that_was_not_whole_is_never_made(talk):
    talk.answers(ms=0)
    item = {"type": "function_call", "id": "f", "call_id": "call_1", "name": "tool", "arguments": ""}
    talk.hears("conversation.item.added", item={**item, "status": "in_progress"}, previous_item_id=None)
    place = {"response_id": "resp_1", "item_id": "f", "output_index": 0}
    talk.hears("response.function_call_arguments.done", **place, call_id="call_1", name="tool", arguments="{}")
    _, moved = talk.reconnects()

    assert (moved.told, moved.sent) == ([], [ASK])
    assert talk.gate.open_calls == 0


# --- the user's turns -------------------------------------------------------------------------------------------------


def test_a_turn_that_had_no_answer_yet_is_told_as_sound_and_answered(talk):
    talk.speaks()
    _, moved = talk.reconnects()

    assert (moved.told, moved.sent) == (["input_audio"], [ASK])
    assert moved.takeover.speech == []


def test_a_turn_that_has_words_is_told_in_words_and_answered(talk):
    talk.speaks()
    is_written_down(talk, "hello")
    _, moved = talk.reconnects()

    assert (moved.told, moved.sent) == (["hello"], [ASK])


def test_a_turn_of_which_nothing_is_known_is_not_answered():
    talk = MovingTalk(engine=EngineSettings(ping_interval_s=None, kept_speech_s=0))
    talk.speaks()

    assert talk.reconnects()[1].sent == []


def test_a_turn_whose_answer_has_ended_is_not_answered_again(talk):
    talk.speaks()
    talk.answers(heard_ms=1000)
    talk.ends()

    assert talk.reconnects()[1].sent == []


def test_a_turn_that_is_no_item_yet_is_heard_anew_and_answered_by_the_service(talk):
    said = talk.speaks(commits=False)
    _, moved = talk.reconnects()

    assert [words for words, _ in moved.takeover.speech] == [said]
    assert (moved.told, moved.sent) == ([], [])


def test_an_older_turn_is_not_answered_for_one_that_is_heard_anew(talk):
    talk.speaks("turn_1")
    talk.speaks("turn_2", commits=False)

    assert talk.reconnects()[1].sent == []


def test_a_turn_that_was_ended_by_hand_is_asked_for_again():
    talk = MovingTalk(session=BY_HAND, turn_detection=None)
    said = talk.feeds()
    commit, ask = sent(talk.conversation.commit(talk.now, answered=True))
    talk.conversation.speech_sent("commit", "the commit", 0.0, talk.now)
    assert (commit.tag, ask.tag) == ("input_audio_buffer.commit", ASK)
    _, moved = talk.reconnects()

    assert [words for words, _ in moved.takeover.speech] == [said, "the commit"]
    assert moved.sent == [ASK]


def test_who_speaks_when_the_connection_moves_is_silent_until_the_next_one_hears_him(talk):
    talk.speaks(stops=False, commits=False)
    talk.reconnects()

    assert not talk.conversation.statistics().user_speaks
    assert sent(talk.conversation.tell("x", talk.now))[1:], "his turn holds nothing up"


def test_the_words_of_a_turn_that_never_come_hold_up_no_boundary(talk):
    talk.speaks()
    talk.reconnects()
    talk.answers(heard_ms=1000)
    talk.ends()

    assert talk.succession.at_boundary(talk.now)


# --- what was asked for by itself -------------------------------------------------------------------------------------


def test_a_response_that_was_asked_for_by_itself_and_has_not_begun_is_asked_for_again(talk):
    ticket, effects = talk.asks(create(instructions="a"))
    _, moved = talk.reconnects()
    assert [effect.event for effect in moved.effects] == sent(effects)

    begun = talk.response("created", "resp_2", event=moved.effects[0].event)
    assert [each.ticket for each in only(begun, Answered)] == [ticket]


def test_one_that_has_begun_is_over_and_whoever_asked_may_ask_anew(talk):
    (event,) = sent(talk.asks(create(instructions="a"))[1])
    talk.response("created", "resp_1", event=event)
    told, moved = talk.reconnects()

    assert [(each.response.id, str(each.error)) for each in only(told, ResponseEnded)] == [("resp_1", "gone")]
    assert len(only(told, BidiResponseCompleteEvent)) == 1
    assert (moved.sent, moved.takeover.asked_again) == ([], False)


def test_what_is_owed_beside_one_that_has_begun_is_asked_for(talk):
    (event,) = sent(talk.asks(create(instructions="a"))[1])
    talk.response("created", "resp_1", event=event)
    talk.conversation.submit(text("hi"), talk.now)

    assert talk.reconnects()[1].sent == ["hi", ASK]


@pytest.mark.parametrize("conversation", [None, "none"])
def test_one_that_nobody_waits_for_any_more_is_not_asked_for_again(talk, conversation):
    ticket, _ = talk.asks(create(conversation))
    talk.conversation.withdraw(ticket, talk.now)
    _, moved = talk.reconnects()

    assert moved.sent == []
    assert sent(talk.conversation.tell("x", talk.now))[1:], "and holds nothing up"


def test_one_out_of_band_that_has_begun_is_over_for_whoever_asked_alone(talk):
    (event,) = sent(talk.asks(ASIDE)[1])
    talk.response("created", "resp_1", event=event, aside=True)
    told, moved = talk.reconnects()

    assert [type(each) for each in told] == [ResponseEnded]
    assert moved.sent == []
    assert talk.response("created", "resp_1", aside=True) == [], "it began before"


def test_one_out_of_band_that_was_asked_for_by_hand_is_over_for_all(talk):
    talk.conversation.sent_by_hand(ASIDE, talk.now)
    talk.response("created", "resp_1", aside=True)
    talk.response("created", "resp_2", aside=True)
    talk.response("done", "resp_2", aside=True, status="completed")
    told, _ = talk.reconnects()

    assert [(type(each), each.response_id) for each in told] == [(BidiResponseCompleteEvent, "resp_1")]
    assert talk.reconnects()[0] == [], "once"


def test_a_request_by_hand_out_of_band_means_nothing_for_the_talk(talk):
    talk.conversation.sent_by_hand(ASIDE, talk.now)

    assert talk.reconnects()[1].sent == []


def test_an_item_that_is_waited_for_is_told_again_and_its_answer_reaches_who_waits(talk):
    ticket, _ = talk.asks(message("mine"))
    _, moved = talk.reconnects()
    (effect,) = moved.effects
    item = {"type": "message", "id": "mine", "role": "user", "content": []}
    answer = talk.hears("conversation.item.added", item=item, previous_item_id=None)

    assert effect.event.item.id == "mine"
    assert [each.ticket for each in only(answer, Answered)] == [ticket]


def test_an_item_that_is_looked_at_is_looked_at_on_the_next_connection(talk):
    ticket, _ = talk.asks(client.ConversationItemRetrieve(item_id="x"))
    talk.loses()
    assert talk.waits(1000.0) == [], "no deadline runs while nobody could answer"
    assert talk.moves().sent == ["conversation.item.retrieve"]

    assert [each.ticket for each in only(talk.waits(1000.0), Answered)] == [ticket]


def test_an_item_that_nobody_waits_for_any_more_is_not_looked_at(talk):
    ticket, _ = talk.asks(client.ConversationItemRetrieve(item_id="x"))
    talk.conversation.withdraw(ticket, talk.now)

    assert talk.reconnects()[1].sent == []


GRANTED = {
    "deletion": (client.ConversationItemDelete(item_id="item_one"), None, ["two three"]),
    "truncation": (
        client.ConversationItemTruncate(item_id="item_of_resp_1", content_index=0, audio_end_ms=500),
        500,
        ["one", "one two"],
    ),
    "stop": (client.ResponseCancel(), False, ["one", "one two three four"]),
}


def spoken(talk):
    """One message, and an answer that was heard."""
    talk.says("one")
    talk.answers(heard_ms=1000)
    talk.ends()


@pytest.mark.parametrize("when", ["before", "while there is none"])
@pytest.mark.parametrize("what", GRANTED)
def test_a_wish_is_granted_by_what_the_next_connection_is_told(talk, what, when):
    event, value, words = GRANTED[what]
    spoken(talk)
    if when == "before":
        ticket, _ = talk.asks(event)
        told, moved = talk.reconnects()
        answers = only(told, Answered)
    else:
        talk.loses()
        ticket, effects = talk.asks(event)
        assert effects == []
        moved = talk.moves()
        answers = only(moved.effects, Answered)

    assert answers == [Answered(ticket, value)]
    assert moved.sent == []
    assert talk.words == moved.told == (words if what != "deletion" else ["one two three four"])


def test_an_item_of_long_ago_is_cut_where_the_application_says_and_told_whole_as_nobody_knows_its_length(talk):
    told = {"type": "message", "id": "old", "role": "assistant", "status": "completed"}
    told["content"] = [{"type": "output_audio", "transcript": "one two"}]
    talk.hears("conversation.item.added", item=told, previous_item_id=None)
    talk.loses()
    talk.asks(client.ConversationItemTruncate(item_id="old", content_index=0, audio_end_ms=500))

    assert talk.moves().told == ["one two"]
    assert talk.conversation.history.get("old").heard_ms == 500


def test_what_is_asked_of_an_item_that_nobody_knows_is_for_the_service_to_refuse(talk):
    talk.loses()
    ticket, _ = talk.asks(client.ConversationItemDelete(item_id="x"))

    assert talk.moves().sent == ["delete x"]
    (answer,) = only(talk.fails("item_delete_invalid_item_id"), Answered)
    assert answer.ticket == ticket


def test_at_the_end_of_a_session_without_a_connection_all_that_is_asked_has_its_answer(talk):
    tickets = [talk.asks(event)[0] for event in (create(), ASIDE, message(), update(instructions="a"))]
    talk.loses()
    tickets.append(talk.asks(client.ResponseCancel())[0])
    effects = talk.conversation.link_ended(talk.gone())

    assert [each.ticket for each in only(effects, Answered)] == tickets
    assert all(isinstance(each.error, SessionEnded) for each in only(effects, Answered))
    assert isinstance(effects[-1], End)


# --- settings ---------------------------------------------------------------------------------------------------------


def updates(events):
    return [event.session.instructions for event in events if isinstance(event, client.SessionUpdate)]


def changes(talk, instructions):
    ticket, _ = talk.asks(update(instructions=instructions))
    answers = talk.hears("session.updated", session={**VAD, "instructions": instructions})
    assert [each.ticket for each in only(answers, Answered)] == [ticket]


def test_the_next_connection_begins_with_what_was_changed(talk):
    for instructions in ("a", "b"):
        changes(talk, instructions)
    handover, _ = talk.prepares()

    assert updates(handover.begin())[1:] == ["b"]


def test_what_is_changed_while_the_next_connection_is_prepared_is_told_to_it(talk):
    changes(talk, "a")
    ready = talk.prepares()
    changes(talk, "b")
    talk.loses()
    moved = talk.moves(ready, broken=False)

    assert updates(moved.takeover.events) == ["b"]
    assert updates(talk.prepares()[0].begin())[1:] == ["b"], "and to the one after"


def test_a_change_that_was_told_anew_takes_no_answer_from_one_that_is_waited_for(talk):
    ready = talk.prepares()
    changes(talk, "a")
    ticket, _ = talk.asks(update(tool_choice="none"))
    talk.loses()
    moved = talk.moves(ready)
    assert updates(moved.takeover.events) == ["a"]
    assert [event.session.tool_choice for event in sent(moved.effects)] == ["none"]

    answers = talk.hears("session.updated", session=VAD)
    assert [each.ticket for each in only(answers, Answered)] == [ticket]


def test_a_change_that_nobody_waits_for_any_more_is_made_all_the_same(talk):
    ticket, _ = talk.asks(update(instructions="a"))
    talk.conversation.withdraw(ticket, talk.now)

    assert talk.reconnects()[1].sent == ["session.update"]


# --- who cuts in on what another connection said ----------------------------------------------------------------------


def test_who_cuts_in_while_there_is_no_connection_has_the_next_one_told_what_he_heard(talk):
    talk.answers(heard_ms=500)
    talk.ends()
    talk.loses()
    assert sent(talk.conversation.interrupt(talk.now)) == []

    assert talk.moves().told == ["one two"]
    assert talk.words == ["one two"]


def test_who_cuts_in_on_an_answer_that_was_told_in_words_has_fewer_words_told(talk):
    talk.answers(heard_ms=500)
    talk.ends()
    _, moved = talk.reconnects()
    talk.says("new")
    for event in sent(talk.conversation.interrupt(talk.now)):
        moved.known.take(event)

    assert moved.known.words == ["one two"]
    assert talk.words == ["one two", "new"]


@pytest.mark.parametrize("place", ["first", "in the middle", "last"])
def test_its_place_stays_the_same(talk, place):
    if place != "first":
        talk.says("before")
    talk.answers(heard_ms=500)
    talk.ends()
    silent = {"type": "message", "id": "silent", "role": "user", "content": [{"type": "input_audio"}]}
    talk.hears("conversation.item.added", item=silent, previous_item_id=None)
    if place != "last":
        talk.says("after")
    talk.loses()
    moved = talk.moves(talk.prepares(refuses={"item_before"}) if place == "in the middle" else None)
    for event in sent(talk.conversation.interrupt(talk.now)):
        moved.known.take(event)

    words = {"first": ["one two", "after"], "in the middle": ["one two", "after"], "last": ["before", "one two"]}
    assert moved.known.words == words[place]


def test_an_answer_of_which_nothing_was_heard_is_taken_back(talk):
    talk.says("hi")
    talk.answers(heard_ms=0)
    talk.ends()
    _, moved = talk.reconnects()
    for event in sent(talk.conversation.interrupt(talk.now)):
        moved.known.take(event)
        assert talk.hears("conversation.item.deleted", item_id=event.item_id) == []

    assert moved.known.words == talk.words == ["hi"]


def test_of_an_answer_that_was_not_told_the_connection_is_told_nothing(talk):
    talk.answers(heard_ms=500)
    talk.ends()
    talk.loses()
    talk.moves(talk.prepares(refuses={"item_of_resp_1"}))

    assert sent(talk.conversation.interrupt(talk.now)) == []
    assert talk.words == ["one two"], "and the mirror has what was heard"


def test_an_answer_that_this_connection_spoke_is_cut_there(talk):
    talk.reconnects()
    talk.answers(heard_ms=500)
    talk.ends()

    assert [type(event) for event in sent(talk.conversation.interrupt(talk.now))] == [client.ConversationItemTruncate]


# --- tools that the service calls, silence ----------------------------------------------------------------------------


def test_a_call_of_the_services_that_was_at_work_has_failed_and_the_model_goes_on(talk):
    item = {"type": "mcp_call", "id": "m", "server_label": "docs", "name": "find", "arguments": "{}"}
    talk.response("created", "resp_1")
    talk.hears("response.output_item.added", response_id="resp_1", output_index=0, item=item)
    talk.response("done", "resp_1", status="completed", output=[])
    told, moved = talk.reconnects()

    assert [(each.call_id, each.status) for each in only(told, McpCallEvent)] == [("m", "failed")]
    assert (moved.told, moved.sent) == ([], [ASK])
    assert not talk.conversation.mcp.is_busy


def test_the_tools_of_a_server_are_listed_anew_by_each_connection(talk):
    def lists(number):
        item = {"type": "mcp_list_tools", "id": f"list_{number}", "server_label": "docs", "tools": []}
        talk.hears("mcp_list_tools.in_progress", item_id=item["id"])
        talk.hears("conversation.item.added", item=item, previous_item_id=None)
        talk.hears("mcp_list_tools.completed", item_id=item["id"])

    lists(1)
    talk.reconnects()
    assert talk.conversation.mcp.servers["docs"].status == "ready", "what is on offer stands"
    lists(2)

    assert [held.id for held in talk.conversation.history] == ["list_2"]


def test_a_talk_is_not_idle_while_nobody_could_say_anything():
    talk = MovingTalk(engine=EngineSettings(ping_interval_s=None, idle_deadline_s=10.0))
    talk.loses()
    talk.now += 60.0
    talk.moves()

    assert talk.waits(1.0) == []
    assert isinstance(talk.waits(10.0)[-1], End)


def test_a_response_that_broke_off_does_not_stall(talk):
    talk.answers()
    talk.reconnects()
    talk.answers("resp_2", heard_ms=1000)
    talk.ends("resp_2")

    assert only(talk.waits(1000.0), BidiErrorEvent) == []


# --- what can't be ----------------------------------------------------------------------------------------------------


def test_a_connection_that_is_lost_twice_is_lost_once(talk):
    talk.answers(heard_ms=500)
    typed(talk, "hi", "user")
    assert talk.loses() != []
    assert talk.loses() == []

    assert talk.moves().sent == ["hi", ASK]


def test_a_session_that_is_over_may_lose_and_find_connections_without_a_word(talk):
    talk.answers(heard_ms=500)
    talk.asks(create())
    ready = talk.prepares()
    talk.conversation.link_ended(talk.gone())
    handover, replay = ready

    assert talk.loses() == []
    assert not sent(talk.succession.link_up(handover, replay, talk.now, broken=True).effects)


def test_the_service_ends_a_connection_and_not_the_session():
    talk = MovingTalk()
    talk.answers()
    (over,) = talk.fails("session_expired")
    assert isinstance(over, LinkOver)

    assert talk.reconnects()[1].sent == [ASK]

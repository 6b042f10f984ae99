"""The model's turns: begin, speech, calls, interruption and end of responses, and when the next one is asked for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transcripts import Talk

from engine.errors import LocalMisuse, UnsupportedContent
from engine.events import BidiAudioStreamEvent, BidiErrorEvent, ToolResultEvent, ToolUseStreamEvent
from engine.protocol.effects import Transmit

# --- asking -------------------------------------------------------------------------------------------------------


def test_text_is_sent_and_a_response_is_asked_for():
    Talk().plays("""
        >> app text hello
        << send conversation.item.create user input_text hello
        << send response.create
    """)


def test_text_in_an_active_response_waits_for_its_end():
    """The seed asks at once and the turn is lost (openai-agents 1466)."""
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> app text hello
        << send conversation.item.create user input_text hello
        >> done resp_1
        << Complete resp_1 complete
        << send response.create
    """)


def test_two_texts_while_a_request_is_outstanding_are_one_more_request():
    Talk().plays("""
        >> app text one
        << send conversation.item.create user input_text one
        << send response.create
        >> app text two
        << send conversation.item.create user input_text two
        >> app text three
        << send conversation.item.create user input_text three
        >> created resp_1
        << ResponseStart resp_1
        >> done resp_1
        << Complete resp_1 complete
        << send response.create
        >> created resp_2
        << ResponseStart resp_2
        >> done resp_2
        << Complete resp_2 complete
    """)


def test_a_lost_race_against_the_services_own_response_is_made_good_and_not_told():
    """openai-agents 2971, PR 3405: the refusal's `event_id` is null."""
    Talk().plays("""
        >> app text hello
        << send conversation.item.create user input_text hello
        << send response.create
        >> created resp_vad
        << ResponseStart resp_vad
        >> error conversation_already_has_active_response
        >> done resp_vad
        << Complete resp_vad complete
        << send response.create
    """)


def test_a_refusal_that_names_our_request_is_made_good_too():
    Talk().plays("""
        >> app text hello
        << send conversation.item.create user input_text hello
        << send response.create
        >> error conversation_already_has_active_response answers=client_2
        >> done resp_vad
        << Complete resp_vad complete
        << send response.create
    """)


def test_a_request_refused_for_another_reason_is_told_and_the_talk_goes_on():
    """livekit PR 6818: a refused create left a future waiting."""
    Talk().plays("""
        >> app text hello
        << send conversation.item.create user input_text hello
        << send response.create
        >> error invalid_value answers=client_2
        << Error invalid_value
        >> app text again
        << send conversation.item.create user input_text again
        << send response.create
    """)


def test_an_unanswered_request_is_told_at_its_deadline_and_the_talk_goes_on():
    """livekit 2552, 6224: a reply time-out killed the talk."""
    talk = Talk().plays("""
        >> app text hello
        << send conversation.item.create user input_text hello
        << send response.create
        >> wait 14.9
        >> app text again
        << send conversation.item.create user input_text again
        >> wait 0.2
        << Error DeadlinePassed
        << send response.create
    """)

    assert talk.conversation.deadline is not None


def test_requests_by_hand_go_through_and_are_taken_into_account():
    Talk().plays("""
        >> app asks_by_hand
        << send response.create
        >> app text hello
        << send conversation.item.create user input_text hello
        >> created resp_1
        << ResponseStart resp_1
        >> done resp_1
        << Complete resp_1 complete
        << send response.create
    """)


def test_a_request_by_hand_for_the_conversation_by_name_counts_as_one():
    talk = Talk()
    talk.says("app asks_by_hand conversation=auto")

    assert talk.conversation.statistics().gate.state == "requested"


def test_a_request_by_hand_into_a_response_does_not_lose_what_is_owed():
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> app text hello
        << send conversation.item.create user input_text hello
        >> app asks_by_hand
        << send response.create
        >> error conversation_already_has_active_response
        << Error conversation_already_has_active_response
        >> done resp_1
        << Complete resp_1 complete
        << send response.create
    """)


def test_a_request_by_hand_that_is_refused_is_told_and_not_repeated():
    """It may have held settings of its own, which a plain repetition would lose."""
    Talk().plays("""
        >> app asks_by_hand
        << send response.create
        >> error conversation_already_has_active_response
        << Error conversation_already_has_active_response
        >> done resp_1
        << Complete resp_1 complete
    """)


def test_a_response_outside_the_conversation_runs_beside_and_holds_nothing():
    Talk().plays("""
        >> app asks_by_hand +aside
        << send response.create
        >> created resp_aside +aside
        << ResponseStart resp_aside
        >> app text hello
        << send conversation.item.create user input_text hello
        << send response.create
        >> created resp_1
        << ResponseStart resp_1
        >> done resp_aside
        << Complete resp_aside complete
        >> app text again
        << send conversation.item.create user input_text again
        >> done resp_1
        << Complete resp_1 complete
        << send response.create
    """)


def test_other_messages_by_hand_change_nothing():
    talk = Talk().plays("""
        >> app truncates_by_hand item_1
        << send conversation.item.truncate item_1 at 500
    """)

    assert talk.conversation.statistics().gate.state == "free"


# --- beginning and end --------------------------------------------------------------------------------------------


def test_a_response_begins_and_ends_with_its_usage():
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> done resp_1 usage=3+4
        << Complete resp_1 complete
        << Usage 3+4=7
    """)


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        ("status=completed", "complete"),
        ("status=cancelled reason=turn_detected", "interrupted because turn_detected"),
        ("status=cancelled reason=client_cancelled", "interrupted because client_cancelled"),
        ("status=failed code=rate_limit_exceeded", "error because rate_limit_exceeded"),
        ("status=incomplete reason=max_output_tokens", "interrupted because max_output_tokens"),
        ("status=incomplete reason=content_filter", "interrupted because content_filter"),
    ],
)
def test_every_response_ends_with_why(ended, told):
    Talk().plays(f"""
        >> created resp_1
        << ResponseStart resp_1
        >> done resp_1 {ended}
        << Complete resp_1 {told}
    """)


def test_a_response_that_ends_without_having_begun_is_told():
    """livekit saw `response.done` without `response.created` when the user cut in."""
    Talk().plays("""
        >> done resp_1 status=cancelled reason=turn_detected
        << Complete resp_1 interrupted because turn_detected
    """)


def test_a_repeated_begin_or_end_is_counted_and_not_told():
    talk = Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> created resp_1
        >> done resp_1
        << Complete resp_1 complete
        >> done resp_1
        >> created resp_1
        >> created resp_2 +aside
        << ResponseStart resp_2
        >> created resp_2 +aside
    """)

    assert talk.conversation.statistics().out_of_order == {"response.created": 3, "response.done": 1}


def test_the_ids_of_ended_responses_are_forgotten_in_time():
    talk = Talk()
    for number in range(66):
        talk.says(f"created resp_{number}")
        talk.says(f"done resp_{number}")

    talk.plays("""
        >> done resp_0
        << Complete resp_0 complete
        >> done resp_65
    """)


def test_a_response_without_an_id_is_told_under_another_name():
    Talk().plays("""
        >> nameless_created
        << ResponseStart unknown
        >> nameless_done
        << Complete unknown complete
    """)


# --- speech and interruption --------------------------------------------------------------------------------------


def test_audio_is_told_with_its_format_and_place():
    (told,) = Talk().says("audio resp_1")

    assert isinstance(told, BidiAudioStreamEvent)
    assert told.as_dict() == {
        "type": "bidi_audio_stream",
        "audio": "AAAA",
        "format": "pcm",
        "sample_rate": 24000,
        "channels": 1,
    }
    assert (told.response_id, told.item_id, told.content_index, told.event_id) == ("resp_1", "item_1", 0, "event_1")


def test_audio_in_flight_of_an_interrupted_response_is_silenced_and_words_are_not():
    talk = Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> audio resp_1
        << AudioStream resp_1 AAAA
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
        << send conversation.item.delete item_1
        >> audio resp_1
        >> audio resp_1
        >> spoken_done resp_1 item_1 Hel
        << Transcript assistant final 'Hel' of 'Hel'
        >> done resp_1 status=cancelled reason=turn_detected
        << Complete resp_1 interrupted because turn_detected
        >> audio resp_1
        >> speech_stopped item_2
        >> created resp_2
        << ResponseStart resp_2
        >> audio resp_2
        << AudioStream resp_2 AAAA
    """)

    assert talk.conversation.statistics().silenced_audio == 3


def test_the_user_can_cut_in_after_the_response_is_done_and_its_audio_still_waits():
    """openai-agents-js 1173: no interruption once all audio was sent."""
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> audio resp_1
        << AudioStream resp_1 AAAA
        >> done resp_1
        << Complete resp_1 complete
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
        << send conversation.item.delete item_1
    """)


def test_the_user_does_not_interrupt_what_runs_outside_the_conversation():
    Talk().plays("""
        >> created resp_aside +aside
        << ResponseStart resp_aside
        >> created resp_1
        << ResponseStart resp_1
        >> speech_started item_2
        << PurgeAudio but resp_aside
        << Interruption user_speech
        >> audio resp_aside
        << AudioStream resp_aside AAAA
        >> audio resp_1
    """)


def test_audio_of_a_response_outside_the_conversation_is_kept_after_its_end_too():
    Talk().plays("""
        >> created resp_aside +aside
        << ResponseStart resp_aside
        >> audio resp_aside
        << AudioStream resp_aside AAAA
        >> done resp_aside
        << Complete resp_aside complete
        >> speech_started item_2
        << PurgeAudio but resp_aside
        << Interruption user_speech
    """)


# --- calls --------------------------------------------------------------------------------------------------------


def test_a_call_is_told_and_its_result_asks_for_the_next_response():
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> call_begun resp_1 call_1
        >> arguments_done resp_1 call_1 arguments='{"a": 1}'
        >> call resp_1 call_1 arguments='{"a": 1}'
        << ToolUse call_1 tool {"a": 1}
        >> done resp_1 call=call_1
        << Complete resp_1 tool_use
        >> app result call_1 seven
        << send conversation.item.create output of call_1: [{"text": "seven"}]
        << send response.create
    """)


def test_an_error_result_is_sent_like_any_other():
    Talk().plays("""
        >> app result call_1 broken +failed
        << send conversation.item.create output of call_1: [{"text": "broken"}]
        << send response.create
    """)


def test_parallel_results_ask_once():
    """The seed asks for each, and the second is refused (openai-agents 2971)."""
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> call resp_1 call_1
        << ToolUse call_1 tool {}
        >> call resp_1 call_2
        << ToolUse call_2 tool {}
        >> call resp_1 call_3
        << ToolUse call_3 tool {}
        >> done resp_1
        << Complete resp_1 tool_use
        >> app result call_2 b
        << send conversation.item.create output of call_2: [{"text": "b"}]
        >> app result call_3 c
        << send conversation.item.create output of call_3: [{"text": "c"}]
        >> app result call_1 a
        << send conversation.item.create output of call_1: [{"text": "a"}]
        << send response.create
    """)


def test_a_result_before_the_end_of_the_response_waits_for_it():
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> call resp_1 call_1
        << ToolUse call_1 tool {}
        >> app result call_1 a
        << send conversation.item.create output of call_1: [{"text": "a"}]
        >> done resp_1
        << Complete resp_1 tool_use
        << send response.create
    """)


def test_text_between_call_and_result_waits_for_the_result():
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> call resp_1 call_1
        << ToolUse call_1 tool {}
        >> done resp_1
        << Complete resp_1 tool_use
        >> app text hurry
        << send conversation.item.create user input_text hurry
        >> app result call_1 a
        << send conversation.item.create output of call_1: [{"text": "a"}]
        << send response.create
    """)


def test_when_the_user_has_talked_past_a_call_its_late_result_still_gets_an_answer():
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> call resp_1 call_1
        << ToolUse call_1 tool {}
        >> done resp_1
        << Complete resp_1 tool_use
        >> created resp_vad
        << ResponseStart resp_vad
        >> done resp_vad
        << Complete resp_vad complete
        >> app text hello
        << send conversation.item.create user input_text hello
        << send response.create
        >> created resp_2
        << ResponseStart resp_2
        >> app result call_1 late
        << send conversation.item.create output of call_1: [{"text": "late"}]
        >> done resp_2
        << Complete resp_2 complete
        << send response.create
    """)


def test_an_interrupted_call_is_not_told_and_not_answered():
    """The service ends its arguments all the same (strands PR 4244: interrupted calls were run again)."""
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> call_begun resp_1 call_1
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
        >> arguments_done resp_1 call_1 arguments='{"am'
        >> call resp_1 call_1 call_status=incomplete arguments='{"am'
        >> done resp_1 status=cancelled reason=turn_detected call=call_1 call_status=incomplete
        << Complete resp_1 interrupted because turn_detected
    """)


def test_a_call_that_was_whole_before_the_user_cut_in_is_told_once_and_can_be_answered():
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> call resp_1 call_1
        << ToolUse call_1 tool {}
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
        >> done resp_1 status=cancelled reason=turn_detected call=call_1
        << Complete resp_1 interrupted because turn_detected
        >> app result call_1 a
        << send conversation.item.create output of call_1: [{"text": "a"}]
        >> item_added item_3 a
        >> speech_stopped item_2
        >> created resp_2
        << ResponseStart resp_2
        >> done resp_2
        << Complete resp_2 complete
    """)


def test_a_call_that_only_the_end_of_its_response_shows_is_told_then():
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> said_begun resp_1 item_9
        >> said resp_1 item_9
        >> done resp_1 call=call_1
        << ToolUse call_1 tool {}
        << Complete resp_1 tool_use
    """)


def test_a_call_without_an_item_event_is_told_at_the_end_of_its_response():
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> call_begun resp_1 call_1
        >> arguments_done resp_1 call_1 +nameless
        >> done resp_1
        << ToolUse call_1 tool {}
        << Complete resp_1 tool_use
    """)


def test_arguments_that_are_no_json_are_told_to_both_sides_and_the_talk_goes_on():
    """The seed warns and the model waits for ever."""
    talk = Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
    """)
    told, sent = talk.says("call resp_1 call_1 arguments=nonsense name=add")
    assert isinstance(told, BidiErrorEvent)
    assert isinstance(sent, Transmit)
    assert told.code == "invalid_function_arguments"
    assert told.details == {"toolUseId": "call_1", "name": "add"}
    assert (told.response_id, told.item_id) == ("resp_1", "item_call_1")
    assert "not a JSON object" in sent.event.item.output

    talk.plays("""
        >> done resp_1
        << Complete resp_1 tool_use
        << send response.create
    """)


def test_a_bad_call_among_good_ones_asks_only_after_the_last():
    talk = Talk()
    talk.says("created resp_1")
    talk.says("call resp_1 call_bad arguments=[]")

    talk.plays("""
        >> call resp_1 call_good
        << ToolUse call_good tool {}
        >> done resp_1
        << Complete resp_1 tool_use
        >> app result call_good a
        << send conversation.item.create output of call_good: [{"text": "a"}]
        << send response.create
    """)


def test_a_result_may_be_given_once():
    talk = Talk()
    talk.says("app result call_1 a")

    with pytest.raises(LocalMisuse, match=r"'call_1' has its result already"):
        talk.says("app result call_1 a")


def test_a_result_by_hand_counts_as_the_result():
    talk = Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> call resp_1 call_1
        << ToolUse call_1 tool {}
        >> done resp_1
        << Complete resp_1 tool_use
        >> app answers_by_hand call_1
        << send conversation.item.create output of call_1: by hand
        << send response.create
    """)

    with pytest.raises(LocalMisuse):
        talk.says("app result call_1 a")


def test_a_result_by_hand_may_come_before_the_call_is_told():
    """A client that watches the raw events is that fast; its request by hand is the only one then."""
    talk = Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> arguments_done resp_1 call_1
        >> app answers_by_hand call_1
        << send conversation.item.create output of call_1: by hand
        >> call resp_1 call_1
        << ToolUse call_1 tool {}
        >> done resp_1
        << Complete resp_1 tool_use
        >> app asks_by_hand
        << send response.create
        >> created resp_2
        << ResponseStart resp_2
        >> done resp_2
        << Complete resp_2 complete
    """)

    assert talk.conversation.statistics().gate.open_calls == 0


def test_a_call_outside_the_conversation_holds_nothing():
    Talk().plays("""
        >> created resp_aside +aside
        << ResponseStart resp_aside
        >> call resp_aside call_1
        << ToolUse call_1 tool {}
        >> done resp_aside
        << Complete resp_aside tool_use
        >> app text hello
        << send conversation.item.create user input_text hello
        << send response.create
    """)


def test_a_call_id_of_the_services_own_goes_back_as_it_came_however_long():
    """Servers of other makers give ids of more than 32 characters."""
    call_id = "chatcmpl-tool-" + "0123456789abcdef" * 2
    Talk().plays(f"""
        >> call resp_1 {call_id}
        << ToolUse {call_id} tool {{}}
        >> app result {call_id} a
        << send conversation.item.create output of {call_id}: [{{"text": "a"}}]
        << send response.create
    """)


def test_a_long_id_of_the_applications_is_short_on_the_wire():
    call_id = "tooluse_" + "x" * 40
    item, _ = Talk().says(f"app result {call_id} a")

    assert isinstance(item, Transmit)
    assert len(item.event.item.call_id) == 32


@pytest.mark.parametrize("tool_result", [{}, {"content": []}, None, "text"])
def test_a_result_that_does_not_say_of_which_call_is_unsupported(tool_result):
    with pytest.raises(UnsupportedContent, match="toolUseId"):
        Talk().conversation.submit(ToolResultEvent(tool_result), 0.0)


def test_a_result_of_the_wrong_content_changes_nothing():
    talk = Talk().plays("""
        >> call resp_1 call_1
        << ToolUse call_1 tool {}
    """)
    wrong = ToolResultEvent({"toolUseId": "call_1", "status": "success", "content": [{"image": {}}]})
    with pytest.raises(UnsupportedContent, match="Content type not supported by OpenAI Realtime API"):
        talk.conversation.submit(wrong, talk.now)

    assert talk.conversation.statistics().gate.open_calls == 1
    talk.plays("""
        >> app result call_1 a
        << send conversation.item.create output of call_1: [{"text": "a"}]
        << send response.create
    """)


def test_tool_use_tells_the_call_once_in_each_form():
    (told,) = Talk().says("call resp_1 call_1 name=add arguments='{\"a\": 1}'")

    assert isinstance(told, ToolUseStreamEvent)
    assert told.delta["toolUse"] is not told.current_tool_use
    assert json.loads(json.dumps(told.as_dict())) == {
        "type": "tool_use_stream",
        "delta": {"toolUse": {"toolUseId": "call_1", "name": "add", "input": {"a": 1}}},
        "current_tool_use": {"toolUseId": "call_1", "name": "add", "input": {"a": 1}},
    }
    assert (told.response_id, told.item_id, told.event_id) == ("resp_1", "item_call_1", "event_1")


@given(st.integers(1, 8), st.integers(0, 8), st.randoms(use_true_random=False))
def test_results_in_any_order_around_the_end_of_the_response_ask_exactly_once(number, before, random):
    talk = Talk()
    calls = [f"call_{index}" for index in range(number)]
    talk.says("created resp_1")
    for call_id in calls:
        talk.says(f"call resp_1 {call_id}")
    random.shuffle(calls)
    lines = [f"app result {call_id} a" for call_id in calls]
    lines.insert(min(before, number), "done resp_1")
    asked = [
        place
        for place, line in enumerate(lines)
        for effect in talk.says(line)
        if isinstance(effect, Transmit) and effect.event.tag == "response.create"
    ]

    assert asked == [len(lines) - 1]


def test_an_answer_that_begins_under_the_users_speech_is_taken_back_and_owed_still():
    """The request crossed the turn's beginning on the wire; the service would refuse its own answer to the turn."""
    Talk().plays("""
        >> app text hello
        << send conversation.item.create user input_text hello
        << send response.create
        >> item_added item_1 hello
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
        >> created resp_1
        << ResponseStart resp_1
        << send response.cancel resp_1
        >> audio resp_1
        >> done resp_1 status=cancelled reason=client_cancelled
        << Complete resp_1 interrupted because client_cancelled
        << send conversation.item.delete item_1
        >> speech_stopped item_2
        >> created resp_2
        << ResponseStart resp_2
        >> audio resp_2
        << AudioStream resp_2 AAAA
        >> done resp_2
        << Complete resp_2 complete
    """)


def test_where_speech_does_not_interrupt_an_answer_may_begin_under_it():
    Talk(opening=True).plays("""
        >> session_created interrupt=no
        << Opened
        << ConnectionStart connection_1 gpt-realtime
        >> app text hello
        << send conversation.item.create user input_text hello
        << send response.create
        >> speech_started item_2
        << Interruption user_speech
        >> created resp_1
        << ResponseStart resp_1
        >> audio resp_1
        << AudioStream resp_1 AAAA
    """)

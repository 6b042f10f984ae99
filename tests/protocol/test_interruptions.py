"""What was cut off is taken back at the service: once for each item, by what was heard, and never fatal."""

import pytest
from transcripts import Talk

SPEAKING = """
    >> created resp_1
    << ResponseStart resp_1
    >> speech resp_1 item_1 {ms}
    << AudioStream resp_1 {audio}
"""
MS = "A" * 64
"""A millisecond of silence, as base64 text."""


def speaking(ms=2, **settings):
    return Talk(**settings).plays(SPEAKING.format(ms=ms, audio=MS * ms))


def test_a_cut_answer_is_truncated_at_what_was_heard():
    speaking(1000).plays("""
        >> app takes item_1 1000
        >> wait 0.4
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
        << send conversation.item.truncate item_1 at 402
        >> item_truncated item_1 402
    """)


def test_the_figure_is_never_beyond_what_was_received():
    speaking(100).plays(
        """
        >> app takes item_1 100
        >> wait 0.05
        >> speech resp_1 item_1 100
        << AudioStream resp_1 %s
        >> app takes item_1 100
        >> wait 0.149
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
    """
        % (MS * 100)
    )  # 202 ms have passed: all was heard, nothing was cut


def test_an_answer_of_which_nothing_was_heard_is_deleted():
    speaking().plays("""
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
        << send conversation.item.delete item_1
        >> item_deleted item_1
    """)


def test_each_item_is_cut_once():
    speaking(1000).plays("""
        >> app takes item_1 1000
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
        << send conversation.item.truncate item_1 at 1
        >> speech_stopped item_2
        >> speech_started item_3
        << PurgeAudio
        << Interruption user_speech
    """)


def test_it_is_playing_that_counts_not_generating():
    speaking(1000).plays("""
        >> app takes item_1 1000
        >> done resp_1
        << Complete resp_1 complete
        >> wait 0.5
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
        << send conversation.item.truncate item_1 at 503
    """)


def test_an_answer_that_was_heard_to_its_end_is_left_alone():
    speaking(100).plays("""
        >> app takes item_1 100
        >> done resp_1
        << Complete resp_1 complete
        >> wait 0.5
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
    """)


def test_a_session_whose_answers_the_user_does_not_interrupt_cuts_nothing():
    Talk(opening=True).plays("""
        >> session_created interrupt=no
        << Opened
        << ConnectionStart connection_1 gpt-realtime
    """).plays(SPEAKING.format(ms=2, audio=MS * 2)).plays("""
        >> speech_started item_2
        << Interruption user_speech
    """)


def test_what_runs_outside_the_conversation_goes_on():
    Talk().plays(
        f"""
        >> created resp_aside +aside
        << ResponseStart resp_aside
        >> speech resp_aside item_1 1
        << AudioStream resp_aside {MS}
        >> speech_started item_2
        << PurgeAudio but resp_aside
        << Interruption user_speech
    """
    )


REFUSALS = [
    "item_truncate_invalid_item_id",
    "item_delete_invalid_item_id",
    "unsupported_content_type",
    "invalid_value message='Audio content of 2300ms is already shorter than 4000ms'",
    "null message='Only model output audio messages can be truncated'",
]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_that_the_service_refuses_it_is_nobodys_business(refusal):
    talk = speaking()
    talk.plays(f"""
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
        << send conversation.item.delete item_1
        >> error {refusal}
    """)

    # Only one was out: the same words once more are somebody else's.
    talk.says(f"error {refusal}")
    assert len(talk.effects) == 1


def test_an_error_that_names_the_truncation_answers_it_whatever_its_code():
    talk = speaking()
    talk.says("speech_started item_2")
    sent = talk.effects[-1].event.event_id

    assert talk.says("error server_error answers=client_999")
    assert not talk.says(f"error server_error answers={sent}")


def test_a_service_that_answers_no_truncation_is_not_remembered_for_ever():
    talk = Talk()
    for n in range(66):
        talk.says(f"speech resp_1 item_{n} 10")
        talk.says("speech_started user_1")
    assert talk.conversation.statistics().truncated == 66
    for told in (False,) * 64 + (True,) * 2:
        assert bool(talk.says("error item_delete_invalid_item_id")) is told


def test_any_other_error_is_told_while_a_truncation_is_out():
    speaking().plays("""
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
        << send conversation.item.delete item_1
        >> error server_error
        << Error server_error
    """)


def test_the_application_can_make_the_model_fall_silent():
    """The service goes on until it reads the cancel, and would add what it makes behind a truncation."""
    speaking(1000).plays("""
        >> app takes item_1 1000
        >> wait 0.2
        >> app interrupts
        << send response.cancel resp_1
        << PurgeAudio
        << Interruption user_speech
        >> speech resp_1 item_1 5
        >> done resp_1 status=cancelled reason=client_cancelled
        << Complete resp_1 interrupted because client_cancelled
        << send conversation.item.truncate item_1 at 202
        >> app interrupts
        << PurgeAudio
        << Interruption user_speech
    """)


def test_a_turn_by_hand_is_answered_and_waits_for_the_response_before_it():
    Talk().plays("""
        >> app commits
        << send input_audio_buffer.commit
        << send response.create
        >> created resp_1
        << ResponseStart resp_1
        >> app commits
        << send input_audio_buffer.commit
        >> app commits_only
        << send input_audio_buffer.commit
        >> app clears
        << send input_audio_buffer.clear
        >> done resp_1
        << Complete resp_1 complete
        << send response.create
    """)

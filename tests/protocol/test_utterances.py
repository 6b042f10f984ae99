"""What is said: deltas with the text so far, finals, blanks dropped, failures told."""

import json
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st
from transcripts import Talk, place, server

from engine.config import EngineSettings
from engine.dispatch import Dispatch
from engine.events import BidiErrorEvent, BidiTranscriptStreamEvent
from engine.protocol.history import History
from engine.protocol.kept_speech import KeptSpeech
from engine.protocol.utterances import Utterances


def test_each_delta_of_the_model_carries_the_text_so_far():
    Talk().plays("""
        >> spoken resp_1 item_1 Hel
        << Transcript assistant 'Hel' of 'Hel'
        >> spoken resp_1 item_1 lo
        << Transcript assistant 'lo' of 'Hello'
        >> spoken_done resp_1 item_1 Hello
        << Transcript assistant final 'Hello' of 'Hello'
    """)


def test_written_answers_are_told_like_spoken_ones():
    Talk().plays("""
        >> written resp_1 item_1 Hel
        << Transcript assistant 'Hel' of 'Hel'
        >> written resp_1 item_1 lo
        << Transcript assistant 'lo' of 'Hello'
        >> written_done resp_1 item_1 Hello
        << Transcript assistant final 'Hello' of 'Hello'
    """)


def test_what_the_user_says_is_told_piece_by_piece_and_whole():
    Talk().plays("""
        >> heard_piece item_1 Good
        << Transcript user 'Good' of 'Good'
        >> heard_piece item_1 " morning"
        << Transcript user ' morning' of 'Good morning'
        >> heard item_1 "Good morning."
        << Transcript user final 'Good morning.' of 'Good morning.'
    """)


def test_a_segment_is_final():
    Talk().plays("""
        >> heard_segment item_1 "first speaker"
        << Transcript user final 'first speaker' of 'first speaker'
    """)


def test_blank_words_of_the_user_are_dropped():
    Talk().plays("""
        >> heard_piece item_1 " "
        >> heard_nothing_yet item_1
        >> heard_segment item_1 "  "
        >> heard item_1 ""
    """)


def test_the_model_may_say_nothing():
    Talk().plays("""
        >> spoken_done resp_1 item_1 ""
        << Transcript assistant final '' of ''
    """)


def test_a_blank_piece_still_stands_in_the_text_so_far():
    Talk().plays("""
        >> heard_piece item_1 Good
        << Transcript user 'Good' of 'Good'
        >> heard_piece item_1 " "
        >> heard_piece item_1 morning
        << Transcript user 'morning' of 'Good morning'
    """)


def test_utterances_that_interleave_do_not_mix():
    """The service orders transcriptions against responses in no way."""
    Talk().plays("""
        >> heard_piece item_user Yes
        << Transcript user 'Yes' of 'Yes'
        >> spoken resp_1 item_model Fi
        << Transcript assistant 'Fi' of 'Fi'
        >> heard_piece item_user ", please"
        << Transcript user ', please' of 'Yes, please'
        >> spoken resp_1 item_model ne
        << Transcript assistant 'ne' of 'Fine'
    """)


def test_after_the_final_an_utterance_begins_anew():
    Talk().plays("""
        >> spoken resp_1 item_1 One
        << Transcript assistant 'One' of 'One'
        >> spoken_done resp_1 item_1 One
        << Transcript assistant final 'One' of 'One'
        >> spoken resp_1 item_1 Two
        << Transcript assistant 'Two' of 'Two'
    """)


def test_a_failed_transcription_is_told_with_its_item():
    talk = Talk().plays("""
        >> heard_piece item_1 Goo
        << Transcript user 'Goo' of 'Goo'
        >> not_heard item_1
        << Error asr_failed
        >> heard_piece item_1 Again
        << Transcript user 'Again' of 'Again'
    """)
    (told,) = talk.says("not_heard item_1")

    assert isinstance(told, BidiErrorEvent)
    assert told.item_id == "item_1"
    assert told.details == {"type": "server_error", "param": None, "client_event_id": None}
    assert told.message == "not understood"


def test_a_transcript_says_whose_it_is():
    talk = Talk()
    (told,) = talk.says("spoken resp_1 item_7 Hello")

    assert isinstance(told, BidiTranscriptStreamEvent)
    identity = (told.response_id, told.item_id, told.content_index, told.event_id, told.received_at)
    assert identity == ("resp_1", "item_7", 0, "event_1", talk.now)


def test_a_users_transcript_belongs_to_no_response():
    (told,) = Talk().says("heard_piece item_7 Hello")

    assert isinstance(told, BidiTranscriptStreamEvent)
    assert (told.response_id, told.item_id, told.content_index) == (None, "item_7", 0)


def test_the_history_keeps_what_both_sides_said():
    talk = Talk().plays("""
        >> item_added item_1 ""
        >> heard item_1 "Good morning."
        << Transcript user final 'Good morning.' of 'Good morning.'
        >> item_added item_2 "" after=item_1
        >> spoken_done resp_1 item_2 Hello.
        << Transcript assistant final 'Hello.' of 'Hello.'
    """)

    assert [each.transcript for each in talk.conversation.history] == ["Good morning.", "Hello."]


def test_a_server_that_never_says_that_a_text_is_whole_fills_no_memory():
    utterances = Utterances(History(4), KeptSpeech(0))

    def so_far(item_id: str) -> str:
        event = server("response.output_text.delta", **place("resp_1", item_id), delta="word ")
        (told,) = Dispatch(utterances)[type(event)](event, 0.0)
        return str(told.current_transcript)

    for number in range(300):
        so_far(f"item_{number}")

    assert len(utterances._so_far) == 256
    assert (so_far("item_299"), so_far("item_0")) == ("word word ", "word ")


@given(st.lists(st.text(), max_size=10))
def test_the_text_so_far_is_always_the_deltas_joined(deltas):
    utterances = Utterances(History(4), KeptSpeech(0))
    told = []
    for delta in deltas:
        event = server("response.output_text.delta", **place("resp_1"), delta=delta)
        told += Dispatch(utterances)[type(event)](event, 0.0)

    assert [event.current_transcript for event in told] == [
        reduce(str.__add__, deltas[: number + 1], "") for number in range(len(deltas))
    ]
    assert [event.text for event in told] == deltas


def test_what_grows_when_the_connection_breaks_stays_as_far_as_it_came_but_for_speech_that_is_heard_anew():
    talk = Talk(engine=EngineSettings())
    history, kept = talk.conversation.history, talk.conversation.kept_speech
    for item_id in ("kept", "not_kept"):
        talk.says(f"item_added {item_id} ''")
        talk.says(f"heard_piece {item_id} Hel")
        talk.says(f"heard_piece {item_id} lo")
    kept.sent(json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA"}), 100.0, talk.now)
    kept.began(0.0, "kept")
    kept.stopped(100.0, "kept")
    kept.committed("kept")
    talk.conversation._utterances.link_down()

    assert [(held.id, held.transcript) for held in history] == [("kept", ""), ("not_kept", "Hello")]
    talk.plays("""
        >> heard_piece not_kept Good
        << Transcript user 'Good' of 'Good'
    """)

"""The model is told something that neither side has said, and the talk comes to rest."""

import pytest
from asking_talk import Talk, create, sent

from engine.errors import SessionEnded
from engine.wire import client


@pytest.fixture
def talk():
    return Talk()


def test_what_the_model_is_told_is_a_message_of_neither_side_and_it_answers(talk):
    told, asked = sent(talk.conversation.tell("The train is late.", talk.now))

    assert (told.item.role, told.item.content[0].type) == ("system", "input_text")
    assert told.item.content[0].text == "The train is late."
    assert type(asked) is client.ResponseCreate


def test_while_a_response_runs_the_answer_to_it_waits(talk):
    talk.response("created", "resp_1")

    assert len(sent(talk.conversation.tell("x", talk.now))) == 1
    assert [type(event) for event in sent(talk.response("done", "resp_1", status="completed"))] == [
        client.ResponseCreate
    ]


def test_a_talk_is_at_rest_when_no_response_runs_or_is_to_come(talk):
    rest = [talk.conversation.at_rest]
    talk.conversation.tell("x", talk.now)
    rest.append(talk.conversation.at_rest)
    talk.response("created", "resp_1")
    rest.append(talk.conversation.at_rest)
    talk.response("done", "resp_1", status="completed")
    rest.append(talk.conversation.at_rest)

    assert rest == [True, False, False, True]


def test_a_talk_is_not_at_rest_while_something_waits_for_the_users_turn(talk):
    talk.hears("input_audio_buffer.speech_started", item_id="u", audio_start_ms=0)
    assert talk.conversation.at_rest
    talk.asks(create())
    assert not talk.conversation.at_rest


def test_nothing_can_be_told_after_the_end(talk):
    talk.conversation.link_ended(talk.gone())

    with pytest.raises(SessionEnded):
        talk.conversation.tell("x", talk.now)

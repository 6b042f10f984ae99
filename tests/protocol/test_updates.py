"""Changes of settings over several connections: each has what was taken, and is told what had no answer."""

from engine.protocol.updates import UPDATES_MAX, Updates
from engine.wire.client import SessionUpdate
from engine.wire.response import ErrorDetails
from engine.wire.session import Session
from engine.wire.translation import (
    TranslationAudio,
    TranslationAudioOutput,
    TranslationSession,
    TranslationSessionUpdate,
)


def update(event_id, **settings):
    return SessionUpdate(session=Session(type="transcription", **settings), event_id=event_id)


def language(event_id, name):
    audio = TranslationAudio(output=TranslationAudioOutput(language=name))
    return TranslationSessionUpdate(session=TranslationSession(audio=audio), event_id=event_id)


def refusal(**details):
    return ErrorDetails(**{"type": "invalid_request_error", "message": "no", **details})


FIRST, SECOND, THIRD = update("1", include=()), update("2", instructions="a"), update("3", instructions="b")


def told(*sent, taken):
    updates = Updates()
    for each in sent:
        updates.sent(each)
    for _ in range(taken):
        updates.taken()
    return updates


def test_what_was_taken_stands_and_what_says_all_anew_stands_in_its_place():
    assert told(FIRST, SECOND, THIRD, taken=0).standing == ()
    assert told(FIRST, SECOND, THIRD, taken=2).standing == (FIRST, SECOND)
    assert told(FIRST, SECOND, THIRD, taken=3).standing == (FIRST, THIRD)
    assert told(FIRST, taken=5).standing == (FIRST,)


def test_a_language_stands_in_place_of_another():
    updates = told(language("1", "es"), language("2", "fr"), taken=2)
    assert updates.standing == (language("2", "fr"),)


def test_what_was_refused_is_forgotten():
    named = told(FIRST, SECOND, taken=0)
    named.refused(refusal(event_id="1"))
    named.taken()
    assert named.standing == (SECOND,)

    nameless = told(FIRST, SECOND, taken=0)
    nameless.refused(refusal(param="session.include"))
    nameless.taken()
    assert nameless.standing == (SECOND,)


def test_an_error_about_something_else_refuses_nothing():
    updates = told(FIRST, taken=0)
    for details in (refusal(event_id="other"), refusal(param="item"), refusal(code="odd", type="server_error")):
        updates.refused(details)
    updates.taken()
    assert updates.standing == (FIRST,)
    updates.refused(refusal(param="session"))
    assert updates.standing == (FIRST,)


def test_another_connection_is_told_what_it_did_not_begin_with():
    updates = told(FIRST, SECOND, taken=1)
    begun_with = updates.standing
    updates.taken()
    updates.sent(THIRD)
    assert updates.move(begun_with) == (SECOND, THIRD)
    assert updates.standing == (FIRST,)
    updates.taken()
    assert updates.standing == (FIRST, SECOND)
    assert updates.move(updates.standing) == (THIRD,)


def test_a_service_that_never_answers_is_taken_at_its_silence_at_the_bound():
    updates = told(*(update(f"{n}", instructions=str(n)) for n in range(UPDATES_MAX + 1)), taken=0)
    assert [each.event_id for each in updates.standing] == ["0"]

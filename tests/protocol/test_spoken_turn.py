"""The user's turn holds the way while it goes on and while its answer is awaited, and neither for ever."""

import pytest

from engine.protocol.spoken_turn import SpokenTurn

DEADLINE_S = 15.0


@pytest.fixture
def turn():
    return SpokenTurn(DEADLINE_S)


def test_it_holds_from_its_beginning(turn):
    assert not turn.holds
    turn.began()
    assert turn.holds
    assert turn.goes_on


@pytest.mark.parametrize("answered", [False, True])
def test_over_it_holds_while_the_service_is_to_answer(turn, answered):
    turn.began()
    turn.ended(1.0, answered=answered)

    assert turn.holds is turn.awaits_answer is answered
    assert not turn.goes_on


def test_an_end_without_a_beginning_awaits_nothing(turn):
    turn.ended(1.0, answered=True)

    assert not turn.holds
    assert not turn.awaits_answer


def test_the_answer_passes_it_on(turn):
    turn.began()
    turn.ended(1.0, answered=True)
    turn.passed()

    assert not turn.holds
    assert turn.unanswered(1e9) is None


def test_a_user_who_speaks_again_awaits_no_answer(turn):
    turn.began()
    turn.ended(1.0, answered=True)
    turn.began()

    assert turn.goes_on
    assert turn.unanswered(1e9) is None


def test_an_answer_that_is_overdue_is_waited_for_no_longer_and_told_once(turn):
    turn.began()
    turn.ended(1.0, answered=True)

    assert turn.unanswered(0.999 + DEADLINE_S) is None
    assert turn.unanswered(1.0 + DEADLINE_S) == 1.0
    assert turn.unanswered(1.0 + DEADLINE_S) is None
    assert not turn.holds


def test_what_it_has_held_for_too_long_goes(turn):
    turn.began()
    assert turn.watch(5.0, wanted=True)
    assert turn.deadline == 5.0 + DEADLINE_S
    turn.release(4.9 + DEADLINE_S)
    assert turn.holds
    turn.release(5.0 + DEADLINE_S)
    assert not turn.holds


def test_it_has_no_deadline_while_nothing_waits(turn):
    turn.began()
    turn.watch(5.0, wanted=True)
    turn.nothing_waits()

    assert turn.deadline is None
    assert turn.holds


def test_without_a_connection_nobody_hears_it(turn):
    turn.began()
    turn.ended(1.0, answered=True)
    turn.watch(5.0, wanted=True)
    turn.link_down()

    assert not turn.holds
    assert not turn.awaits_answer
    assert turn.deadline is None

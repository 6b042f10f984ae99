"""Calls without a result: they hold the way for the last response that had any, and not for ever."""

import pytest

from engine.protocol.open_calls import CALLS_MAX, OpenCalls

HELD_S = 60.0


@pytest.fixture
def calls():
    return OpenCalls(HELD_S)


def test_no_call_holds_nothing(calls):
    assert not calls.hold
    assert len(calls) == 0


def test_the_last_result_of_a_response_is_told_from_the_others(calls):
    calls.opened("call_1", "resp_1")
    calls.opened("call_2", "resp_1")

    assert not calls.answered("call_1")
    assert calls.hold
    assert calls.answered("call_2")
    assert not calls.hold


def test_a_result_of_a_call_that_nobody_saw_is_the_last_of_its_own(calls):
    calls.opened("call_1", "resp_1")

    assert calls.answered("call_from_before")
    assert calls.was_answered("call_from_before")
    assert calls.hold


def test_results_ask_for_the_next_response_while_they_are_to_come_and_when_they_have(calls):
    assert not calls.will_ask_after("resp_1")
    calls.opened("call_1", "resp_1")
    assert calls.will_ask_after("resp_1")
    calls.answered("call_1")
    assert calls.will_ask_after("resp_1")
    calls.response_ended("resp_2")
    assert not calls.will_ask_after("resp_1")


def test_calls_of_an_older_response_ask_though_they_hold_nothing(calls):
    calls.opened("call_1", "resp_1")
    calls.response_ended("resp_2")

    assert not calls.hold
    assert calls.is_open("call_1")
    assert calls.will_ask_after("resp_1")


def test_they_hold_a_request_only_from_when_one_is_wanted_and_so_long(calls):
    calls.opened("call_1", "resp_1")
    assert not calls.watch(5.0, wanted=False)
    assert calls.watch(10.0, wanted=True)
    assert calls.deadline == 10.0 + HELD_S
    assert not calls.released(9.9 + HELD_S)
    assert calls.released(10.0 + HELD_S)

    assert not calls.hold
    assert calls.deadline is None
    assert calls.is_open("call_1"), "its result is taken all the same"


def test_without_a_connection_it_is_not_they_that_hold_a_request(calls):
    calls.opened("call_1", "resp_1")
    calls.watch(10.0, wanted=True)
    calls.link_down()

    assert calls.deadline is None
    assert calls.hold, "they hold the one on the next connection"


def test_only_so_many_results_are_kept_in_mind(calls):
    for number in range(CALLS_MAX + 1):
        calls.answered_unseen(f"call_{number}")

    assert not calls.was_answered("call_0")
    assert calls.was_answered("call_1")

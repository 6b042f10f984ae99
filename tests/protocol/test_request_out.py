"""The request that is out: until when it is waited for, and which refusals are of it, or of one before it."""

import pytest

from engine.protocol.request_out import REMEMBERED_REQUESTS, RequestOut

DEADLINE_S = 15.0


@pytest.fixture
def out():
    return RequestOut(DEADLINE_S)


def send(out, event_id, now=0.0, *, by_itself=False, repeat=True):
    out.sent(event_id, now, by_itself=by_itself, repeat=repeat)


def test_it_is_late_at_its_deadline_and_not_before(out):
    send(out, "client_1", 10.0)

    assert out.deadline == 10.0 + DEADLINE_S
    assert not out.is_late(9.9 + DEADLINE_S)
    assert out.is_late(10.0 + DEADLINE_S)


def test_answered_it_is_not_late_but_a_refusal_may_name_it_still(out):
    send(out, "client_1")
    out.answered()

    assert not out.is_late(1e9)
    assert out.is_named("client_1")


def test_over_nothing_names_it_as_the_one_that_is_out(out):
    send(out, "client_1", by_itself=True)
    out.over()

    assert not out.is_named("client_1")
    assert not out.by_itself
    assert out.deadline is None


def test_an_error_without_a_name_names_none(out):
    send(out, None)

    assert not out.is_named(None)
    assert not out.is_earlier(None)


def test_an_earlier_one_of_our_own_is_known_by_its_name(out):
    for event_id in ("client_1", "client_2"):
        send(out, event_id)

    assert out.is_earlier("client_1")
    assert not out.is_earlier("client_2"), "that one is out"


@pytest.mark.parametrize(("by_itself", "repeat"), [(True, True), (False, False)])
def test_one_that_is_not_ours_to_repeat_is_not_kept_in_mind(out, by_itself, repeat):
    send(out, "client_1", by_itself=by_itself, repeat=repeat)
    send(out, "client_2")

    assert not out.is_earlier("client_1")


def test_only_so_many_are_kept_in_mind(out):
    for number in range(REMEMBERED_REQUESTS + 2):
        send(out, f"client_{number}")

    assert not out.is_earlier("client_1")
    assert out.is_earlier("client_2")


def test_one_that_was_given_up_is_told_once(out):
    send(out, "client_1")
    out.give_up()

    assert not out.was_given_up("client_2")
    assert out.was_given_up("client_1")
    assert not out.was_given_up("client_1")


def test_another_that_goes_out_stands_for_one_that_was_given_up(out):
    send(out, "client_1")
    out.give_up()
    send(out, "ask_1", by_itself=True)
    assert out.was_given_up("client_1"), "one that is asked for by itself does not"
    out.give_up()
    assert not out.was_given_up("ask_1"), "and is not owed"

    send(out, "client_2")
    out.give_up()
    send(out, "client_3")
    assert not out.was_given_up("client_2")


def test_without_a_connection_no_refusal_comes_late(out):
    send(out, "client_1")
    out.give_up()
    out.link_down()

    assert not out.was_given_up("client_1")
    assert not out.was_given_up(None)

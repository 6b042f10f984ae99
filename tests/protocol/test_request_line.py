"""What waits for the way: one that is owed and a line of others, whichever waits for longer first."""

import pytest

from engine.protocol.request_line import RequestLine


@pytest.fixture
def line():
    return RequestLine()


def test_nothing_waits_at_first(line):
    assert line.is_empty
    assert not line.owed_is_first
    assert line.next() is None


def test_what_is_owed_several_times_is_one(line):
    line.owe()
    line.owe()
    assert line.owed_is_first
    line.settled()
    assert line.is_empty


def test_those_in_line_go_in_order(line):
    line.join("a")
    line.join("b")

    assert len(line) == 2
    assert [line.next(), line.next(), line.next()] == ["a", "b", None]


def test_what_is_owed_waits_for_the_line_that_it_found_and_not_for_those_after_it(line):
    line.join("a")
    line.owe()
    line.join("b")
    assert not line.owed_is_first
    line.next()
    assert line.owed_is_first


def test_owed_once_more_it_keeps_its_place(line):
    line.owe()
    line.join("a")
    line.owe()

    assert line.owed_is_first


@pytest.mark.parametrize(("gone", "first"), [("a", True), ("b", False), ("x", False)])
def test_who_leaves_the_line_lets_up_what_is_owed_behind(line, gone, first):
    line.join("a")
    line.owe()
    line.join("b")
    line.withdraw(gone)

    assert line.owed_is_first is first


def test_one_that_lost_a_race_is_before_all_others(line):
    line.owe()
    line.join("b")
    line.first_again("a")

    assert not line.owed_is_first
    assert line.next() == "a"
    assert line.owed_is_first


def test_what_was_cut_off_is_let_be_and_nothing_else(line):
    line.owe_cut_off()
    line.let_be()
    assert line.is_empty

    line.owe()
    line.let_be()
    assert line.owed


@pytest.mark.parametrize("reasons", [("owe", "owe_cut_off"), ("owe_cut_off", "owe"), ("owe_cut_off", "owe_first")])
def test_what_is_owed_for_another_reason_too_is_not_let_be(line, reasons):
    for reason in reasons:
        getattr(line, reason)()
    line.let_be()

    assert line.owed


@pytest.mark.parametrize("again", ["owe_first", "owe_cut_off"])
@pytest.mark.parametrize("owed_behind", [False, True])
def test_what_had_its_turn_and_is_owed_again_goes_before_the_line(line, owed_behind, again):
    line.join("a")
    if owed_behind:
        line.owe()
    getattr(line, again)()

    assert line.owed_is_first


def test_what_had_its_turn_is_not_let_be_for_what_was_cut_off_before(line):
    line.owe_cut_off()
    line.settled()
    line.owe_first()
    line.let_be()

    assert line.owed

"""Dispatch: the first listener whose class handles an event gets it, bound when such an event is met."""

from typing import ClassVar

from engine.dispatch import Dispatch


class Ear:
    def __init__(self, name):
        self.name = name

    def number(self, event):
        return self.name, "number", event

    HANDLES: ClassVar = {int: number}


class Other(Ear):
    def word(self, event):
        return self.name, "word", event

    HANDLES: ClassVar = {int: Ear.number, str: word}


def test_the_first_listener_that_handles_a_class_gets_it():
    dispatch = Dispatch(Ear("a"), Other("b"))
    assert dispatch[int](1) == ("a", "number", 1)
    assert dispatch[str]("x") == ("b", "word", "x")


def test_nobody_handles_what_no_class_names_nor_what_only_a_base_class_is_named_of():
    dispatch = Dispatch(Ear("a"))
    assert dispatch[float] is None
    assert dispatch[bool] is None


def test_a_handler_is_bound_when_its_class_is_met_and_then_kept():
    dispatch = Dispatch(Ear("a"), Other("b"))
    assert len(dispatch) == 0
    assert dispatch[int] is dispatch[int]
    assert dispatch[float] is dispatch[float] is None
    assert set(dispatch) == {int, float}


def test_two_sessions_of_a_class_share_its_table_and_no_handler():
    one, two = Dispatch(Ear("one")), Dispatch(Ear("two"))
    assert (one[int](0)[0], two[int](0)[0]) == ("one", "two")

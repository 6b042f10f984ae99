"""Whose turn it is, and what waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.farm.policy.backlog import Backlog
from tests.farm.policy.modelled import by_scenario


def takes(backlog, count):
    return [backlog.take() for _ in range(count)]


@given(st.lists(st.floats(0.05, 20.0), min_size=1, max_size=6), st.integers(0, 400))
def test_each_has_its_share_of_starts_to_within_one(weights, count):
    names = [f"s{number}" for number in range(len(weights))]
    backlog = Backlog(dict(zip(names, weights, strict=True)), dict.fromkeys(names))
    counts = by_scenario(takes(backlog, count))

    for name, weight in zip(names, weights, strict=True):
        share = count * weight / sum(weights)
        assert abs(counts.get(name, 0) - share) <= len(weights)


def test_the_others_share_what_an_empty_one_leaves():
    backlog = Backlog({"a": 1.0, "b": 1.0, "c": 2.0}, {"a": None, "b": 3, "c": None})
    takes(backlog, 12)

    assert by_scenario(takes(backlog, 30)) == {"a": 10, "c": 20}


def test_one_that_had_nothing_to_do_takes_no_revenge():
    backlog = Backlog({"a": 1.0, "b": 1.0}, {"a": None, "b": 0})
    takes(backlog, 1000)
    for job in range(20):
        backlog.wait("b", job, 5.0)
    backlog.wake(5.0)

    assert by_scenario(takes(backlog, 20)) == {"a": 10, "b": 10}


def test_further_tries_come_before_new_jobs_and_as_their_waits_end():
    backlog = Backlog({"a": 1.0}, {"a": 2})
    backlog.wait("a", "late", 9.0)
    backlog.wait("a", "early", 3.0)
    backlog.wait("a", "early too", 3.0)
    assert backlog.wakes_at == 3.0

    backlog.wake(9.0)

    assert [job for _, job in takes(backlog, 5)] == ["early", "early too", "late", None, None]
    assert backlog.next() is None
    assert backlog.is_empty


def test_what_was_not_begun_comes_first_again():
    backlog = Backlog({"a": 1.0}, {"a": 0})
    backlog.wait("a", "first", 0.0)
    backlog.wait("a", "second", 0.0)
    backlog.wake(0.0)
    _, job = backlog.take()
    backlog.put_back("a", job)

    assert [job for _, job in takes(backlog, 2)] == ["first", "second"]


def test_waiting_jobs_are_told_whether_their_wait_is_over_or_not():
    backlog = Backlog({"a": 1.0, "b": 1.0}, {"a": 0, "b": 0})
    for job, ready_at in enumerate([3.0, 1.0, 2.0]):
        backlog.wait("b", job, ready_at)
    backlog.wake(1.5)

    assert backlog.waiting == 3
    assert backlog.waiting_jobs() == [("b", 1), ("b", 2), ("b", 0)]
    assert backlog.with_jobs == ["b"]
    assert not backlog.is_empty


def test_one_that_is_set_aside_has_no_turns_until_it_is_brought_back():
    backlog = Backlog({"a": 1.0, "b": 1.0}, {"a": None, "b": None})
    assert backlog.set_aside() == "a"
    assert by_scenario(takes(backlog, 5)) == {"b": 5}

    backlog.bring_back("a")
    backlog.bring_back("a")
    assert by_scenario(takes(backlog, 40)) in ({"a": 20, "b": 20}, {"a": 21, "b": 19})


def test_a_scenario_without_a_weight_counts_as_one_and_one_without_jobs_may_get_some():
    backlog = Backlog({"b": 1.0}, {"a": None})
    backlog.wait("b", "lost", 0.0)
    backlog.wake(0.0)

    assert backlog.scenarios == ("a", "b")
    assert takes(backlog, 3) == [("a", None), ("b", "lost"), ("a", None)]


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_that_gives_no_share_is_told(weight):
    with pytest.raises(ConfigError, match=r"scenario a\.weight"):
        Backlog({"a": weight}, {"a": 1})

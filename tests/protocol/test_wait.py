"""A wait: begun, watched, over at its limit and not before."""

import pytest

from engine.protocol.wait import Wait, earliest

LIMIT_S = 15.0


@pytest.fixture
def wait():
    return Wait(LIMIT_S)


def test_nothing_is_over_before_it_has_begun(wait):
    assert wait.deadline is None
    assert not wait.is_over(1e9)


def test_it_is_over_at_its_limit_and_not_before(wait):
    wait.begin(10.0)

    assert (wait.since, wait.deadline) == (10.0, 25.0)
    assert not wait.is_over(24.999)
    assert wait.is_over(25.0)


def test_begun_anew_it_counts_from_then(wait):
    wait.begin(10.0)
    wait.begin(20.0)

    assert wait.deadline == 35.0


def test_one_that_has_ended_is_never_over(wait):
    wait.begin(10.0)
    wait.end()

    assert wait.deadline is None
    assert not wait.is_over(1e9)


def test_watched_it_counts_from_the_first_look_and_tells_of_changes_only(wait):
    assert not wait.watch(5.0, waits=False)
    assert wait.watch(10.0, waits=True)
    assert not wait.watch(12.0, waits=True)
    assert wait.since == 10.0
    assert wait.watch(13.0, waits=False)
    assert wait.since is None


def test_the_earliest_of_deadlines_is_taken_and_none_where_there_is_none():
    assert earliest() is None
    assert earliest(None, None) is None
    assert earliest(None, 2.0, 1.0) == 1.0

"""What sessions are expected to take, and what is left of a budget."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.farm.policy.spending import PRIOR_WEIGHT, Average, Budget

amounts = st.floats(0.0, 1e6)


@given(st.lists(amounts, min_size=1, max_size=50))
def test_the_mean_and_variance_are_those_of_all_values(values):
    average = Average()
    for value in values:
        average.add(value)

    assert average.mean == pytest.approx(statistics.fmean(values), abs=1e-3)
    assert average.variance == pytest.approx(statistics.pvariance(values), rel=1e-4, abs=1.0)


def test_nothing_is_known_before_the_first_without_an_estimate():
    average = Average()
    assert (average.is_known, average.mean, average.variance) == (False, 0.0, 0.0)

    average.add(7.0)
    assert (average.is_known, average.mean) == (True, 7.0)


def test_an_estimate_counts_as_some_sessions_and_fades():
    average = Average(100.0)
    assert (average.is_known, average.mean) == (True, 100.0)

    average.add(10.0)
    assert average.mean == pytest.approx((PRIOR_WEIGHT * 100 + 10) / (PRIOR_WEIGHT + 1))
    for _ in range(1000):
        average.add(10.0)
    assert average.mean == pytest.approx(10.0, rel=0.05)


def test_an_estimate_of_nothing_is_an_estimate():
    assert Average(0.0).is_known


def budget(limit=1000.0, spent=0.0, **estimates):
    return Budget(limit, spent, ("a", "b"), estimates)


def test_active_sessions_are_reserved_for():
    money = budget(a=300.0)
    started = 0
    while money.fits("a"):
        money.start("a")
        started += 1

    assert started == 3
    assert money.reserved == 900.0
    assert money.fits_alone("a")


def test_what_a_session_did_not_take_is_free_again():
    money = budget(a=500.0)
    money.start("a")
    money.start("a")
    money.end("a", 100.0)

    assert (money.spent, money.reserved) == (100.0, 500.0)
    assert not money.fits("a")
    money.end("a", 100.0)
    assert money.fits("a")


def test_a_start_that_never_happened_costs_nothing():
    money = budget(a=500.0)
    money.start("a")
    money.take_back("a")

    assert (money.spent, money.presumed, money.reserved) == (0.0, 0.0, 0.0)


def test_what_nobody_knows_is_presumed():
    money = budget(a=600.0)
    money.start("a")
    money.end("a", None)

    assert (money.spent, money.presumed) == (0.0, 600.0)
    assert not money.fits("a")
    assert not money.fits_alone("a")


def test_nothing_starts_when_all_is_spent_even_where_a_session_costs_nothing():
    assert not budget(spent=1000.0).fits("a")


def test_scatter_is_reserved_for():
    money = budget(1000.0)
    for took in (0.0, 200.0) * 10:
        money.learn("a", took)
    money.learn("a", None)
    for _ in range(4):
        money.start("a")

    assert money.reserved == pytest.approx(400.0 + 3 * 100.0 * 2)


def test_without_a_limit_it_only_counts():
    money = budget(None, a=1e300)
    money.start("a")
    money.end("a", 5.0)

    assert money.fits("b")
    assert money.spent == 5.0


@given(
    limit=st.floats(1.0, 1e6),
    sessions=st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=80),
    a=st.floats(0.0, 1e5),
    b=st.floats(0.0, 1e5),
)
def test_sessions_that_take_what_is_expected_never_overdraw(limit, sessions, a, b):
    money = Budget(limit, 0.0, "ab", {"a": a, "b": b})
    active = []
    for scenario, ends in sessions:
        if ends and active:
            ended = active.pop()
            money.end(ended, money.averages[ended].mean)
        elif money.fits(scenario):
            money.start(scenario)
            active.append(scenario)
        expected = sum(money.averages[each].mean for each in active)
        assert money.reserved == pytest.approx(expected, rel=1e-6, abs=1e-6)
        assert money.spent + expected <= limit * (1 + 1e-6)

"""Sums over the last so many seconds, against the plain way of counting."""

from hypothesis import given
from hypothesis import strategies as st

from engine.farm.policy.windows import AmountWindow, CountWindow

moments = st.lists(st.floats(0.0, 200.0), min_size=1, max_size=60).map(sorted)


@given(moments, st.floats(0.1, 50.0))
def test_a_count_is_exact_at_each_moment(times, window_s):
    window = CountWindow(window_s)
    for number, now in enumerate(times):
        window.add(now)
        assert window.count(now) == sum(at + window_s > now for at in times[: number + 1])
        assert window.eases_at > now


@given(moments)
def test_the_oldest_leaves_when_it_is_said_to(times):
    window = CountWindow(10.0)
    for now in times:
        window.add(now)
    count = window.count(times[-1])

    assert window.count(window.eases_at) < count


@given(st.lists(st.tuples(st.floats(0.0, 300.0), st.floats(0.0, 90.0), st.floats(0.0, 1e6)), max_size=60))
def test_an_amount_counts_for_the_window_and_at_most_a_step_longer(entries):
    window = AmountWindow(60.0, 0.5)
    told = []
    for now, age_s, amount in sorted(entries):
        window.add(amount, now - age_s, now)
        told.append((now - age_s, amount))
        total = window.total(now)

        assert total >= sum(amount for at, amount in told if at > now - 60.0) * (1 - 1e-9) - 1e-6
        assert total <= sum(amount for at, amount in told if at > now - 60.5) * (1 + 1e-9) + 1e-6


def test_it_says_when_the_oldest_leaves():
    window = AmountWindow(60.0, 0.5)
    assert window.eases_at() is None

    window.add(5.0, 10.0, 30.0)
    window.add(3.0, 30.2, 30.2)

    assert window.eases_at() == 70.0
    assert window.total(69.9) == 8.0
    assert window.total(70.0) == 3.0
    assert window.eases_at() == 90.5


def test_nothing_of_the_rounding_stays_when_all_have_left():
    window = AmountWindow(8.0, 0.5)
    for number in range(100):
        window.add(0.1, number * 0.01, number * 0.01)

    assert window.total(20.0) == 0.0
    assert window.eases_at() is None

"""A run's clock leaves out the pauses between its stretches."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.farm.ledger import Stint
from engine.farm.report.elapsed import Elapsed


def stints(*spans):
    return [
        Stint(number=n + 1, began_at=began, last_at=last, why="", host="h", pid=1)
        for n, (began, last) in enumerate(spans)
    ]


def test_a_night_between_two_stretches_is_not_counted():
    clock = Elapsed(stints((1000.0, 1060.0), (90_000.0, 90_030.0)))
    assert clock.total_s == 90.0
    assert clock.resumed_at_s == [60.0]
    told = [clock.at_s(at) for at in (900.0, 1000.0, 1030.0, 50_000.0, 90_000.0, 90_010.0, 99_999.0)]
    assert told == [0.0, 0.0, 30.0, 60.0, 60.0, 70.0, 90.0]


def test_a_run_that_never_began_stands_at_nothing():
    clock = Elapsed([])
    assert (clock.total_s, clock.resumed_at_s, clock.at_s(5.0)) == (0.0, [], 0.0)


@given(
    steps=st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)), min_size=1, max_size=5),
    moments=st.lists(st.floats(0, 2e6), min_size=2, max_size=20),
)
def test_time_never_goes_back_nor_past_the_end(steps, moments):
    at, spans = 0.0, []
    for pause, length in steps:
        spans.append((at + pause, at + pause + length))
        at += pause + length
    clock = Elapsed(stints(*spans))
    told = [clock.at_s(moment) for moment in sorted(moments)]
    assert all(0.0 <= one <= clock.total_s + 1e-6 for one in told)
    assert all(later >= earlier - 1e-6 for earlier, later in pairwise(told))

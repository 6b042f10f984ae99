"""A run's course is kept in few points, from its begin to its end, however long it takes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from made_up_runs import snapshot

from engine.farm.figures import Figures
from engine.farm.live.history import POINTS_MAX, History, Point, point_of


def at(seconds):
    return Point(float(seconds), 1, 2, 3, 4.0, 5.0, 6.0)


@given(st.integers(2, 4 * POINTS_MAX))
def test_it_is_bounded_begins_at_the_begin_and_ends_near_the_end(seconds):
    history = History()
    for second in range(seconds):
        history.add(at(second))
    times = history.columns()["at_s"]

    assert len(times) <= POINTS_MAX
    assert times[0] == 0
    distance = times[1] - times[0]
    assert times[-1] >= seconds - 1 - distance
    assert {later - earlier for earlier, later in pairwise(times)} == {distance}


def test_points_that_come_too_soon_are_not_kept():
    history = History()

    assert [history.add(at(second)) for second in (0, 0.5, 1, 1.2, 2)] == [True, False, True, False, True]


def test_a_point_holds_what_is_drawn():
    point = point_of(snapshot())

    assert (point.active, point.done, point.broke, point.starts_per_s) == (48, 312, 9, 8.2)
    assert 400 < point.p50_ms < point.p95_ms


def test_where_nobody_waited_there_is_a_gap():
    assert point_of(snapshot(recent=Figures())).p50_ms is None

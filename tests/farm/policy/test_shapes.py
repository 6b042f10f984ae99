"""The shapes of load, as k6 has them."""

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.farm.plan.model import Caps, Load, Stage
from engine.farm.policy.shapes import PATIENCE_S, Arrivals, Curve, shape_of

CAPS = Caps(sessions=50, starts_per_s=4.0)

stages = st.lists(
    st.builds(
        Stage,
        duration_s=st.one_of(st.just(0.0), st.floats(0.5, 100.0)),
        to=st.one_of(st.just(0.0), st.floats(0.01, 1000.0)),
    ),
    max_size=6,
)


def slowly(curve, until, steps=600):
    """The area under a curve, in the middle of many small steps."""
    width = until / steps
    return sum(curve.value((step + 0.5) * width) for step in range(steps)) * width


def test_stages_are_straight_lines_from_one_height_to_the_next():
    curve = Curve(0.0, [Stage(duration_s=10, to=100), Stage(duration_s=20, to=100), Stage(duration_s=5, to=0)])

    assert [curve.value(t) for t in (0, 5, 10, 29, 32.5, 35, 99)] == [0, 50, 100, 100, 50, 0, 0]
    assert curve.length_s == 35
    assert [curve.area(t) for t in (10, 30, 35, 99)] == [500, 2500, 2750, 2750]


def test_a_stage_without_length_is_a_step():
    curve = Curve(0.0, [Stage(duration_s=0, to=20), Stage(duration_s=10, to=20), Stage(duration_s=0, to=5)])

    assert [curve.value(t) for t in (0, 9.9, 10, 50)] == [20, 20, 5, 5]
    assert curve.reaches(20, 0.0) == 0.0
    assert curve.reaches(6, 10.0) is None


@given(stages, st.floats(0.0, 300.0))
def test_the_area_is_what_lies_under_the_line(parts, until):
    curve = Curve(3.0, parts)
    assert curve.area(until) == pytest.approx(slowly(curve, until), rel=0.02, abs=until + 1e-9)


@given(stages, st.floats(0.5, 1500.0), st.floats(0.0, 400.0))
def test_a_level_is_reached_when_it_says_and_not_before(parts, level, after):
    curve = Curve(0.0, parts)
    at = curve.reaches(level, after)
    last = at if at is not None else after + 700.0

    assert all(
        curve.value(after + (last - after) * part / 200) < level + 1e-6 for part in range(200 if last > after else 0)
    )
    if at is not None:
        assert at >= after
        assert curve.value(at) == pytest.approx(level, rel=1e-6) or at == after or curve.value(at) > level


@given(stages, st.floats(0.01, 5000.0))
def test_an_area_is_reached_when_it_says(parts, area):
    curve = Curve(0.0, parts)
    at = curve.area_reaches(area)

    if at is None:
        assert curve.area(10**6) < area
    else:
        assert curve.area(at) == pytest.approx(area, rel=1e-6)


def test_once_asks_for_more_than_the_caps_allow_and_has_no_end():
    shape = shape_of(Load(shape="once"), CAPS)

    assert shape.ends_at is None
    assert shape.quota(0.0, 0) > 50
    assert shape.quota(0.0, 50) > 0
    assert shape.target(0.0) is None


def test_constant_asks_for_what_is_missing():
    shape = shape_of(Load(shape="constant", sessions=10, duration_s=60), CAPS)

    assert (shape.ends_at, shape.target(3.0)) == (60, 10)
    assert shape.quota(3.0, 7) == 3
    assert shape.more_at(3.0, 10) is None


def test_a_ramp_follows_its_stages_and_cuts_nobody_off():
    shape = shape_of(Load(shape="ramp", stages=(Stage(duration_s=10, to=20), Stage(duration_s=10, to=0))), CAPS)

    assert shape.ends_at == 20
    assert [shape.quota(t, 0) for t in (0, 1, 10, 15)] == [0, 2, 20, 10]
    assert shape.quota(15, 18) == -8
    assert shape.more_at(1, 2) == 1.5
    assert shape.more_at(15, 18) is None


def test_a_session_of_a_load_at_a_time_needs_no_bookkeeping():
    shape = shape_of(Load(shape="constant", sessions=3), CAPS)
    shape.start()
    shape.take_back()
    shape.settle(99.0, idle=False)

    assert (shape.quota(99.0, 3), shape.dropped) == (0, 0)


@given(st.floats(0.1, 50.0), st.floats(1.0, 20.0))
def test_arrivals_come_at_their_rate_and_as_many_as_its_area(rate, duration_s):
    # One that is due at the very end may count or not.
    assume(abs(rate * duration_s % 1 - 0.5) > 1e-6)
    shape = shape_of(Load(shape="arrival", rate_per_s=rate, duration_s=duration_s), CAPS)
    moments = []
    while (at := shape.more_at(0.0, 0)) is not None and at < duration_s:
        assert shape.quota(at, 0) == 1
        shape.start()
        moments.append(at)

    assert len(moments) == round(rate * duration_s)
    gaps = [late - early for early, late in itertools.pairwise(moments)]
    assert gaps == pytest.approx([1 / rate] * len(gaps), rel=1e-6)
    assert shape.quota(duration_s + 100, 0) == 0


def test_arrivals_may_ramp():
    shape = shape_of(Load(shape="arrival", stages=(Stage(duration_s=10, to=10),)), CAPS)

    assert shape.ends_at == 10
    assert [shape.quota(t, 0) for t in (0, 2, 10, 99)] == [0, 2, 50, 50]
    assert shape.target(5.0) == 5.0


def test_an_arrival_that_is_not_had_in_time_is_dropped_and_counted():
    shape = Arrivals(Curve(10.0), None)

    shape.settle(PATIENCE_S, idle=False)
    assert (shape.dropped, shape.quota(PATIENCE_S, 0)) == (0, 10)

    shape.settle(PATIENCE_S + 0.5, idle=False)
    assert (shape.dropped, shape.quota(PATIENCE_S + 0.5, 0)) == (5, 10)


def test_an_arrival_without_a_job_is_not_dropped_but_forgotten():
    shape = Arrivals(Curve(10.0), None)
    shape.settle(3.0, idle=True)

    assert (shape.dropped, shape.quota(3.0, 0)) == (0, 0)


def test_at_the_end_nothing_is_waited_for():
    shape = Arrivals(Curve(10.0), 5.0)
    shape.settle(5.0, idle=False)

    assert (shape.dropped, shape.quota(6.0, 0)) == (50, 0)


def test_a_start_that_never_happened_is_due_again():
    shape = Arrivals(Curve(1.0), None)
    shape.start()
    assert shape.quota(1.0, 0) == 0

    shape.take_back()
    assert shape.quota(1.0, 0) == 1

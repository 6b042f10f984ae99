"""How fast sessions may start: the cap, the even spread, and what the service's complaints do to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.farm.policy.pace import FLOOR_SHARE, REACTION_S, RECOVERY_S, Pace


def most_starts_in(window_s, starts):
    return max(sum(at <= other < at + window_s - 1e-9 for other in starts) for at in starts)


def run(pace, *, begin, until, ask_every_s=0.0):
    """Start whenever it opens (asked only every so often); give the moments."""
    now, starts = begin, []
    while now <= until:
        opens_at = pace.opens_at(now)
        if opens_at > now:
            now = max(opens_at, now + ask_every_s)
            continue
        pace.start(now)
        starts.append(now)
    return starts


@pytest.mark.parametrize("cap", [0.0, -1.0, float("nan"), float("inf")])
def test_a_cap_that_lets_nothing_start_is_told(cap):
    with pytest.raises(ConfigError, match=r"caps\.starts_per_s.*above 0"):
        Pace(cap, now=0.0)


@given(
    cap=st.floats(0.05, 40.0),
    asks=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=15),
)
def test_no_window_holds_more_than_the_cap_however_irregularly_it_is_asked(cap, asks):
    pace = Pace(cap, now=0.0)
    most = -(-cap // 1)
    starts, now = [], 0.0
    for gap_s in asks:
        now += gap_s
        while pace.opens_at(now) <= now:
            pace.start(now)
            starts.append(now)

    # The start that is so many later is a whole window later.
    assert all(late - early >= most / cap - 1e-9 for early, late in zip(starts, starts[int(most) :], strict=False))
    assert most / cap >= 1.0


@pytest.mark.parametrize("cap", [0.2, 1.0, 2.5, 10.0, 333.0])
@pytest.mark.parametrize("ask_every_s", [0.0, 0.02, 0.05])
def test_asked_once_in_a_while_it_still_gives_all_that_the_cap_allows(cap, ask_every_s):
    starts = run(Pace(cap, now=0.0), begin=0.0, until=100.0, ask_every_s=ask_every_s)

    assert len(starts) >= 0.95 * cap * 100


def test_asked_rarely_it_keeps_the_cap_and_loses_pace():
    starts = run(Pace(10.0, now=0.0), begin=0.0, until=100.0, ask_every_s=0.9)

    assert most_starts_in(1.0, starts) == 10
    assert 500 <= len(starts) <= 1000


def test_starts_are_spread_evenly():
    starts = run(Pace(4.0, now=0.0), begin=0.0, until=3.0)

    assert starts == pytest.approx([0.25 * number for number in range(13)])


def test_a_complaint_halves_what_was_really_had():
    pace = Pace(100.0, now=0.0)
    run(pace, begin=0.0, until=20.0, ask_every_s=0.2)
    slow = Pace(100.0, now=0.0)
    for second in range(20):
        slow.start(float(second))

    pace.lower(0.5, 20.0)
    slow.lower(0.5, 20.0)

    assert pace.per_s(20.0) == pytest.approx(50.0, rel=0.07)
    assert slow.per_s(20.0) == FLOOR_SHARE * 100.0


def test_complaints_that_come_together_count_once():
    pace = Pace(10.0, now=0.0)
    run(pace, begin=0.0, until=30.0)

    for number in range(50):
        pace.lower(0.5, 30.0 + number * REACTION_S / 50)
    assert pace.per_s(30.0) == pytest.approx(5.0, rel=0.07)

    pace.lower(0.5, 30.0 + REACTION_S)
    assert pace.per_s(30.0 + REACTION_S) < 5.0


def test_it_rises_by_the_same_step_each_second_up_to_the_cap():
    pace = Pace(10.0, now=0.0)
    run(pace, begin=0.0, until=30.0)
    pace.lower(0.5, 30.0)
    begin = 30.0 + REACTION_S

    assert pace.per_s(begin) == pytest.approx(pace.per_s(30.0))
    steps = [pace.per_s(begin + second + 1) - pace.per_s(begin + second) for second in range(25)]
    assert steps == pytest.approx([steps[0]] * 25)
    assert steps[0] == pytest.approx(10.0 / RECOVERY_S, rel=0.07)
    assert pace.per_s(begin + RECOVERY_S) == 10.0


@given(st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(0.1, 0.99)), max_size=40))
def test_the_pace_stays_between_its_floor_and_the_cap(complaints):
    pace, now = Pace(20.0, now=0.0), 0.0
    for gap_s, factor in complaints:
        now += gap_s
        pace.lower(factor, now)
        assert 20.0 * FLOOR_SHARE <= pace.per_s(now) <= 20.0
        assert pace.is_lowered(now)
    assert pace.per_s(now + 1000.0) == 20.0
    assert not pace.is_lowered(now + 1000.0)


def test_what_was_missed_before_a_complaint_is_not_made_up():
    pace = Pace(10.0, now=0.0)
    pace.start(0.0)
    pace.lower(0.5, 60.0)

    starts = run(pace, begin=60.0, until=61.0)

    assert len(starts) <= 2


def test_nothing_starts_before_the_moment_that_the_service_asked_for():
    pace = Pace(10.0, now=0.0)
    pace.hold(5.0)
    pace.hold(3.0)

    assert pace.is_lowered(0.0)
    assert pace.opens_at(0.0) == 5.0
    assert run(pace, begin=0.0, until=6.0)[0] == 5.0


def test_the_accounts_newest_word_counts():
    pace = Pace(10.0, now=0.0)
    pace.hold_short(60.0)
    assert pace.opens_at(1.0) == 60.0

    pace.hold_short(0.0)
    assert pace.opens_at(1.0) <= 1.0

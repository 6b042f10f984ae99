"""What counts against the cap of tokens a minute."""

import pytest

from engine.farm.policy import course
from engine.farm.policy.minute import TokensPerMinute
from engine.farm.policy.spending import Average


def minute(cap=1000.0, *, a=400.0, b=400.0, life_s=20.0):
    return TokensPerMinute(cap, {"a": Average(a), "b": Average(b)}, {"a": life_s, "b": life_s})


def taught(tokens, *, sessions=300, took=100.0, life_s=10.0, begin=0.0):
    """Have sessions that are all alike, one by one, and then a minute of silence; give when it is over."""
    for number in range(sessions):
        began = begin + number * 20.0
        tokens.start("a", began)
        tokens.take("a", took, began, began + life_s)
        tokens.end("a", began, began + life_s, tells=True)
    return begin + sessions * 20.0 + 100.0


def test_what_was_told_counts_for_a_minute_and_up_to_a_step_more():
    tokens = minute()
    tokens.add(300.0, 10.5)

    assert [tokens.used(at) for at in (10.5, 70.9, 71.0)] == [300.0, 300.0, 0.0]


def test_nothing_told_is_nothing_and_nobody_takes_less_than_nothing():
    tokens = minute()
    tokens.start("a", 0.0)
    before = tokens.used(0.0)
    tokens.take("a", 0.0, 0.0, 0.0)
    tokens.add(-5.0, 0.0)

    assert tokens.used(0.0) == before


def test_an_estimate_is_taken_for_more_than_it_is_until_sessions_have_told():
    tokens = minute()
    tokens.start("a", 0.0)
    assert tokens.used(0.0) > 1.4 * 400.0


def test_what_sessions_alike_will_take_is_foreseen_closely():
    tokens = TokensPerMinute(1000.0, {"a": Average()}, {})
    now = taught(tokens)
    tokens.start("a", now)

    assert tokens.used(now) == pytest.approx(100.0, rel=0.3)
    assert tokens.used(now + 9.0) == pytest.approx(100.0, rel=0.3)


def test_what_a_session_tells_is_not_foreseen_any_more():
    tokens = TokensPerMinute(1000.0, {"a": Average()}, {})
    now = taught(tokens)
    tokens.start("a", now)
    tokens.take("a", 100.0, now, now + 10.0)

    assert tokens.used(now + 10.0) == pytest.approx(100.0, rel=0.3)


def test_of_a_session_that_ended_nothing_is_foreseen():
    tokens = minute()
    tokens.start("a", 0.0)
    tokens.end("a", 0.0, 5.0, tells=True)

    assert tokens.used(5.0) == 0.0


def test_where_others_are_active_it_is_so_a_step_later():
    tokens = minute(1e6)
    for _ in range(3):
        tokens.start("a", 0.0)
    tokens.end("a", 0.0, 5.0, tells=True)
    before = tokens.used(5.0)

    assert tokens.used(6.0) < before


def test_one_that_broke_and_took_nothing_teaches_nothing():
    tokens, other = minute(1e6), minute(1e6)
    for number in range(50):
        tokens.start("a", float(number))
        tokens.end("a", float(number), number + 0.5, tells=False)
    for each in (tokens, other):
        each.start("a", 60.0)

    assert tokens.used(60.0) == pytest.approx(other.used(60.0))


def test_a_session_that_is_larger_than_the_cap_goes_alone():
    tokens = minute(a=5000.0, b=1.0)
    assert tokens.fits("a", 0.0)
    tokens.start("a", 0.0)
    assert not tokens.fits("b", 0.0)

    tokens.take("a", 5000.0, 0.0, 10.0)
    tokens.end("a", 0.0, 10.0, tells=True)
    assert not tokens.fits("b", 70.9)
    assert tokens.fits("b", 71.0)


def started(tokens, now):
    """Start all that fit, and count them."""
    count = 0
    while tokens.fits("a", now):
        tokens.start("a", now)
        count += 1
    return count


def test_few_of_a_scenario_go_at_once_until_some_have_shown_what_they_take():
    tokens = minute(1_000_000.0, a=400.0)
    at_once = started(tokens, 0.0)
    assert 1_000_000 / 400 / 8 / 3 < at_once < 1_000_000 / 400 / 8  # As if each took eight times what the plan expects.

    assert started(tokens, 1.0) < at_once / 5  # 1 s of 20 s is not much.
    assert started(tokens, 20.0) > at_once  # Each has shown its life.


def test_where_a_cap_is_far_away_all_go_at_once():
    tokens = minute(1e9, a=400.0)
    for _ in range(1000):
        assert tokens.fits("a", 0.0)
        tokens.start("a", 0.0)


def test_a_start_that_never_happened_holds_nothing():
    tokens = minute()
    tokens.start("a", 0.0)
    tokens.take_back("a", 0.0, 0.0)

    assert tokens.used(0.0) == 0.0


def test_one_whose_begin_is_told_wrong_still_counts_as_one():
    tokens = minute()
    tokens.start("a", 10.0)
    tokens.start("a", 10.0)
    tokens.end("a", 3.0, 12.0, tells=True)
    tokens.end("a", 11.9, 12.0, tells=True)

    assert tokens.used(12.0) == 0.0


def test_who_is_older_than_ages_are_told_apart_is_foreseen_on():
    tokens = minute(1e6, life_s=100.0)
    tokens.start("a", 0.0)

    assert tokens.used(3600.0) > 0.0
    tokens.end("a", 0.0, 3600.0, tells=True)
    assert tokens.used(3601.0) == 0.0


def test_where_nothing_is_known_nothing_is_foreseen():
    tokens = TokensPerMinute(1000.0, {"a": Average()}, {})
    tokens.start("a", 0.0)

    assert tokens.used(0.0) == 0.0


def test_it_is_asked_again_with_the_next_step():
    tokens = minute()
    tokens.start("a", 0.0)
    tokens.add(5.0, 0.0)

    assert [tokens.eases_at(at) for at in (0.0, 0.9, 1.0)] == [1.0, 1.0, 2.0]


def test_where_nobody_is_active_it_is_asked_again_when_the_oldest_lets_go():
    tokens = minute()
    tokens.add(5.0, 3.0)
    assert tokens.used(4.0) == 5.0

    assert tokens.eases_at(4.0) == 64.0
    assert tokens.used(64.0) == 0.0


def test_without_a_cap_all_fits_and_nothing_is_counted():
    tokens = minute(None, a=1e12)
    tokens.start("a", 0.0)
    tokens.take("a", 1e12, 0.0, 1.0)
    tokens.add(1e12, 1.0)
    tokens.end("a", 0.0, 1.0, tells=True)
    tokens.take_back("a", 0.0, 1.0)

    assert tokens.fits("a", 0.0)
    assert tokens.used(0.0) == 0.0


def test_one_by_one_or_by_age_sessions_are_foreseen_alike(monkeypatch):
    foreseen = []
    for few in (0, 1000):
        monkeypatch.setattr(course, "FEW_AGES", few)
        tokens = minute(1e6, life_s=100.0)
        for second in range(150):
            tokens.start("a", float(second))
            tokens.take("a", 7.0, second / 2, float(second))
        foreseen.append(tokens.used(150.0))

    assert foreseen[0] == pytest.approx(foreseen[1])

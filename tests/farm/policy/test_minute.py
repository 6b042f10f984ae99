"""What counts against the cap of tokens a minute."""

import pytest

from engine.farm.policy.minute import TokensPerMinute
from engine.farm.policy.spending import Average


def minute(cap=1000.0, *, a=400.0, b=400.0, lives_s=None):
    return TokensPerMinute(cap, {"a": Average(a), "b": Average(b)}, lives_s or {})


def test_a_short_session_holds_all_its_tokens_for_a_minute_from_its_start():
    tokens = minute()
    tokens.start("a")
    assert tokens.used(0.0) == 400.0

    tokens.end("a", 300.0, 10.0, 10.0)

    assert [tokens.used(at) for at in (10.0, 59.9, 60.0)] == [300.0, 300.0, 0.0]
    assert tokens.eases_at() is None


def test_it_says_when_an_ended_session_lets_go():
    tokens = minute()
    tokens.start("a")
    assert tokens.eases_at() is None

    tokens.end("a", 400.0, 10.0, 30.0)
    assert tokens.eases_at() == 80.0


def test_a_long_session_holds_a_minutes_worth_for_as_long_as_it_lives():
    tokens = minute(a=1000.0, lives_s={"a": 300.0})
    tokens.start("a")
    assert tokens.used(299.0) == pytest.approx(200.0)

    tokens.end("a", 5000.0, 300.0, 300.0)
    assert tokens.used(300.0) == 0.0


def test_one_that_is_shorter_than_the_others_lets_go_as_they_do():
    tokens = minute(lives_s={"a": 300.0})
    tokens.start("a")
    tokens.end("a", 100.0, 10.0, 10.0)

    assert tokens.used(10.0) == 0.0


def test_what_active_sessions_hold_goes_by_what_is_known_by_now():
    tokens = minute()
    tokens.start("a")
    tokens.start("a")
    assert tokens.used(0.0) == 800.0

    tokens.learn("a", 240.0)
    assert tokens.used(0.0) == 200.0


def test_their_scatter_is_held_too():
    average = Average()
    for took in (100.0, 300.0) * 10:
        average.add(took)
    tokens = TokensPerMinute(1000.0, {"a": average}, {})
    for _ in range(4):
        tokens.start("a")

    assert tokens.used(0.0) == pytest.approx(4 * 200.0 + 100.0 * 2)


def test_one_more_fits_up_to_the_cap():
    tokens = minute(a=600.0, b=400.0)
    tokens.start("a")

    assert tokens.fits("b", 0.0)
    assert not tokens.fits("a", 0.0)


def test_a_session_that_is_larger_than_the_cap_goes_alone():
    tokens = minute(a=5000.0, b=1.0)
    assert tokens.fits("a", 0.0)
    tokens.start("a")
    assert not tokens.fits("b", 0.0)

    tokens.end("a", 5000.0, 10.0, 10.0)
    assert not tokens.fits("b", 59.0)
    assert tokens.fits("b", 60.0)


def test_a_start_that_never_happened_holds_nothing():
    tokens = minute()
    tokens.start("a")
    tokens.start("a")
    tokens.take_back("a")
    assert tokens.used(0.0) == 400.0

    tokens.take_back("a")
    assert tokens.used(0.0) == 0.0


def test_without_a_cap_all_fits():
    tokens = minute(None, a=1e12)
    tokens.start("a")

    assert tokens.fits("a", 0.0)

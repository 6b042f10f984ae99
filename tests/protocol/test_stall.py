"""Silence that lasts too long, of responses and of a whole talk: told once, on time, and never without cause."""

from hypothesis import given
from hypothesis import strategies as st

from engine.protocol.stall import FOLLOWED_RESPONSES, HELD_MAX, Idle, Stall

LIMIT_S = 30.0


def test_a_response_that_was_created_and_says_nothing_stalls():
    stall = Stall(LIMIT_S)
    assert stall.deadline is None
    stall.began("r1", 100)
    assert stall.deadline == 130
    assert stall.stalled(129.9) == []
    assert stall.stalled(130) == ["r1"]


def test_deltas_that_stop_stall_from_the_last_of_them():
    stall = Stall(LIMIT_S)
    stall.began("r1", 0)
    for now in range(0, 1000, 20):
        stall.seen("r1", now)
        assert stall.stalled(now) == []
    assert stall.deadline == 980 + LIMIT_S
    assert stall.stalled(980 + LIMIT_S) == ["r1"]


def test_a_response_that_ends_is_not_followed_any_more():
    stall = Stall(LIMIT_S)
    stall.began("r1", 0)
    stall.ended("r1")
    stall.seen("r1", 5)
    stall.ended("r1")
    stall.ended(None)
    assert (stall.deadline, stall.stalled(1000)) == (None, [])


def test_a_stall_is_told_once():
    stall = Stall(LIMIT_S)
    stall.began("r1", 0)
    assert stall.stalled(50) == ["r1"]
    stall.seen("r1", 51)
    assert (stall.deadline, stall.stalled(1000)) == (None, [])


def test_responses_at_once_are_told_apart():
    stall = Stall(LIMIT_S)
    stall.began("r1", 0)
    stall.began("aside", 10)
    stall.seen("r1", 25)
    assert stall.deadline == 40
    assert stall.stalled(40) == ["aside"]
    assert stall.deadline == 55
    assert stall.stalled(55) == ["r1"]


def test_silence_that_is_known_of_counts_from_its_end_or_from_the_next_event():
    stall = Stall(LIMIT_S)
    stall.began("r1", 0)
    stall.seen("r1", 60)  # At 1: an MCP call, which may take its time.
    assert stall.deadline == 90
    stall.seen("r1", 20)
    assert stall.deadline == 50


def test_a_stall_that_is_off_follows_nothing():
    stall = Stall(None)
    stall.began("r1", 0)
    stall.seen("r1", 1)
    assert (stall.deadline, stall.stalled(10**9)) == (None, [])


def test_all_are_forgotten_with_their_connection():
    stall = Stall(LIMIT_S)
    stall.began("r1", 0)
    stall.forget()
    assert (stall.deadline, stall.stalled(10**9)) == (None, [])


def test_what_never_ends_is_bounded():
    stall = Stall(LIMIT_S)
    for n in range(FOLLOWED_RESPONSES + 10):
        stall.began(f"r{n}", n)
    left = stall.stalled(10**6)
    assert left == [f"r{n}" for n in range(10, FOLLOWED_RESPONSES + 10)]


IDS = st.sampled_from(["r1", "r2", "r3"])


@given(st.lists(st.tuples(st.sampled_from(["began", "seen", "ended", "ask"]), IDS, st.integers(0, 20)), max_size=60))
def test_a_response_is_told_when_and_only_when_it_was_silent_for_the_limit(steps):
    stall, plain, now = Stall(LIMIT_S), {}, 0
    for what, response_id, passes in steps:
        now += passes
        if what == "began":
            stall.began(response_id, now)
            plain[response_id] = now
        elif what == "seen":
            stall.seen(response_id, now)
            plain.update({response_id: now} if response_id in plain else {})
        elif what == "ended":
            stall.ended(response_id)
            plain.pop(response_id, None)
        else:
            due = stall.deadline
            told = stall.stalled(now)
            assert sorted(told) == sorted(key for key, last in plain.items() if now - last >= LIMIT_S)
            assert bool(told) == (due is not None and now >= due), "the deadline tells when to ask"
            plain = {key: last for key, last in plain.items() if key not in told}
        assert stall.deadline == (min(plain.values()) + LIMIT_S if plain else None)


# --- nobody says anything -------------------------------------------------------------------------------------------


def test_a_talk_in_which_nobody_speaks_is_idle_and_that_is_told_once():
    idle = Idle(60.0, now=10)
    assert idle.deadline == 70
    assert not idle.passed(69.9)
    assert idle.passed(70)
    assert not idle.passed(71)
    assert idle.deadline is None
    idle.said(80)
    assert idle.deadline == 140
    assert idle.passed(140), "another silence"


def test_whatever_is_said_puts_it_off():
    idle = Idle(60.0, now=0)
    for now in range(0, 600, 50):
        idle.said(now)
        assert not idle.passed(now)
    assert idle.deadline == 610


def test_nothing_is_idle_while_something_lasts():
    idle = Idle(60.0, now=0)
    idle.hold("user speech", 10)
    idle.hold(("response", "r1"), 20)
    idle.release("user speech", 30)
    assert idle.deadline is None
    assert not idle.passed(10_000)
    idle.release(("response", "r1"), 10_000)
    idle.release("never held", 10_001)
    assert idle.deadline == 10_061


def test_speech_that_is_still_being_played_counts_to_its_end():
    idle = Idle(60.0, now=0)
    idle.said(200)
    idle.said(30)
    assert not idle.passed(259)
    assert idle.passed(260)


def test_what_lasted_on_a_connection_that_was_lost_holds_no_more():
    idle = Idle(60.0, now=0)
    idle.hold(("response", "r1"), 5)
    idle.hold("user speech", 5)
    idle.release_all(20)
    assert idle.deadline == 80


def test_nothing_is_idle_before_anything_was_said():
    idle = Idle(60.0)
    assert (idle.deadline, idle.passed(10**9)) == (None, False)
    idle.said(10**9)
    assert idle.deadline == 10**9 + 60


def test_an_idle_that_is_off_never_passes():
    idle = Idle(None, now=0)
    assert (idle.deadline, idle.passed(10**9)) == (None, False)


@given(st.lists(st.tuples(st.sampled_from(["said", "hold", "release", "ask"]), st.integers(0, 30)), max_size=60))
def test_idle_passes_once_for_each_silence_of_the_limit(steps):
    idle, now, last, held, told = Idle(60.0, now=0), 0, 0, False, False
    for what, passes in steps:
        now += passes
        if what == "ask":
            expected = not held and not told and now - last >= 60
            assert idle.passed(now) == expected
            told = told or expected
        else:
            idle.said(now) if what == "said" else getattr(idle, what)("x", now)
            held = what == "hold" or (held and what == "said")
            last, told = now, False
        assert idle.deadline == (None if held or told else last + 60)


def test_past_the_bound_what_lasts_counts_as_said_and_holds_nothing():
    idle = Idle(LIMIT_S, 0)
    for number in range(HELD_MAX + 1):
        idle.hold(number, 10.0)
    for number in range(HELD_MAX):
        idle.release(number, 20.0)

    assert idle.deadline == 20.0 + LIMIT_S

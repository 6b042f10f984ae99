"""When to connect again: never too often, never too long, never sooner than told, never all at once."""

import math
import random
from collections import Counter

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import Reconnect
from engine.errors import CertificateRefused, ConnectionLost, HandshakeRejected, ProxyRefused
from engine.protocol.outage import Outages

RESET = ConnectionLost("the connection broke")
POLICY = Reconnect(attempts=5, total_s=60.0, first_delay_s=1.0, max_delay_s=4.0, stable_s=10.0)


def busy(retry_after_s=None):
    return HandshakeRejected(503, "busy", retry_after_s)


def highest():
    """Draw what is next to the bound, so that a wait shows its bound."""
    return math.nextafter(1.0, 0.0)


def waits(outages, error=RESET, now=0.0):
    """Lose a connection, and fail at every attempt at once; give the waits before them."""
    drawn = []
    outages.lost(now, error)
    while (at := outages.next_attempt(now)) is not None:
        drawn.append(at - now)
        now = at
        outages.lost(now, error)
    return drawn


# --- one outage -----------------------------------------------------------------------------------------------------


def test_while_nothing_is_lost_there_is_nothing_to_try():
    outages = Outages(POLICY, highest)
    outages.connected(0.0)

    assert outages.next_attempt(1.0) is None
    assert outages.verdict(1.0) is None
    assert (outages.attempts, outages.ends_at) == (0, None)


def test_the_first_attempt_is_made_at_once_and_the_bound_doubles_up_to_the_longest():
    assert waits(Outages(POLICY, highest)) == pytest.approx([0, 1, 2, 4, 4])


def test_each_wait_is_drawn_from_nothing_up():
    assert waits(Outages(POLICY, lambda: 0.0)) == [0, 0, 0, 0, 0]
    assert waits(Outages(POLICY, lambda: 0.25)) == [0, 0.25, 0.5, 1, 1]


def test_waits_are_spread_evenly_over_their_bound():
    dice = random.Random(7).random
    quarters = Counter(int(waits(Outages(POLICY, dice))[2] / 2 * 4) for _ in range(2000))

    assert set(quarters) == {0, 1, 2, 3}
    assert min(quarters.values()) > 400


def test_the_last_wait_is_drawn_from_the_time_that_is_left():
    policy = attrs.evolve(POLICY, total_s=4.0)

    assert waits(Outages(policy, lambda: 0.5)) == [0, 0.5, 1, 1.25, 0.625]
    assert waits(Outages(policy, highest)) == pytest.approx([0, 1, 2, 1])


def test_without_time_there_is_one_attempt():
    assert waits(Outages(attrs.evolve(POLICY, total_s=0.0), lambda: 0.5)) == [0]


def test_an_attempt_that_takes_too_long_is_the_last():
    outages = Outages(POLICY, highest)
    outages.lost(100.0, RESET)

    assert outages.ends_at == 160.0
    outages.lost(160.0, RESET)
    assert outages.next_attempt(160.0) is None


def test_who_comes_late_tries_at_once_or_not_at_all():
    outages = Outages(POLICY, highest)
    outages.lost(0.0, RESET)
    outages.lost(0.0, RESET)

    assert outages.next_attempt(0.5) == pytest.approx(1.0)
    assert outages.next_attempt(30.0) == 30.0
    assert outages.next_attempt(60.0) == 60.0
    assert outages.next_attempt(60.1) is None


def test_very_many_attempts_need_no_very_large_numbers():
    policy = Reconnect(attempts=10_000, total_s=86_400, first_delay_s=1e-9, max_delay_s=0.001, stable_s=0)

    drawn = waits(Outages(policy, highest))
    assert len(drawn) == 10_000
    assert max(drawn) <= 0.0011


# --- what a server tells --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [busy(7.0), ProxyRefused("busy", status=503, retry_after_s=7.0)])
def test_who_is_told_to_wait_waits_and_does_not_come_back_with_all_the_others(told):
    assert waits(Outages(POLICY, lambda: 0.5), told)[:3] == [7.5, 7.5, 8.0]


def test_only_the_last_answer_counts():
    outages = Outages(POLICY, lambda: 0.5)
    outages.lost(0.0, busy(7.0))
    outages.lost(7.5, busy())

    assert outages.next_attempt(7.5) == 8.0


def test_a_wait_of_nothing_is_no_wait():
    assert waits(Outages(POLICY, lambda: 0.5), busy(0.0))[0] == 0


def test_a_wait_that_is_longer_than_the_outage_may_last_ends_it_at_once():
    outages = Outages(POLICY, lambda: 0.0)
    outages.lost(0.0, RESET)
    told = busy(60.5)
    outages.lost(0.1, told)

    assert outages.next_attempt(0.1) is None
    assert outages.verdict(0.1) is told


def test_a_wait_up_to_the_very_end_is_waited_for():
    assert waits(Outages(POLICY, lambda: 0.5), busy(60.0)) == [60]


# --- the end --------------------------------------------------------------------------------------------------------


def test_what_can_not_get_better_is_not_tried():
    outages = Outages(POLICY, highest)
    refused = CertificateRefused("TLS failed")
    outages.lost(0.0, refused)

    assert outages.next_attempt(0.0) is None
    assert outages.verdict(0.0) is refused
    assert not hasattr(refused, "__notes__")


def test_what_turns_out_hopeless_ends_it_with_its_own_error_and_names_the_first():
    outages = Outages(POLICY, highest)
    outages.lost(0.0, RESET)
    bad_key = HandshakeRejected(401, "")
    outages.lost(2.0, bad_key)

    assert outages.next_attempt(2.0) is None
    assert outages.verdict(2.0) is bad_key
    assert bad_key.__notes__ == ["attempts to connect again: 1 in 2.0 s | the first error: the connection broke"]


def test_a_budget_that_is_used_up_ends_it_with_the_error_that_began_it_and_names_the_last():
    outages = Outages(POLICY, highest)
    first = ConnectionLost("the connection broke", code=1011)
    outages.lost(0.0, first)
    for attempt in range(5):
        outages.lost(attempt + 1.0, busy())

    assert outages.next_attempt(5.0) is None
    assert outages.verdict(5.0) is first
    outages.verdict(5.0)
    [note] = first.__notes__
    assert note.startswith("attempts to connect again: 5 in 5.0 s")
    assert note.endswith("the last error: the server refused the WebSocket upgrade with HTTP status 503")


def test_time_that_has_run_out_is_no_word_of_the_last_servers():
    outages = Outages(POLICY, highest)
    outages.lost(0.0, RESET)
    outages.lost(61.0, busy())

    assert outages.next_attempt(61.0) is None
    assert outages.verdict(61.0) is RESET


# --- one after the other --------------------------------------------------------------------------------------------


def test_a_connection_that_lives_long_enough_ends_the_outage():
    outages = Outages(POLICY, highest)
    outages.lost(0.0, RESET)
    outages.connected(1.0)
    assert (outages.attempts, outages.next_attempt(1.0)) == (1, None)
    outages.lost(11.0, RESET)

    assert (outages.attempts, outages.ends_at, outages.next_attempt(11.0)) == (0, 71.0, 11.0)


def test_a_connection_that_breaks_soon_goes_on_with_the_outage():
    outages = Outages(POLICY, highest)
    outages.lost(0.0, RESET)
    outages.connected(0.0)
    outages.lost(9.9, RESET)

    assert (outages.attempts, outages.ends_at) == (1, 60.0)
    assert outages.next_attempt(9.9) == pytest.approx(10.9)


def test_the_first_connection_of_all_needs_no_time_to_prove_itself():
    outages = Outages(POLICY, highest)
    outages.connected(0.0)
    outages.lost(0.1, RESET)

    assert (outages.attempts, outages.next_attempt(0.1)) == (0, 0.1)


def test_a_connection_that_was_renewed_has_proved_itself_before():
    outages = Outages(POLICY, highest)
    outages.lost(0.0, RESET)
    outages.connected(1.0)
    outages.connected(3000.0)
    outages.lost(3001.0, RESET)

    assert (outages.attempts, outages.next_attempt(3001.0)) == (0, 3001.0)


def test_a_server_that_takes_every_connection_and_drops_it_is_left_alone_in_the_end():
    outages, now, accepted = Outages(POLICY, highest), 0.0, 0
    outages.connected(now)
    outages.lost(now, RESET)
    while (at := outages.next_attempt(now)) is not None:
        outages.connected(at)
        accepted += 1
        now = at + 0.01
        outages.lost(now, RESET)

    assert accepted == POLICY.attempts
    assert now < POLICY.total_s


# --- whatever happens -----------------------------------------------------------------------------------------------

seconds = st.floats(0, 100, allow_nan=False)
policies = st.builds(
    Reconnect,
    attempts=st.integers(1, 12),
    total_s=st.floats(0, 120),
    first_delay_s=st.floats(0, 20),
    max_delay_s=st.floats(0, 20),
    stable_s=st.floats(0, 20),
)
errors = st.one_of(
    st.just(RESET),
    st.builds(busy, st.none() | seconds),
    st.builds(lambda wait: ProxyRefused("busy", status=429, retry_after_s=wait), seconds),
)
steps = st.lists(st.tuples(st.sampled_from(["fails", "drops"]), seconds, errors), max_size=40)


@attrs.define
class Try:
    """One attempt: when it was decided, when it was made, and what the last error had told."""

    decided_at: float
    at: float
    number: int
    told_s: float
    outage_ends_at: float


def told_s(error):
    return getattr(error, "retry_after_s", None) or 0.0


def play(policy, dice, first, script):
    """Live through attempts that fail or drop as the script says; give each outage's attempts."""
    outages, now, error = Outages(policy, dice), 5.0, first
    outages.connected(0.0)
    outages.lost(now, error)
    runs = [[]]
    for kind, lasts_s, following in script:
        before = outages.attempts
        at = outages.next_attempt(now)
        if at is None:
            break
        runs[-1].append(Try(now, at, before + 1, told_s(error), outages.ends_at))
        now, error = at, following
        if kind == "drops":
            outages.connected(now)
        now += lasts_s
        outages.lost(now, error)
        if outages.attempts == 0:
            runs.append([])
    return runs


@given(policies, st.randoms(use_true_random=False), errors, steps)
def test_every_outage_keeps_to_its_policy(policy, chance, first, script):
    for run in play(policy, chance.random, first, script):
        assert [each.number for each in run] == list(range(1, len(run) + 1)), "every attempt counts"
        assert len(run) <= policy.attempts
        for each in run:
            bound = min(policy.max_delay_s, policy.first_delay_s * 2.0 ** max(each.number - 2, 0))
            bound = 0 if each.number == 1 and not each.told_s else bound
            assert each.at <= each.outage_ends_at
            assert each.at >= each.decided_at + each.told_s
            assert each.at <= each.decided_at + each.told_s + bound + 1e-9
        assert len({each.outage_ends_at for each in run}) <= 1, "no time is given anew"
        assert [each.at for each in run] == sorted(each.at for each in run)


@given(policies, st.integers(), errors, steps)
def test_the_same_dice_give_the_same_times(policy, seed, first, script):
    assert play(policy, random.Random(seed).random, first, script) == play(
        policy, random.Random(seed).random, first, script
    )


@given(policies, st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_a_higher_number_never_means_a_shorter_first_wait(policy, low, high):
    low, high = sorted((low, high))
    drawn = [waits(Outages(policy, lambda number=number: number))[1:2] for number in (low, high)]
    assert drawn[0] <= drawn[1] or not drawn[1]


@given(policies, errors, steps)
def test_there_is_an_error_to_end_with_exactly_when_something_was_lost(policy, first, script):
    outages = Outages(policy, lambda: 0.5)
    outages.connected(0.0)
    assert outages.verdict(0.0) is None
    known = [first, *(error for _, _, error in script)]
    now = 0.0
    for error in known:
        outages.lost(now, error)
        assert any(outages.verdict(now) is each for each in known)
        now += 1.0

"""What a decision costs does not grow with the sessions that are active: calls are counted, not time."""

import sys

import pytest

from engine.farm.plan.model import Caps
from tests.farm.policy.modelled import EVER, policy, result

NAMES = [f"scenario-{number}" for number in range(20)]


def full(sessions):
    """A policy with so many active sessions, under every kind of cap."""
    made = policy(
        dict.fromkeys(NAMES),
        caps=Caps(sessions=sessions, starts_per_s=1000.0, tokens_per_min=1e12, budget_tokens=10**15, budget_usd=1e9),
        expected_tokens=dict.fromkeys(NAMES, 900.0),
        expected_usd=dict.fromkeys(NAMES, 0.01),
    )
    now, active = 0.0, 0
    while active < sessions:
        now += 0.5
        active += len(made.admit(now, EVER))
    return made, now


def calls_of(work):
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def replace(made, now, count=50):
    for number in range(count):
        ended = result(NAMES[number % 20], job=number, tokens=900, cost_usd=0.01, life_s=30.0)
        made.ended(ended, number, now + 1.0)
    assert len(made.admit(now + 1.0, EVER)) == count
    made.look_again_at(now + 1.0)
    made.pace_per_s(now + 1.0)


@pytest.mark.parametrize("sessions", [1_000, 30_000])
def test_an_end_and_its_replacement_take_as_many_calls_with_many_sessions_as_with_few(sessions):
    few, many = full(200), full(sessions)

    assert calls_of(lambda: replace(*many)) <= 1.1 * calls_of(lambda: replace(*few))


def test_a_look_that_lets_nothing_start_takes_a_handful_of_calls():
    made, now = full(1_000)

    assert calls_of(lambda: made.admit(now + 1.0, EVER)) < 40

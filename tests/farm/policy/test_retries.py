"""Which ends are tried again, and after how long."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.farm.job import ErrorKind
from engine.farm.plan.model import Retries
from engine.farm.policy.retries import ERRORS, RETRY_AFTER_MAX_S, retry_wait_s, rule_for
from tests.farm.policy.modelled import broken, result

RETRIES = Retries(attempts=4, wait_s=1.0, wait_max_s=60.0)


def test_every_kind_of_error_has_its_rule():
    assert set(ERRORS) == set(get_args(ErrorKind))


@pytest.mark.parametrize("kind", ["connection", "rate_limited", "quota", "service", "deadline", "worker"])
def test_what_may_pass_is_tried_again(kind):
    assert retry_wait_s(broken(kind), RETRIES) is not None


@pytest.mark.parametrize("kind", ["refused", "caller", "tool", "crash"])
def test_what_will_not_pass_is_not_tried_again(kind):
    assert retry_wait_s(broken(kind), RETRIES) is None


@pytest.mark.parametrize("status", ["passed", "failed"])
def test_a_session_that_ran_to_its_end_is_final(status):
    assert retry_wait_s(result(status=status), RETRIES) is None


def test_a_session_that_went_with_its_worker_is_tried_again():
    assert retry_wait_s(result(status="lost"), RETRIES) is not None
    assert retry_wait_s(result(status="lost", attempt=4), RETRIES) is None


def test_a_stopped_session_is_never_final_and_waits_for_nothing():
    assert retry_wait_s(result(status="stopped", attempt=99), RETRIES) == 0.0


def test_an_error_without_a_kind_is_the_services():
    assert rule_for(result(status="error")) is ERRORS["service"]


def test_stopped_attempts_need_not_count_as_tries():
    late = broken("connection", attempt=9)

    assert retry_wait_s(late, RETRIES) is None
    assert retry_wait_s(late, RETRIES, tries=2) is not None


def test_the_services_wish_is_heard_and_bounded():
    assert retry_wait_s(broken("rate_limited", retry_after_s=90.0), RETRIES) == 90.0
    assert retry_wait_s(broken("rate_limited", retry_after_s=1e9), RETRIES) == RETRY_AFTER_MAX_S
    assert 0 < retry_wait_s(broken("rate_limited", retry_after_s=-5.0), RETRIES) <= 1.0


@given(
    attempt=st.integers(1, 99),
    job=st.integers(0, 2**40),
    waits_s=st.tuples(st.floats(0.0, 3600.0), st.floats(0.0, 3600.0)).map(sorted),
)
def test_the_wait_doubles_up_to_its_bound_and_half_of_it_is_drawn(attempt, job, waits_s):
    wait_s, wait_max_s = waits_s
    retries = Retries(attempts=100, wait_s=wait_s, wait_max_s=wait_max_s)
    end = broken("connection", job=job, attempt=attempt)
    whole = min(wait_s * 2 ** min(attempt - 1, 64), wait_max_s)

    waited = retry_wait_s(end, retries)

    assert whole / 2 <= waited <= whole
    assert retry_wait_s(end, retries) == waited


def test_jobs_that_broke_together_come_back_spread_out():
    waits = [retry_wait_s(broken("connection", job=job), RETRIES) for job in range(1000)]

    for tenth in range(10):
        low = 0.5 + tenth * 0.05
        assert 60 <= sum(low <= wait < low + 0.05 for wait in waits) <= 140

"""Error codes: which are fatal, which benign, and the exceptions made of them."""

import pytest

from engine.errors import BidiModelTimeoutError
from engine.protocol.server_errors import (
    BENIGN,
    EXPIRY_WORDS,
    FATAL,
    PASSING,
    PASSING_TYPES,
    RESPONSE_ACTIVE,
    SESSION_EXPIRED,
    expired,
    reported,
)
from engine.wire.response import ErrorDetails


def test_no_code_means_two_things():
    assert not BENIGN & FATAL
    assert not {RESPONSE_ACTIVE, SESSION_EXPIRED} & (BENIGN | FATAL)
    assert not (PASSING | PASSING_TYPES) & (BENIGN | FATAL)
    assert SESSION_EXPIRED in PASSING, "a session whose time is over is followed by another"


@pytest.mark.parametrize("code", sorted(FATAL))
def test_a_fatal_code_says_so(code):
    assert reported(ErrorDetails(code=code)).fatal


@pytest.mark.parametrize("code", [*sorted(BENIGN), RESPONSE_ACTIVE, "rate_limit_exceeded", "server_error", None])
def test_other_codes_do_not(code):
    assert not reported(ErrorDetails(code=code)).fatal


def test_all_that_the_service_said_is_kept():
    details = ErrorDetails(message="no", type="invalid_request_error", code="bad", param="x.y", event_id="client_1")
    error = reported(details)

    assert (error.message, error.code, error.error_type) == ("no", "bad", "invalid_request_error")
    assert (error.param, error.client_event_id) == ("x.y", "client_1")
    assert str(error) == "bad: no"


def test_an_error_that_says_nothing_is_one_all_the_same():
    error = reported(ErrorDetails())

    assert (error.message, error.code, error.param) == ("", None, None)


def test_an_expiry_keeps_its_cause():
    cause = OSError("closed")
    error = expired(f"Your session hit the {EXPIRY_WORDS} of 60 minutes.", cause)

    assert isinstance(error, BidiModelTimeoutError)
    assert error.__cause__ is cause

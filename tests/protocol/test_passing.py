"""Which errors pass: every kind that a connection can fail with, and what its fields change."""

import pytest

from engine.errors import (
    AlreadyStarted,
    BidiModelTimeoutError,
    CertificateRefused,
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    DeviceLost,
    EngineError,
    HandshakeRejected,
    LimitExceeded,
    LocalMisuse,
    NotStarted,
    ProxyRefused,
    RecordingFailed,
    RemoteViolation,
    ServerReported,
    SessionEnded,
    UnsupportedContent,
)
from engine.protocol.passing import is_passing
from engine.protocol.server_errors import EXPIRY_WORDS, FATAL, PASSING, PASSING_TYPES, expired, reported
from engine.wire.response import ErrorDetails

QUOTA = '{"error": {"message": "You exceeded your quota", "type": "x", "code": "insufficient_quota"}}'


def closed(code, reason=None):
    return ConnectionLost("the connection ended", code=code, reason=reason)


def refused_tunnel(status, reason=None):
    return ProxyRefused("the proxy refused", status=status, reason=reason)


@pytest.mark.parametrize("code", [None, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015, 3008])
def test_a_connection_that_was_not_ended_on_purpose_is_made_again(code):
    assert is_passing(closed(code))


@pytest.mark.parametrize("code", [1000, 1002, 1003, 1004, 1007, 1008, 1009, 1010, 3000, 3003, 4000, 4001, 4999])
def test_a_close_that_would_come_again_ends_it(code):
    assert not is_passing(closed(code))


def test_a_session_whose_time_is_over_is_followed_by_another():
    words = f"Your session hit the {EXPIRY_WORDS} of 60 minutes."

    assert is_passing(closed(1001, words))
    assert is_passing(expired(words, closed(1001, words)))
    assert is_passing(ServerReported(words, code="session_expired", error_type="invalid_request_error"))


@pytest.mark.parametrize("make", [HandshakeRejected, refused_tunnel], ids=["server", "proxy"])
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507, 511, 529, 599])
def test_a_refusal_of_the_moment_passes(make, status):
    assert is_passing(make(status, "busy"))


@pytest.mark.parametrize("make", [HandshakeRejected, refused_tunnel], ids=["server", "proxy"])
@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 407, 410, 426, 451, 501, 505, 600])
def test_a_refusal_on_its_merits_does_not(make, status):
    assert not is_passing(make(status, "no"))


@pytest.mark.parametrize("make", [HandshakeRejected, refused_tunnel], ids=["server", "proxy"])
def test_an_empty_account_is_no_matter_of_the_rate(make):
    assert not is_passing(make(429, QUOTA))
    assert is_passing(make(429, QUOTA.replace("insufficient_quota", "rate_limit_exceeded")))


@pytest.mark.parametrize("code", sorted(FATAL))
def test_a_close_that_names_a_fatal_error_is_fatal_whatever_its_code(code):
    assert not is_passing(closed(1011, f"invalid_request_error.{code}"))


@pytest.mark.parametrize("words", ["no_insufficient_quota", "insufficient_quota_soon", "insufficient quota"])
def test_only_a_whole_word_names_a_fatal_error(words):
    assert is_passing(closed(1011, words))


def test_who_can_not_show_who_they_are_is_not_asked_again():
    assert not is_passing(CertificateRefused("TLS failed", reason="certificate has expired"))


@pytest.mark.parametrize("deadline", ["connect", "session_created", "ping"])
def test_another_server_may_be_faster(deadline):
    assert is_passing(DeadlinePassed(deadline, 10.0))


@pytest.mark.parametrize("deadline", ["response_request", "tool", "idle", "close"])
def test_a_wait_that_has_nothing_to_do_with_the_connection_does_not_pass(deadline):
    assert not is_passing(DeadlinePassed(deadline, 10.0))


def test_after_a_lifetime_comes_another_session():
    assert is_passing(BidiModelTimeoutError("timeout_s=3000 has passed"))


@pytest.mark.parametrize("code", sorted(PASSING))
def test_an_error_of_the_services_moment_passes(code):
    assert is_passing(reported(ErrorDetails(code=code)))


@pytest.mark.parametrize("kind", sorted(PASSING_TYPES))
def test_a_fault_of_the_services_passes_unless_its_code_is_fatal(kind):
    assert is_passing(reported(ErrorDetails(type=kind)))
    assert is_passing(reported(ErrorDetails(type=kind, code="no_such_code")))
    assert not is_passing(reported(ErrorDetails(type=kind, code="insufficient_quota")))


@pytest.mark.parametrize("code", [*sorted(FATAL), "invalid_value", "unknown_parameter", "cannot_update_voice", None])
def test_an_error_about_what_we_asked_for_does_not(code):
    assert not is_passing(reported(ErrorDetails(code=code, type="invalid_request_error")))


OURS = [
    EngineError("?"),
    ConfigError("engine.x", 1, "2"),
    LocalMisuse("no"),
    AlreadyStarted("no"),
    NotStarted("no"),
    SessionEnded("error"),
    UnsupportedContent("no"),
    RemoteViolation("invalid_json", "x"),
    DeviceLost("microphone", "is gone"),
    RecordingFailed("x", "full"),
    LimitExceeded("X_MAX_BYTES", 1, 2, "less"),
]


@pytest.mark.parametrize("error", OURS, ids=lambda error: type(error).__name__)
def test_settings_misuse_and_bounds_are_the_same_at_the_next_try(error):
    assert not is_passing(error)

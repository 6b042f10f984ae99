"""The tree of errors: what is caught by what, the fields that a program acts on, and messages that say the way out."""

import re

import pytest

from engine import errors
from engine.errors import (
    AlreadyStarted,
    BidiModelTimeoutError,
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    EngineError,
    HandshakeRejected,
    LimitExceeded,
    LocalMisuse,
    NotStarted,
    RemoteViolation,
    ServerReported,
    SessionEnded,
    UnsupportedContent,
)

CLASSES = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, EngineError)]


@pytest.mark.parametrize(
    ("error", "parents"),
    [
        (ConfigError, {EngineError, ValueError}),
        (LocalMisuse, {EngineError}),
        (AlreadyStarted, {LocalMisuse, RuntimeError}),
        (NotStarted, {LocalMisuse, RuntimeError}),
        (SessionEnded, {LocalMisuse, RuntimeError}),
        (UnsupportedContent, {LocalMisuse, ValueError}),
        (RemoteViolation, {EngineError}),
        (ServerReported, {EngineError}),
        (ConnectionLost, {EngineError}),
        (HandshakeRejected, {ConnectionLost}),
        (DeadlinePassed, {EngineError}),
        (BidiModelTimeoutError, {DeadlinePassed}),
        (LimitExceeded, {EngineError}),
    ],
)
def test_the_tree_is_the_contracts(error, parents):
    assert set(error.__bases__) == parents


def test_the_tree_drawn_at_the_top_is_the_tree():
    drawing = (errors.__doc__ or "").split("```")[1]
    drawn = [re.findall(r"\w+", line)[0] for line in drawing.strip().splitlines()]

    assert sorted(drawn) == sorted(cls.__name__ for cls in CLASSES)


def test_a_config_error_names_field_value_and_what_is_allowed():
    error = ConfigError("audio.input_rate", 16000, "24000")

    assert str(error) == "audio.input_rate=16000 is not possible; allowed: 24000"
    assert (error.field, error.value, error.allowed) == ("audio.input_rate", 16000, "24000")
    assert str(ConfigError("x", 1, "2", message="in other words")) == "in other words"


def test_the_end_of_a_session_says_why_and_the_way_out():
    error = SessionEnded("timeout")

    assert str(error) == "the session is over (timeout) | start a new one before sending"
    assert error.reason == "timeout"


def test_a_violation_says_where():
    bare = RemoteViolation("invalid_json", "unexpected end")
    placed = RemoteViolation("invalid_field", "expected text", event_type="error", field="error.code")

    assert str(bare) == "invalid_json: unexpected end"
    assert str(placed) == "invalid_field in error: expected text"
    assert (bare.event_type, bare.field) == (None, None)
    assert (placed.problem, placed.event_type, placed.field) == ("invalid_field", "error", "error.code")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"code": "bad", "error_type": "invalid_request_error"}, "bad: no"),
        ({"error_type": "server_error"}, "server_error: no"),
        ({}, "error: no"),
    ],
)
def test_what_the_server_reported_is_named_by_code_or_else_by_type(fields, text):
    error = ServerReported("no", **fields)

    assert str(error) == text
    assert error.message == "no"
    assert error.fatal is False


def test_a_lost_connection_carries_the_close_frame():
    error = ConnectionLost("gone", code=1011, reason="server error")

    assert (str(error), error.code, error.reason) == ("gone", 1011, "server error")
    assert (ConnectionLost("gone").code, ConnectionLost("gone").reason) == (None, None)


def test_a_rejected_handshake_carries_status_and_body():
    error = HandshakeRejected(401, "no key")

    assert (error.status, error.body, error.reason, error.code) == (401, "no key", "no key", None)
    assert "401" in str(error)
    assert HandshakeRejected(404, "").reason is None


def test_a_deadline_names_itself_and_its_length():
    error = DeadlinePassed("connect", 15.0)

    assert str(error) == "deadline 'connect' of 15 s has passed"
    assert (error.deadline, error.limit_s) == ("connect", 15.0)


def test_the_lifetimes_end_carries_what_the_next_start_needs():
    error = BidiModelTimeoutError("time is over", system_prompt="Be brief.")

    assert str(error) == "time is over"
    assert error.restart_config == {"system_prompt": "Be brief."}
    assert error.deadline == "lifetime"


def test_a_passed_limit_names_bound_value_and_way_out():
    error = LimitExceeded("inbox_max_bytes", 100, 150, "read faster")

    assert str(error) == "inbox_max_bytes: 150 is over the bound of 100; read faster"
    assert (error.limit, error.bound, error.value) == ("inbox_max_bytes", 100, 150)

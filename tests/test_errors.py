"""The tree of errors: what is caught by what, the fields that a program acts on, and messages that say the way out."""

import copy
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import errors
from engine.errors import (
    AlreadyStarted,
    BackendUnavailable,
    BidiModelTimeoutError,
    CertificateRefused,
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    DeviceLost,
    EngineError,
    FarmError,
    HandshakeRejected,
    LedgerUnusable,
    LimitExceeded,
    LocalMisuse,
    NotStarted,
    ProxyRefused,
    RecordingFailed,
    RemoteViolation,
    ServerReported,
    SessionEnded,
    TargetLost,
    UnsupportedContent,
    shown_url,
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
        (CertificateRefused, {ConnectionLost}),
        (HandshakeRejected, {ConnectionLost}),
        (ProxyRefused, {ConnectionLost}),
        (DeviceLost, {EngineError}),
        (RecordingFailed, {EngineError}),
        (DeadlinePassed, {EngineError}),
        (BidiModelTimeoutError, {DeadlinePassed}),
        (LimitExceeded, {EngineError}),
        (FarmError, {EngineError}),
        (LedgerUnusable, {FarmError}),
        (TargetLost, {FarmError}),
        (BackendUnavailable, {FarmError}),
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
    assert error.retry_after_s is None


def test_a_wait_that_was_told_is_in_the_words_and_in_a_field():
    rejected = HandshakeRejected(503, "busy", 12.0)
    refused = ProxyRefused("the proxy refused a tunnel", status=429, reason="slowly", retry_after_s=0.5)

    assert (str(rejected), rejected.retry_after_s) == (
        "the server refused the WebSocket upgrade with HTTP status 503 | try again in 12 s",
        12.0,
    )
    assert str(refused) == "the proxy refused a tunnel | try again in 0.5 s"
    assert (refused.status, refused.reason, refused.retry_after_s, refused.code) == (429, "slowly", 0.5, None)


def test_a_proxy_that_refuses_without_more_words():
    refused = ProxyRefused("no", status=403)

    assert (str(refused), refused.reason, refused.retry_after_s) == ("no", None, None)


def test_a_lost_device_is_named_with_what_was_seen():
    error = DeviceLost("USB microphone", "has stopped")

    assert str(error) == "the sound device 'USB microphone' has stopped | plug it in again, or choose another one"
    assert (error.device, error.reason) == ("USB microphone", "has stopped")


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


def test_the_lifetimes_length_can_be_told_beside_the_contracts_arguments():
    error = BidiModelTimeoutError("time is over")
    assert error.limit_s == 0.0

    error.limit_s = 60.0
    assert (error.limit_s, error.restart_config) == (60.0, {})


# --- across processes ---------------------------------------------------------------------------------------------

MADE = [
    EngineError("in words"),
    ConfigError("audio.input_rate", 16000, "24000"),
    ConfigError("x", 1, "2", message="in other words"),
    LocalMisuse("not now"),
    AlreadyStarted("once"),
    NotStarted("not yet"),
    SessionEnded("timeout"),
    UnsupportedContent("no images"),
    RemoteViolation("invalid_field", "expected text", event_type="error", field="error.code"),
    ServerReported("no", code="bad", error_type="invalid_request_error", param="x", client_event_id="e", fatal=True),
    ConnectionLost("gone", code=1011, reason="server error"),
    CertificateRefused("TLS failed", reason="certificate has expired"),
    HandshakeRejected(401, "no key"),
    HandshakeRejected(503, "busy", 12.0),
    ProxyRefused("no tunnel", status=407, reason="no password", retry_after_s=1.0),
    DeviceLost("USB microphone", "has stopped"),
    RecordingFailed("call.jsonl", "No space left on device"),
    DeadlinePassed("connect", 15.0),
    BidiModelTimeoutError("time is over", system_prompt="Be brief.", tools=[{"name": "add"}]),
    LimitExceeded("inbox_max_bytes", 100, 150, "read faster"),
    FarmError("report.html can't be written: No space left on device | make room"),
    LedgerUnusable("run/ledger.sqlite", "another run holds it", "wait for its end"),
    TargetLost("the simulator died"),
    BackendUnavailable("Ray is not installed | pip install 'realtime-engine[ray]'"),
]


def subclasses(cls):
    return {cls}.union(*map(subclasses, cls.__subclasses__()))


def of_the_tree(cls):
    """Leave out those of integrations, made as another package's are, and a room's own that nobody catches by name."""
    return cls.__module__ == "engine.errors" or not cls.__module__.startswith(
        ("engine.integrations.", "engine.cli.", "engine.farm.processes.", "test")
    )


def test_one_of_each_class_of_the_tree_is_made_here():
    assert {type(error) for error in MADE} == set(CLASSES) == set(filter(of_the_tree, subclasses(EngineError)))


@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_that_is_pickled_or_copied_stays_as_it_is(error, again):
    error.add_note("seen in passing")
    other = again(error)

    assert other is not error
    assert type(other) is type(error)
    assert (str(other), other.args, vars(other)) == (str(error), error.args, vars(error))


def test_a_deep_copy_shares_nothing():
    error = BidiModelTimeoutError("over", messages=[])
    copy.deepcopy(error).restart_config["messages"].append("new")

    assert error.restart_config == {"messages": []}


# --- addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://host:8443/v1", "wss://host:8443/v1"),
        ("wss://host/v1?key=SECRET", "wss://host/v1"),
        ("wss://host/v1#SECRET", "wss://host/v1"),
        ("wss://user:SECRET@host/v1?key=SECRET", "wss://(not shown)@host/v1"),
        ("wss://SECRET@host", "wss://(not shown)@host"),
        ("wss://user:SEC@RET@host", "wss://(not shown)@host"),
        ("wss://user:1/SECRET@host/v1", "wss://(not shown)@host/v1"),
        ("wss://user:SEC?RET@host/v1", "wss://(not shown)"),
        ("wss://user:SEC#RET@host/v1", "wss://(not shown)"),
        ("user:SECRET@host/v1", "(not shown)@host/v1"),
        ("user:SECRET@host?next=wss://", "(not shown)@host"),
        ("host", "host"),
        ("", ""),
        (b"wss://user:SECRET@host", "(bytes)"),
        (["SECRET"], "(list)"),
        (None, "(NoneType)"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url, shown):
    assert shown_url(url) == shown


@given(st.text(), st.text("@?#/:. é", max_size=5), st.sampled_from(["", "ws://", "wss://", "ftp://"]))
def test_no_password_of_any_address_is_shown(rest, before, scheme):
    assert "SECRET" not in shown_url(f"{scheme}{before}SECRET{before}@{rest}")

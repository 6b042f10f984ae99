"""The contract's events: exactly its keys, readable as dictionaries, frozen, with identity beside them."""

import copy
import json
import pickle

import attrs
import pytest

from engine.errors import (
    BidiModelTimeoutError,
    ConnectionLost,
    DeadlinePassed,
    EngineError,
    LimitExceeded,
    RemoteViolation,
    ServerReported,
    UnsupportedContent,
)
from engine.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiConnectionWarningEvent,
    BidiErrorEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    BidiUsageEvent,
    McpApprovalRequestEvent,
    McpCallEvent,
    McpToolsEvent,
    SessionInput,
    TextSoFar,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.events.view import DictView

TIMEOUT = BidiModelTimeoutError("over")
USE = {"toolUseId": "call_1", "name": "add", "input": {"a": 1}}
RESULT = {"toolUseId": "call_1", "status": "success", "content": [{"text": "7"}]}

INPUTS = [
    (BidiTextInputEvent("hi"), {"type": "bidi_text_input", "text": "hi", "role": "user"}),
    (BidiTextInputEvent("hi", role="assistant"), {"type": "bidi_text_input", "text": "hi", "role": "assistant"}),
    (
        BidiAudioInputEvent(audio="AAAA", format="pcm", sample_rate=16000, channels=1),
        {"type": "bidi_audio_input", "audio": "AAAA", "format": "pcm", "sample_rate": 16000, "channels": 1},
    ),
    (
        BidiImageInputEvent(image="iVBO", mime_type="image/png"),
        {"type": "bidi_image_input", "image": "iVBO", "mime_type": "image/png"},
    ),
    (ToolResultEvent(RESULT, exception=ValueError("x")), {"type": "tool_result", "tool_result": RESULT}),
]
OUTPUTS = [
    (
        BidiConnectionStartEvent(connection_id="c", model="m"),
        {"type": "bidi_connection_start", "connection_id": "c", "model": "m"},
    ),
    (
        BidiConnectionWarningEvent(reason="renewal", due_s=60.0),
        {"type": "bidi_connection_warning", "reason": "renewal", "due_s": 60.0, "error": None},
    ),
    (
        BidiConnectionWarningEvent(reason="connection_lost", due_s=30.0, error=ConnectionLost("reset", code=1006)),
        {
            "type": "bidi_connection_warning",
            "reason": "connection_lost",
            "due_s": 30.0,
            "error": str(ConnectionLost("reset", code=1006)),
        },
    ),
    (
        BidiConnectionRestartEvent(timeout_error=TIMEOUT),
        {"type": "bidi_connection_restart", "timeout_error": TIMEOUT},
    ),
    (
        BidiConnectionRestartEvent(
            timeout_error=TIMEOUT,
            reason="connection_lost",
            gap_ms=120.5,
            replayed_items=7,
            left_out_items=2,
            dropped_audio_ms=40.0,
            asked_again=True,
            attempts=3,
        ),
        {"type": "bidi_connection_restart", "timeout_error": TIMEOUT},
    ),
    (BidiResponseStartEvent(response_id="r"), {"type": "bidi_response_start", "response_id": "r"}),
    (
        BidiAudioStreamEvent(audio="AAAA", format="pcm", sample_rate=24000, channels=1),
        {"type": "bidi_audio_stream", "audio": "AAAA", "format": "pcm", "sample_rate": 24000, "channels": 1},
    ),
    (
        BidiTranscriptStreamEvent(
            delta={"text": "lo"}, text="lo", role="assistant", is_final=False, current_transcript="Hello"
        ),
        {
            "type": "bidi_transcript_stream",
            "delta": {"text": "lo"},
            "text": "lo",
            "role": "assistant",
            "is_final": False,
            "current_transcript": "Hello",
        },
    ),
    (BidiInterruptionEvent(reason="user_speech"), {"type": "bidi_interruption", "reason": "user_speech"}),
    (
        BidiResponseCompleteEvent(response_id="r", stop_reason="tool_use", details={"status": "completed"}),
        {"type": "bidi_response_complete", "response_id": "r", "stop_reason": "tool_use"},
    ),
    (
        BidiUsageEvent(
            input_tokens=1,
            output_tokens=2,
            total_tokens=3,
            modality_details=[{"modality": "text", "input_tokens": 1, "output_tokens": 2}],
            cache_read_input_tokens=4,
            cache_write_input_tokens=5,
        ),
        {
            "type": "bidi_usage",
            "inputTokens": 1,
            "outputTokens": 2,
            "totalTokens": 3,
            "modality_details": [{"modality": "text", "input_tokens": 1, "output_tokens": 2}],
            "cacheReadInputTokens": 4,
            "cacheWriteInputTokens": 5,
        },
    ),
    (
        BidiUsageEvent(1, 2, 3),
        {"type": "bidi_usage", "inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
    ),
    (
        ToolUseStreamEvent(delta={"toolUse": USE}, current_tool_use=USE),
        {"type": "tool_use_stream", "delta": {"toolUse": USE}, "current_tool_use": USE},
    ),
    (
        BidiConnectionCloseEvent(connection_id="c", reason="client_disconnect"),
        {"type": "bidi_connection_close", "connection_id": "c", "reason": "client_disconnect"},
    ),
    (
        BidiErrorEvent(error=ServerReported("no", code="bad"), details={"param": "x"}),
        {"type": "bidi_error", "message": "no", "code": "bad", "details": {"param": "x"}},
    ),
    (
        McpToolsEvent(server_label="docs", tools=({"name": "search"},), status="ready"),
        {"type": "mcp_tools", "server_label": "docs", "tools": [{"name": "search"}], "status": "ready"},
    ),
    (
        McpCallEvent(call_id="m", server_label="docs", name="search", arguments="{}", status="completed", output="x"),
        {
            "type": "mcp_call",
            "call_id": "m",
            "server_label": "docs",
            "name": "search",
            "arguments": "{}",
            "status": "completed",
            "output": "x",
            "error": None,
        },
    ),
    (
        McpApprovalRequestEvent(request_id="m", server_label="docs", name="search", arguments="{}"),
        {
            "type": "mcp_approval_request",
            "request_id": "m",
            "server_label": "docs",
            "name": "search",
            "arguments": "{}",
        },
    ),
]
ALL = INPUTS + OUTPUTS
each = pytest.mark.parametrize(("event", "form"), ALL, ids=[type(event).__name__ for event, _ in ALL])
each_output = pytest.mark.parametrize("event", [event for event, _ in OUTPUTS], ids=lambda event: type(event).__name__)


def test_every_event_of_the_contract_is_here():
    listed = {type(event) for event, _ in OUTPUTS}, {type(event) for event, _ in INPUTS}

    assert listed == (set(BidiOutputEvent.__args__), set(SessionInput.__args__))


@each
def test_the_json_form_is_exactly_the_contracts(event, form):
    assert event.as_dict() == form
    assert list(event.as_dict()) == list(form)


@each
def test_an_event_reads_like_a_dictionary(event, form):
    assert dict(event) == {**event} == form
    assert list(event) == list(event.keys()) == list(form)
    assert list(event.items()) == list(form.items())
    assert list(event.values()) == list(form.values())
    assert len(event) == len(form)
    assert all(key in event and event[key] == event.get(key) == value for key, value in form.items())
    assert "no such key" not in event
    assert event.get("no such key") is None
    assert event.get("no such key", 7) == 7
    with pytest.raises(KeyError):
        event["no such key"]


@each
def test_an_event_is_frozen(event, form):
    for name in (field.name for field in attrs.fields(type(event))):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(event, name, None)


@each
def test_the_json_form_is_json(event, form):
    if not isinstance(event, BidiConnectionRestartEvent):
        assert json.loads(json.dumps(event.as_dict())) == form


@each_output
def test_identity_is_on_attributes_only_and_never_required(event):
    identity = {"item_id": "i", "content_index": 1, "event_id": "e", "received_at": 2.5}
    identified = attrs.evolve(event, **identity)

    assert {name: getattr(identified, name) for name in identity} == identity
    assert all(getattr(event, name) is None for name in identity)
    assert identified.as_dict() == event.as_dict()
    assert identified == event
    assert hasattr(event, "response_id")


def test_a_connection_made_anew_was_renewed_unless_it_says_otherwise():
    event = BidiConnectionRestartEvent(TIMEOUT)

    assert (event.reason, event.attempts, event.asked_again) == ("renewal", 1, False)
    assert (event.gap_ms, event.dropped_audio_ms, event.replayed_items, event.left_out_items) == (0, 0, 0, 0)


def test_errors_of_a_connection_do_not_tell_two_events_apart():
    """Errors of the same words are different objects."""
    lost = [ConnectionLost("reset", code=1006) for _ in range(2)]
    warned = [BidiConnectionWarningEvent("connection_lost", 30.0, error) for error in lost]

    assert warned[0] == warned[1]
    assert [event.error for event in warned] == lost
    assert BidiConnectionRestartEvent(lost[0]) == BidiConnectionRestartEvent(lost[1])


def test_audio_of_a_microphone_is_wrapped():
    event = BidiAudioInputEvent.from_pcm(b"\x01\x00\x02\x00", sample_rate=16000, channels=2)

    assert event == BidiAudioInputEvent("AQACAA==", "pcm", 16000, 2)
    assert BidiAudioInputEvent.from_pcm(b"").sample_rate == 24000


def test_audio_of_the_model_gives_its_bytes():
    assert BidiAudioStreamEvent("AQACAA==", "pcm", 24000, 1).pcm == b"\x01\x00\x02\x00"


@pytest.mark.parametrize("audio", ["A", "no base64!", "é"])
def test_audio_of_the_model_that_is_no_base64_is_the_peers_fault(audio):
    with pytest.raises(RemoteViolation) as raised:
        _ = BidiAudioStreamEvent(audio, "pcm", 24000, 1).pcm

    error = raised.value
    assert (error.problem, error.event_type, error.field) == ("invalid_field", "response.output_audio.delta", "delta")
    assert isinstance(error.__cause__, ValueError)


SECRET_USE = {"toolUseId": "call_1", "name": "pay", "input": {"card": "SECRET"}}
SECRET_RESULT = {"toolUseId": "call_1", "status": "error", "content": [{"text": "SECRET"}]}


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (BidiTextInputEvent("SECRET"), "role='user'"),
        (BidiTranscriptStreamEvent({"text": "SECRET"}, "SECRET", "user", True, "SECRET"), "is_final=True"),
        (ToolUseStreamEvent({"toolUse": SECRET_USE}, SECRET_USE), "{'toolUseId': 'call_1', 'name': 'pay'}"),
        (
            ToolResultEvent(SECRET_RESULT, ValueError("SECRET")),
            "tool_result={'toolUseId': 'call_1', 'status': 'error'}, exception=ValueError)",
        ),
        (ToolResultEvent(["SECRET"]), "tool_result=(list), exception=None"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_words_arguments_and_results_do_not_show_in_repr(event, shown):
    assert "SECRET" not in repr(event)
    assert shown in repr(event)


@pytest.mark.parametrize("again", [lambda event: pickle.loads(pickle.dumps(event)), copy.deepcopy])
def test_an_error_event_can_be_pickled_and_copied(again):
    event = again(BidiErrorEvent(LimitExceeded("inbox_max_bytes", 100, 150, "read faster")))

    assert (event.code, event.error.bound) == ("LimitExceeded", 100)


@pytest.mark.parametrize("result", [{}, {"toolUseId": None}, {"toolUseId": ""}, 7])
def test_a_tool_result_must_name_its_call_in_text(result):
    with pytest.raises(UnsupportedContent, match="toolUseId"):
        _ = ToolResultEvent(result).tool_use_id


@pytest.mark.parametrize(
    "event",
    [
        BidiAudioStreamEvent("U1BFRUNI", "pcm", 24000, 1),
        BidiAudioInputEvent("U1BFRUNI", "pcm", 24000, 1),
        BidiImageInputEvent("U1BFRUNI", "image/png"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_speech_and_pictures_do_not_show_in_repr(event):
    assert "U1BFRUNI" not in repr(event)


def test_a_tool_result_names_its_call():
    error = ValueError("x")
    event = ToolResultEvent(RESULT, error)

    assert event.tool_use_id == "call_1"
    assert event.exception is error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ServerReported("no", code="bad", error_type="invalid_request_error"), "bad", "no"),
        (ServerReported("no", error_type="server_error"), "ServerReported", "no"),
        (DeadlinePassed("connect", 15.0), "DeadlinePassed", "deadline 'connect' of 15 s has passed"),
        (EngineError("in words"), "EngineError", "in words"),
        (OSError("broken pipe"), "OSError", "broken pipe"),
    ],
)
def test_an_errors_code_is_the_services_or_else_the_class(error, code, message):
    event = BidiErrorEvent(error)

    assert (event.code, event.message, event.details) == (code, message, None)
    assert event.error is error


@pytest.mark.parametrize("given", [None, (), []])
def test_usage_without_modalities_has_none(given):
    event = BidiUsageEvent(1, 2, 3, modality_details=given)

    assert list(event.modality_details) == []
    assert "modality_details" not in event


def test_an_event_that_does_not_say_its_fields_is_a_bug():
    class Nameless(DictView):
        type = "nameless"

    with pytest.raises(AssertionError, match="Nameless does not say its fields"):
        Nameless().as_dict()


def test_an_utterance_stays_as_it_stood_while_its_list_goes_on_growing():
    pieces = ["Hel"]
    event = BidiTranscriptStreamEvent({"text": "Hel"}, "Hel", "assistant", False, TextSoFar(pieces))
    pieces.append("lo")

    assert event.current_transcript == event["current_transcript"] == "Hel"

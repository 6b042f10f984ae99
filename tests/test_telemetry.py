"""OpenTelemetry: which spans and figures a session gives, that all spans end, and that it can be off."""

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from engine.telemetry import SessionMeter, Telemetry, open_telemetry
from engine.telemetry.instruments import Instruments
from engine.telemetry.spans import SPANS_OPEN_MAX
from engine.wire.client import ConversationItemCreate, ResponseCreate
from engine.wire.codec import decode_server
from engine.wire.items import FunctionCallOutputItem
from engine.wire.server import ServerEvent

SECRET = "what somebody said"


def server(kind: str, **fields: object) -> ServerEvent:
    return decode_server(json.dumps({"type": kind, "event_id": "event_1", **fields}))


def created(response_id: str | None = "r1", modality: str | None = "audio") -> ServerEvent:
    modalities = [modality] if modality else None
    return server("response.created", response={"id": response_id, "output_modalities": modalities, "output": []})


def done(response_id: str | None = "r1", status: str = "completed", **fields: object) -> ServerEvent:
    return server("response.done", response={"id": response_id, "status": status, **fields})


def piece(response_id: str = "r1", kind: str = "response.output_audio.delta") -> ServerEvent:
    return server(kind, response_id=response_id, item_id="i", output_index=0, content_index=0, delta=SECRET)


def called(call_id: str | None, response_id: str = "r1") -> ServerEvent:
    item = {"type": "function_call", "call_id": call_id, "name": "weather", "arguments": f'"{SECRET}"'}
    return server("response.output_item.done", response_id=response_id, output_index=0, item=item)


def mcp_called(item_id: str | None, response_id: str = "r1", **fields: object) -> ServerEvent:
    item = {"type": "mcp_call", "id": item_id, "server_label": "docs", "name": "search", "arguments": "{}", **fields}
    return server("response.output_item.done", response_id=response_id, output_index=0, item=item)


def mcp(kind: str, item_id: str) -> ServerEvent:
    return server(f"response.mcp_call.{kind}", item_id=item_id, output_index=0)


def failed(code: str | None = None, error_type: str | None = None) -> ServerEvent:
    error = {"code": code, "type": error_type, "message": SECRET}
    return done(status="failed", status_details={"type": "failed", "error": error})


def error(code: str | None, error_type: str | None = None) -> ServerEvent:
    return server("error", error={"code": code, "type": error_type, "message": SECRET})


def result(call_id: str = "c1") -> ConversationItemCreate:
    return ConversationItemCreate(item=FunctionCallOutputItem(call_id=call_id, output=SECRET))


USAGE = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 13,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}


class Program:
    """A program that has set OpenTelemetry up, and one session in it."""

    def __init__(self, *processors: SpanProcessor) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        for processor in (SimpleSpanProcessor(self.exporter), *processors):
            self.tracers.add_span_processor(processor)
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        instruments = Instruments.of(self.meters, "1")
        tracer = self.tracers.get_tracer("test")
        self.session = Telemetry(
            trace, tracer, instruments, model="gpt-realtime", connection_id="connection_1", now=1000.0
        )

    def metered(self) -> SessionMeter:
        """A session's meter that has begun in this program."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trace, "get_tracer_provider", lambda: self.tracers)
            patch.setattr(metrics, "get_meter_provider", lambda: self.meters)
            meter = SessionMeter("gpt-realtime", "connection_1")
            meter.started(1000.0)
        return meter

    def begin(self) -> Telemetry:
        self.session.session_started(1000.0)
        self.session.link_opened(1000.5, "api.example.org", 443)
        return self.session

    def play(self, *steps: tuple[float, ServerEvent]) -> Telemetry:
        session = self.begin()
        for now, event in steps:
            session.observe(event, now)
        return session

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}

    @property
    def points(self) -> dict[str, list[SimpleNamespace]]:
        """What each metric gave: value, count and attributes of each point."""
        data = self.reader.get_metrics_data()
        found: dict[str, list[SimpleNamespace]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = [
                        SimpleNamespace(
                            value=getattr(point, "sum", getattr(point, "value", None)),
                            count=getattr(point, "count", None),
                            attributes=dict(point.attributes),
                        )
                        for point in metric.data.data_points
                    ]
        return found


@pytest.fixture
def program() -> Program:
    return Program()


def took_s(span: ReadableSpan) -> float:
    return (span.end_time - span.start_time) / 1e9


# --- spans --------------------------------------------------------------------------------------------------------


def test_a_session_is_a_tree_of_spans(program: Program):
    session = program.play((1001.0, created()), (1001.5, called("c1")), (1002.0, done()))
    session.sent(result("c1"), 1002.5)
    session.link_closed(1003.0)
    session.session_ended(1004.0, "complete")
    spans = program.spans

    root, link = spans["realtime_session gpt-realtime"], spans["realtime_link"]
    response, tool = spans["chat gpt-realtime"], spans["execute_tool weather"]
    assert root.parent is None
    assert [span.parent.span_id for span in (link, response, tool)] == [
        root.context.span_id,
        link.context.span_id,
        response.context.span_id,
    ]
    assert [took_s(span) for span in (root, link, response, tool)] == pytest.approx([4.0, 2.5, 1.0, 1.0])
    assert (link.kind, response.kind, tool.kind) == (SpanKind.CLIENT, SpanKind.CLIENT, SpanKind.INTERNAL)
    assert all(span.status.status_code is StatusCode.UNSET for span in spans.values())


def test_spans_carry_what_the_semantic_conventions_name(program: Program):
    session = program.play((1001.0, created()), (1001.5, called("c1")), (1002.0, done(usage=USAGE)))
    session.sent(result("c1"), 1002.5)
    session.session_ended(1004.0, "complete")
    spans = program.spans

    common = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-realtime"}
    assert dict(spans["chat gpt-realtime"].attributes) == {
        **common,
        "gen_ai.operation.name": "chat",
        "gen_ai.conversation.id": "connection_1",
        "gen_ai.response.id": "r1",
        "gen_ai.output.type": "speech",
        "gen_ai.usage.input_tokens": 132,
        "gen_ai.usage.output_tokens": 121,
        "gen_ai.usage.cache_read.input_tokens": 64,
        "gen_ai.response.finish_reasons": ("completed",),
    }
    assert dict(spans["execute_tool weather"].attributes) == {
        **common,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.conversation.id": "connection_1",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.tool.type": "function",
    }
    link = spans["realtime_link"].attributes
    assert (link["server.address"], link["server.port"], link["realtime.link"]) == ("api.example.org", 443, 1)
    assert spans["realtime_session gpt-realtime"].attributes["session.id"] == "connection_1"
    assert spans["realtime_session gpt-realtime"].attributes["realtime.session.end"] == "complete"


def test_times_are_those_of_the_wall(program: Program):
    program.begin().session_ended(1002.0, "complete")
    root = program.spans["realtime_session gpt-realtime"]

    assert abs(root.start_time - time.time_ns()) < 60e9, "of today, though the session's clock says 1000 s"


def test_nothing_that_anybody_said_is_in_any_span_or_metric(program: Program):
    session = program.play((1001.0, created()), (1001.2, piece()), (1001.5, called("c1")), (1001.6, error("odd")))
    session.sent(result("c1"), 1001.8)
    session.observe(failed("server_error"), 1002.0)
    session.session_ended(1003.0, "error", "ConnectionLost")

    everything = "".join(span.to_json() for span in program.exporter.get_finished_spans())
    assert len(program.spans) == 4
    assert SECRET not in everything
    assert SECRET not in program.reader.get_metrics_data().to_json()


def test_the_root_is_below_the_span_that_is_current_where_the_session_starts(program: Program):
    with program.tracers.get_tracer("application").start_as_current_span("call"):
        program.session.session_started(1000.0)
        assert trace.get_current_span().name == "call", "and the session's own is current nowhere"
    program.session.session_ended(1001.0, "complete")
    spans = program.spans

    assert spans["realtime_session gpt-realtime"].parent.span_id == spans["call"].context.span_id


def test_a_written_answer_is_told_as_text_and_one_of_unknown_kind_as_neither(program: Program):
    session = program.play((1001.0, created("r1", "text")), (1002.0, done("r1")), (1003.0, created("r2", None)))
    first = program.spans["chat gpt-realtime"].attributes["gen_ai.output.type"]
    session.observe(done("r2"), 1004.0)

    assert first == "text"
    assert "gen_ai.output.type" not in program.spans["chat gpt-realtime"].attributes


def test_the_first_piece_of_an_answer_is_marked_once(program: Program):
    session = program.play((1001.0, created()), (1001.25, piece()), (1001.5, piece()), (1001.5, piece("unknown")))
    session.observe(done(), 1002.0)
    (mark,) = program.spans["chat gpt-realtime"].events

    assert mark.name == "first_chunk"
    assert program.points["gen_ai.client.operation.time_to_first_chunk"][0].value == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (failed("insufficient_quota"), "insufficient_quota"),
        (failed(error_type="server_error"), "server_error"),
        (failed(), "failed"),
        (done(status="failed", status_details={"type": "failed"}), "failed"),
        (done(status="failed"), "failed"),
    ],
)
def test_a_failed_answer_is_an_error_by_its_name(program: Program, event: ServerEvent, name: str):
    program.play((1001.0, created()), (1002.0, event))
    span = program.spans["chat gpt-realtime"]

    assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, name)
    assert program.points["gen_ai.client.operation.duration"][0].attributes["error.type"] == name


def test_an_answer_that_was_cut_off_is_no_error(program: Program):
    why = {"type": "cancelled", "reason": "turn_detected"}
    program.play((1001.0, created()), (1002.0, done(status="cancelled", status_details=why)))
    span = program.spans["chat gpt-realtime"]

    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes["gen_ai.response.finish_reasons"] == ("turn_detected",)


def test_whatever_is_open_ends_with_the_session(program: Program):
    session = program.play((1001.0, created()), (1001.5, called("c1")))
    session.session_ended(1002.0, "error", "ConnectionLost")
    spans = program.spans

    assert {took_s(spans[name]) for name in ("chat gpt-realtime", "realtime_link")} == {1.0, 1.5}
    assert [span.name for span in program.exporter.get_finished_spans()][-1] == "realtime_session gpt-realtime"
    assert spans["realtime_session gpt-realtime"].attributes["error.type"] == "ConnectionLost"
    assert spans["execute_tool weather"].attributes["error.type"] == "session_ended"
    session.session_ended(1003.0, "complete")
    assert len(program.exporter.get_finished_spans()) == 4, "once"


def test_each_connection_is_a_span_and_a_response_is_on_the_newest(program: Program):
    session = program.begin()
    session.link_opened(1010.0, link=2)
    session.observe(created(), 1011.0)
    session.link_closed(1012.0, link=1)
    session.observe(done(), 1013.0)
    session.link_closed(1014.0, "ConnectionLost", link=2)
    links = {
        span.attributes["realtime.link"]: span
        for span in program.exporter.get_finished_spans()
        if span.name == "realtime_link"
    }

    assert program.spans["chat gpt-realtime"].parent.span_id == links[2].context.span_id
    assert (took_s(links[1]), took_s(links[2])) == (11.5, 4.0)
    assert links[2].attributes["error.type"] == "ConnectionLost"


def test_an_mcp_call_is_a_tools_span(program: Program):
    session = program.play((1001.0, created()), (1001.0, mcp_called("m1")), (1001.0, mcp_called("m2")))
    session.observe(mcp("failed", "m1"), 1001.5)
    assert program.spans["execute_tool search"].attributes["error.type"] == "mcp_call_failed"
    session.observe(mcp("completed", "m2"), 1001.75)

    assert program.spans["execute_tool search"].attributes["gen_ai.tool.type"] == "extension"
    assert "error.type" not in program.spans["execute_tool search"].attributes


def test_a_call_is_one_span_however_often_it_is_told_and_answered(program: Program):
    output = [{"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}]
    session = program.play((1001.0, created()), (1001.1, called("c1")))
    session.sent(result("c1"), 1001.2)
    session.observe(done(output=output), 1002.0)
    session.sent(result("c1"), 1003.0)
    session.sent(result("unknown"), 1003.0)
    session.sent(ResponseCreate(), 1003.0)
    session.session_ended(1004.0, "complete")

    names = [span.name for span in program.exporter.get_finished_spans()]
    assert names.count("execute_tool weather") == 1
    assert program.points["gen_ai.execute_tool.duration"][0].count == 1


def test_calls_without_an_id_and_finished_mcp_calls_open_no_span(program: Program):
    session = program.play((1001.0, called(None)), (1001.0, mcp_called(None)), (1001.0, mcp_called("m1", output="x")))
    session.observe(mcp_called("m2", error={"type": "http_error"}), 1001.0)
    session.session_ended(1002.0, "complete")

    assert set(program.spans) == {"realtime_link", "realtime_session gpt-realtime"}


def test_what_comes_before_the_session_began_or_after_it_ended_is_passed_over(program: Program):
    program.session.observe(error("odd"), 999.0)
    session = program.begin()
    session.session_ended(1001.0, "complete")
    session.observe(error("odd"), 1002.0)

    assert program.spans["realtime_session gpt-realtime"].events == ()
    assert program.points["realtime.errors"][0].value == 2, "but counted"


def test_the_first_piece_of_a_response_whose_span_was_forgotten_is_not_marked(program: Program):
    session = program.play((1001.0, created("r0")))
    for number in range(SPANS_OPEN_MAX):
        session.observe(called(f"c{number}", "r0"), 1002.0)
    session.observe(piece("r0"), 1003.0)

    assert program.spans["chat gpt-realtime"].events == ()
    assert program.points["gen_ai.client.operation.time_to_first_chunk"][0].count == 1


def test_open_spans_are_bounded_and_the_oldest_is_told_as_forgotten(program: Program):
    session = program.begin()
    for number in range(SPANS_OPEN_MAX + 10):
        session.observe(created(f"r{number}"), 1001.0)
    forgotten = [
        span for span in program.exporter.get_finished_spans() if span.attributes.get("error.type") == "forgotten"
    ]

    assert len(forgotten) == 11, "the link is among the oldest"
    session.session_ended(1002.0, "complete")
    assert len(program.exporter.get_finished_spans()) == SPANS_OPEN_MAX + 12


# --- figures ------------------------------------------------------------------------------------------------------


def test_tokens_are_counted_once_by_direction_and_by_modality(program: Program):
    program.play((1001.0, created()), (1002.0, done(usage=USAGE)), (1002.0, done(usage=USAGE)))
    points = program.points

    by_way = {point.attributes["gen_ai.token.type"]: point for point in points["gen_ai.client.token.usage"]}
    assert (by_way["input"].value, by_way["output"].value, by_way["input"].count) == (132, 121, 1)
    kinds = ("gen_ai.token.type", "realtime.modality", "realtime.cached")
    assert {tuple(point.attributes[kind] for kind in kinds): point.value for point in points["realtime.tokens"]} == {
        ("input", "text", "no"): 55,
        ("input", "text", "yes"): 64,
        ("input", "audio", "no"): 13,
        ("output", "text", "no"): 30,
        ("output", "audio", "no"): 91,
    }


def test_durations_errors_and_the_session_are_counted(program: Program):
    session = program.play((1001.0, created()), (1003.0, done()), (1004.0, error("odd")), (1005.0, error(None)))
    session.observe(error(None, "server_error"), 1005.0)
    session.session_ended(1010.0, "client_disconnect")
    points = program.points

    assert points["gen_ai.client.operation.duration"][0].value == pytest.approx(2.0)
    assert points["realtime.session.duration"][0].value == pytest.approx(10.0)
    assert points["realtime.session.duration"][0].attributes["realtime.session.end"] == "client_disconnect"
    assert sorted(point.attributes["error.type"] for point in points["realtime.errors"]) == [
        "odd",
        "server_error",
        "unknown",
    ]
    assert len(program.spans["realtime_session gpt-realtime"].events) == 3


def test_the_turn_logs_latencies_and_interruptions_become_metrics(program: Program):
    both = program.metered()
    log = both.log
    speech = {"item_id": "a", "audio_start_ms": 0}
    both.observe(server("input_audio_buffer.speech_stopped", item_id="a", audio_end_ms=9), 1001.0)
    both.observe(created(), 1001.2)
    both.observe(piece(kind="response.output_audio_transcript.delta"), 1001.25)
    both.observe(piece(), 1001.5)
    both.observe(server("input_audio_buffer.speech_started", **{**speech, "item_id": "b"}), 1002.0)
    log.interruption_delivered(1002.0, 1002.125)
    both.observe(done(status="cancelled", status_details={"type": "cancelled", "reason": "turn_detected"}), 1002.2)
    both.observe(called("c1"), 1002.3)
    both.sent(result("c1"), 1002.8)
    points = program.points

    assert points["realtime.turn.time_to_first_text"][0].value == pytest.approx(0.25)
    assert points["realtime.turn.time_to_first_audio"][0].value == pytest.approx(0.5)
    assert points["realtime.turn.interruption_latency"][0].value == pytest.approx(0.125)
    assert points["realtime.interruptions"][0].value == 1
    assert points["gen_ai.client.operation.duration"][0].count == 1
    assert points["gen_ai.execute_tool.duration"][0].value == pytest.approx(0.5)
    assert log.turns[0].tools[0].duration_ms == pytest.approx(500)


@pytest.mark.parametrize(
    ("url", "address", "port"),
    [
        ("wss://api.openai.com/v1/realtime?model=m", "api.openai.com", 443),
        ("ws://127.0.0.1/v1/realtime", "127.0.0.1", 80),
        ("ws://127.0.0.1:8080/v1/realtime", "127.0.0.1", 8080),
    ],
)
def test_a_sessions_meter_follows_it_from_start_to_end(program: Program, url: str, address: str, port: int):
    meter = program.metered()
    meter.link_opened(1001.0, url)
    meter.observe(created(), 1002.0)
    meter.link_closed(1003.0, "ConnectionLost")
    meter.ended(1004.0, "error", "ConnectionLost")
    spans = program.spans

    link = spans["realtime_link"].attributes
    assert (link["server.address"], link["server.port"], link["error.type"]) == (address, port, "ConnectionLost")
    assert meter.log.turns[0].responses[0].status == "lost"
    assert spans["realtime_session gpt-realtime"].attributes["error.type"] == "ConnectionLost"
    assert spans["chat gpt-realtime"].attributes["error.type"] == "ConnectionLost"


def test_what_ran_on_a_connection_ends_with_it_and_a_call_is_answered_on_the_next(program: Program):
    meter = program.metered()
    meter.link_opened(1001.0, "ws://localhost/v1")
    for event in (created(), called("c1")):
        meter.observe(event, 1002.0)
    meter.link_closed(1003.0, "ConnectionLost")
    meter.link_closed(1003.5)
    meter.link_opened(1004.0, "ws://localhost/v1")
    meter.observe(created("r2"), 1004.5)
    meter.sent(result("c1"), 1005.0)
    meter.observe(done("r2"), 1006.0)
    meter.link_closed(1007.0)
    meter.ended(1008.0, "complete")

    told = [
        (span.name, took_s(span), span.attributes.get("error.type")) for span in program.exporter.get_finished_spans()
    ]
    assert told == [
        ("chat gpt-realtime", 1.0, "ConnectionLost"),
        ("realtime_link", 2.0, "ConnectionLost"),
        ("execute_tool weather", 3.0, None),
        ("chat gpt-realtime", 1.5, None),
        ("realtime_link", 3.0, None),
        ("realtime_session gpt-realtime", 8.0, None),
    ]
    assert meter.log.totals.responses == {"lost": 1, "completed": 1}


def test_without_opentelemetry_a_sessions_meter_is_its_turn_log():
    meter = SessionMeter("gpt-realtime", "connection_1")
    meter.started(1000.0)
    meter.link_opened(1001.0, "ws://127.0.0.1:8080")
    assert (meter.observe, meter.sent) == (meter.log.observe, meter.log.sent)

    meter.observe(created(), 1002.0)
    meter.link_closed(1003.0)
    meter.ended(1004.0, "complete")

    assert meter.log.turns[0].responses[0].status == "lost"


def test_sessions_of_one_provider_share_its_instruments(program: Program):
    assert Instruments.of(program.meters, "1") is Instruments.of(program.meters, "1")


# --- trouble, and nothing at all ----------------------------------------------------------------------------------


class Broken(SpanProcessor):
    """A span processor of somebody's that does not work."""

    def on_start(self, span: object, parent_context: object = None) -> None:
        raise RuntimeError(SECRET)


def test_telemetry_that_breaks_is_switched_off_and_the_session_goes_on(caplog: pytest.LogCaptureFixture):
    program = Program(Broken())
    session = program.begin()
    session.observe(created(), 1001.0)
    session.session_ended(1002.0, "complete")

    assert [record.message for record in caplog.records] == ["telemetry of session connection_1 is off: RuntimeError"]
    assert program.points == {}


ids = st.sampled_from(["a", "b", "c"])
events = st.one_of(
    st.builds(created, ids | st.none()),
    st.builds(done, ids | st.none(), st.sampled_from(["completed", "failed", "cancelled"])),
    st.builds(piece, ids),
    st.builds(called, ids | st.none(), ids),
    st.builds(mcp_called, ids, ids),
    st.builds(mcp, st.sampled_from(["in_progress", "completed", "failed"]), ids),
    st.builds(error, st.just("odd")),
)
others: st.SearchStrategy[Callable[[Telemetry, float], None]] = st.one_of(
    st.builds(lambda one: lambda session, now: session.sent(result(one), now), ids),
    st.builds(lambda one: lambda session, now: session.link_opened(now, link=one), st.integers(1, 3)),
    st.builds(lambda one: lambda session, now: session.link_closed(now, link=one), st.integers(1, 3)),
)


@given(st.lists(events | others, max_size=30))
def test_under_any_events_each_span_begun_is_ended_once(script):
    started: list[int] = []

    class Counted(SpanProcessor):
        def on_start(self, span, parent_context=None):
            started.append(span.context.span_id)

    program = Program(Counted())
    session = program.begin()
    for number, step in enumerate(script):
        if callable(step):
            step(session, 1001.0 + number)
        else:
            session.observe(step, 1001.0 + number)
    session.session_ended(2000.0, "complete")

    assert sorted(started) == sorted(span.context.span_id for span in program.exporter.get_finished_spans())
    assert session._off is False


def test_telemetry_is_made_of_the_providers_that_are_set(program: Program, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: program.tracers)
    session = open_telemetry("gpt-realtime", "connection_1", 5.0)
    assert session is not None
    session.session_started(5.0)
    session.session_ended(6.0, "complete")

    (span,) = program.exporter.get_finished_spans()
    assert span.instrumentation_scope.name == "realtime-engine"


def test_providers_that_break_keep_no_session_from_beginning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(trace, "get_tracer_provider", Broken)

    assert open_telemetry("gpt-realtime", "connection_1", 5.0) is None
    assert [record.message for record in caplog.records] == ["telemetry of session connection_1 is off: AttributeError"]


def opened_in_a_fresh_program(setup: str) -> str:
    program = f"""
        import sys
        {setup}
        from engine.telemetry import open_telemetry
        session = open_telemetry("gpt-realtime", "connection_1", 5.0)
        print(session is not None, sum(name.startswith("opentelemetry") for name in sys.modules) > 0)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    return run.stdout.strip()


SDK_TRACES = "from opentelemetry import trace; from opentelemetry.sdk.trace import TracerProvider"
SDK_METRICS = "from opentelemetry import metrics; from opentelemetry.sdk.metrics import MeterProvider"


@pytest.mark.parametrize(
    ("setup", "told"),
    [
        pytest.param("pass", "False False", id="nobody imported it: nothing is imported"),
        pytest.param("import opentelemetry.trace", "False True", id="imported, not set up"),
        pytest.param(f"{SDK_TRACES}; trace.set_tracer_provider(TracerProvider())", "True True", id="spans only"),
        pytest.param(f"{SDK_METRICS}; metrics.set_meter_provider(MeterProvider())", "True True", id="metrics only"),
    ],
)
def test_telemetry_is_on_only_where_the_program_has_set_it_up(setup: str, told: str):
    assert opened_in_a_fresh_program(setup) == told


def test_in_this_program_it_is_off_as_no_provider_is_set():
    assert metrics.get_meter_provider() is not None
    assert open_telemetry("gpt-realtime", "connection_1", 5.0) is None

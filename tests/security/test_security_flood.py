"""A server that pours out events: memory stays bounded, the program's other tasks get their turn, and it is told."""

import json

import pytest
import trio
import trio.testing
from growth import grown
from rooms import config, live, said, take
from trio_websocket import ConnectionClosed, serve_websocket

from engine import limits
from engine.config import EngineSettings
from engine.errors import LimitExceeded, RemoteViolation
from engine.events import BidiErrorEvent
from engine.metering import tokens
from engine.metering.turn_log import TurnLog
from engine.protocol import call_ids, growing, underway
from engine.protocol.conversation import Conversation
from engine.protocol.transcriber import Transcriber
from engine.session import open_session
from engine.wire.codec import decode_server

EVENTS = 1_300
"""Of one kind, each of another name where it has one."""

MOST = 1_100
"""The most that one collection may hold afterwards. Every bound is below it, set so where it is not by itself."""

CALL = {"type": "function_call", "id": "i{n}", "call_id": "c{n}", "name": "tool", "arguments": "{{}}"}
MCP = {"type": "mcp_call", "id": "i{n}", "server_label": "l", "name": "n", "arguments": "{{}}"}
APPROVAL = {"type": "mcp_approval_request", "id": "i{n}", "server_label": "l", "name": "n", "arguments": "{n}"}
PLACE = {"output_index": 0, "content_index": 0}
DONE = {"id": "r{n}", "status": "completed"}

FLOODS = {
    "unknown types": ("new.{n}", {}),
    "unknown fields": ("input_audio_buffer.cleared", {"field_{n}": 1}),
    "errors": (
        "error",
        {"error": {"type": "invalid_request_error", "code": "c{n}", "message": "m", "event_id": "x{n}"}},
    ),
    "errors about nothing": ("error", {"error": {"type": "invalid_request_error", "message": "m"}}),
    "turns that begin": ("input_audio_buffer.speech_started", {"item_id": "i{n}", "audio_start_ms": 0}),
    "turns that end": ("input_audio_buffer.speech_stopped", {"item_id": "i{n}", "audio_end_ms": 0}),
    "turns": ("input_audio_buffer.committed", {"item_id": "i{n}", "previous_item_id": None}),
    "responses that begin": ("response.created", {"response": {"id": "r{n}", "status": "in_progress"}}),
    "responses aside": ("response.created", {"response": {"id": "r{n}", "conversation_id": None}}),
    "responses that end": ("response.done", {"response": {**DONE, "output": []}}),
    "calls in ended responses": ("response.done", {"response": {**DONE, "output": [{**CALL, "status": "completed"}]}}),
    "MCP calls in ended responses": ("response.done", {"response": {**DONE, "output": [{**MCP, "output": "o"}]}}),
    "calls that begin": ("response.output_item.added", {"response_id": "r{n}", "output_index": 0, "item": CALL}),
    "calls": ("response.output_item.done", {"response_id": "r{n}", "output_index": 0, "item": CALL}),
    "calls of one response": ("response.output_item.done", {"response_id": "r", "output_index": 0, "item": CALL}),
    "calls that can't be read": (
        "response.output_item.done",
        {"response_id": "r{n}", "output_index": 0, "item": {**CALL, "arguments": "["}},
    ),
    "arguments": (
        "response.function_call_arguments.done",
        {"response_id": "r{n}", "item_id": "i{n}", "output_index": 0, "call_id": "c{n}", "arguments": "{{}}"},
    ),
    "words": ("response.output_text.delta", {"response_id": "r{n}", "item_id": "i{n}", "delta": "x", **PLACE}),
    "whole texts": ("response.output_text.done", {"response_id": "r{n}", "item_id": "i{n}", "text": "x", **PLACE}),
    "sound": ("response.output_audio.delta", {"response_id": "r{n}", "item_id": "i{n}", "delta": "AAAA", **PLACE}),
    "sound that ends": ("response.output_audio.done", {"response_id": "r{n}", "item_id": "i{n}", **PLACE}),
    "parts": (
        "response.content_part.added",
        {"response_id": "r{n}", "item_id": "i{n}", "part": {"type": "audio"}, **PLACE},
    ),
    "items": (
        "conversation.item.added",
        {"item": {"type": "message", "id": "i{n}", "role": "user", "content": [{"type": "input_text", "text": "x"}]}},
    ),
    "results": (
        "conversation.item.added",
        {"item": {"type": "function_call_output", "id": "i{n}", "call_id": "c{n}", "output": "x"}},
    ),
    "deletions": ("conversation.item.deleted", {"item_id": "i{n}"}),
    "truncations": ("conversation.item.truncated", {"item_id": "i{n}", "content_index": 0, "audio_end_ms": 1}),
    "MCP lists": ("mcp_list_tools.in_progress", {"item_id": "i{n}"}),
    "MCP servers": (
        "conversation.item.added",
        {"item": {"type": "mcp_list_tools", "id": "i{n}", "server_label": "l{n}", "tools": [{"name": "n"}]}},
    ),
    "MCP calls": ("response.output_item.added", {"response_id": "r{n}", "output_index": 0, "item": MCP}),
    "MCP calls of one response": ("response.output_item.added", {"response_id": "r", "output_index": 0, "item": MCP}),
    "approvals of one response": (
        "response.output_item.added",
        {"response_id": "r", "output_index": 0, "item": APPROVAL},
    ),
    "sessions": ("session.updated", {"session": {"type": "realtime", "id": "s{n}", "model": "m{n}"}}),
    "rates": (
        "rate_limits.updated",
        {"rate_limits": [{"name": "n{n}", "limit": 1, "remaining": 1, "reset_seconds": 1}]},
    ),
}


def filled(value, number):
    """Put the number in, wherever a text has a place for it."""
    match value:
        case dict():
            return {filled(key, number): filled(part, number) for key, part in value.items()}
        case list():
            return [filled(part, number) for part in value]
        case str():
            return value.format(n=number)
        case _:
            return value


def flood(kind):
    event_type, fields = FLOODS[kind]
    return (decode_server(said(filled(event_type, n), **filled(fields, n))) for n in range(EVENTS))


def opened(core):
    core.begin()
    core.receive(decode_server(said("session.created", session={"type": "realtime", "id": "s"})), 0.0)
    return core


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch):
    """Set the bounds that are above `MOST` below it: that they hold is what counts here."""
    monkeypatch.setattr(underway, "UNDERWAY_MAX", 500)
    monkeypatch.setattr(limits, "HISTORY_MAX_ITEMS", 500)
    monkeypatch.setattr(call_ids, "REMEMBERED", 500)
    monkeypatch.setattr(tokens, "_REMEMBERED", 500)


@pytest.mark.parametrize("kind", FLOODS)
def test_nothing_grows_with_events_of_a_kind(kind):
    conversation, log = opened(Conversation(config(), "id")), TurnLog()
    for number, event in enumerate(flood(kind)):
        conversation.receive(event, number / 1_000)
        log.observe(event, number / 1_000)

    assert grown(conversation, MOST) | grown(log, MOST) == {}


@pytest.mark.parametrize("what", ["errors", "junk"])
def test_nothing_grows_before_the_session_is_open(what):
    conversation = Conversation(config(), "id")
    conversation.begin()
    for event in flood("errors"):
        if what == "errors":
            conversation.receive(event, 0.0)
        else:
            conversation.violated(RemoteViolation("invalid_json", "junk"), "invalid_json", 0.0)

    assert grown(conversation, MOST) == {}
    opening = conversation.receive(decode_server(said("session.created", session={"type": "realtime"})), 0.0)
    assert any(isinstance(effect, BidiErrorEvent) for effect in opening)


def test_the_measure_finds_what_grows():
    class Leaky:
        __slots__ = ("inner",)

        def __init__(self):
            self.inner = {"list": [set(range(EVENTS))]}

    assert grown(Leaky(), MOST) == {"Leaky.inner.value.part": EVENTS}


DELTAS = {
    "response.output_text.delta": Conversation,
    "response.output_audio_transcript.delta": Conversation,
    "conversation.item.input_audio_transcription.delta": Conversation,
}


@pytest.mark.parametrize("piece", ["x", "a longer piece of what is said " * 1_000])
@pytest.mark.parametrize("event_type", DELTAS)
@pytest.mark.parametrize("core", [Conversation, Transcriber])
def test_a_text_without_an_end_begins_anew(core, event_type, piece, monkeypatch):
    monkeypatch.setattr(growing, "TEXT_MAX_BYTES", 20_000)
    one = decode_server(said(event_type, response_id="r", item_id="i", delta=piece, **PLACE))
    grows = opened(core(config(), "id"))

    told = [event for _ in range(1_000) for event in grows.receive(one, 0.0)]

    texts = [event.current_transcript if core is Conversation else event.transcript for event in told]
    longest = max(map(len, texts), default=0)
    assert longest <= 20_000 + 2 * len(piece)
    assert told[0].as_dict() if told else core is Transcriber


async def test_words_of_one_item_cost_the_same_however_many_pieces_it_has():
    conversation = opened(Conversation(config(), "id"))
    item = {"type": "message", "id": "i", "role": "assistant", "content": []}
    conversation.receive(decode_server(said("conversation.item.added", item=item)), 0.0)
    for index in range(EVENTS):
        fields = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": index, "text": "x"}
        conversation.receive(decode_server(said("response.output_text.done", **fields)), 0.0)

    assert grown(conversation, MOST) == {}
    assert conversation.history.get("i").transcript.startswith("x x")


# --- on a connection ------------------------------------------------------------------------------------------------


async def poured_out(connection, message, sent):
    try:
        while True:
            await connection.send_message(message)
            sent.append(1)
    except ConnectionClosed:
        return


class Pouring:
    """A server on the loopback that opens the session, and then sends one message over and over."""

    def __init__(self, message):
        self.message = message
        self.sent = []

    async def __call__(self, request):
        connection = await request.accept()
        await connection.send_message(said("session.created", session={"type": "realtime", "id": "s"}))
        await poured_out(connection, self.message, self.sent)


UNKNOWN = json.dumps({"type": "new.thing", "event_id": "e"})
ERROR = said("error", error={"type": "server_error", "message": "m" * 200})


async def serving(nursery, server):
    listeners = await nursery.start(serve_websocket, server, "127.0.0.1", 0, None)
    return f"ws://127.0.0.1:{listeners.port}/v1"


async def flooded(message, check, **engine):
    server = Pouring(message)
    async with trio.open_nursery() as nursery:
        url = await serving(nursery, server)
        settings = config(client={"base_url": url}, engine=engine)
        async with open_session(settings) as session:
            await check(session, server)
        nursery.cancel_scope.cancel()


async def test_other_tasks_get_their_turn_under_a_flood_that_nobody_is_told_of():
    async def check(session, server):
        turns = 0
        while session.statistics().messages_received < 3_000:
            await trio.lowlevel.checkpoint()
            turns += 1
        assert turns > 1_000
        assert session.inbox.statistics().events == 1  # the session's start
        assert session.statistics().conversation.unknown_events == {
            "new.thing": session.statistics().messages_received - 1
        }

    await flooded(UNKNOWN, check)


async def test_a_flood_that_is_told_ends_at_the_inboxs_bound_where_nobody_reads():
    bound = 256 * 2**10

    async def check(session, server):
        with trio.fail_after(30):
            while not session._supervisor.ended:
                await trio.lowlevel.checkpoint()
        waiting = session.inbox.statistics()
        assert waiting.most_bytes < bound + 4_096
        with pytest.raises(LimitExceeded, match="inbox_max_bytes"):
            async for _ in session.receive():
                pass

    await flooded(ERROR, check, inbox_max_bytes=bound)


async def test_with_the_policy_wait_the_server_is_held_up_by_tcp():
    bound = 64 * 2**10

    async def check(session, server):
        most = 0
        while most < len(server.sent) or not most:  # until no more goes out in half a second
            most = len(server.sent)
            await trio.sleep(0.5)
        assert session.inbox.statistics().most_bytes < bound + 4_096
        assert not session._supervisor.ended
        await take(session, 100)
        await trio.sleep(0.2)
        assert len(server.sent) >= most  # it may go on

    await flooded(ERROR, check, inbox_max_bytes=bound, inbox_overflow="wait")


async def test_a_burst_of_real_answers_passes(autojump_clock):
    """20,000 deltas at once, which is a long answer made far faster than it is spoken, are no attack."""
    assert EngineSettings().inbox_overflow == "drop_oldest_audio"
    async with live(config()) as (session, server):
        await take(session, 1)
        heard = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_say_it, server)
            while heard < 20_000:
                heard += len((await take(session, 1))[0].text)
        assert session.statistics().conversation.violations == {}


async def _say_it(server):
    place = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    delta = said("response.output_text.delta", delta="x", **place)
    for _ in range(20_000):
        await server.say(delta)

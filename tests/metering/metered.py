"""Scripts of a talk, event by event with its time, for the tests of what a session takes."""

import json
from typing import Any

from engine.metering.turn_log import TurnLog
from engine.wire.client import (
    ClientEvent,
    ConversationItemCreate,
    InputAudioBufferCommit,
    ResponseCancel,
    ResponseCreate,
)
from engine.wire.codec import decode_server
from engine.wire.items import Content, FunctionCallOutputItem, MessageItem
from engine.wire.server import ServerEvent

Json = dict[str, Any]


def server(kind: str, **fields: Any) -> ServerEvent:
    """Make a server event as it would come off the wire."""
    return decode_server(json.dumps({"type": kind, "event_id": "event_1", **fields}))


def usage(**tokens: int) -> Json:
    """What a response took, in the service's shape; totals are summed from the parts."""
    details_in = {f"{name}_tokens": tokens.get(f"in_{name}", 0) for name in ("text", "audio", "image")}
    cached = {f"{name}_tokens": tokens.get(f"cached_{name}", 0) for name in ("text", "audio", "image")}
    details_out = {f"{name}_tokens": tokens.get(f"out_{name}", 0) for name in ("text", "audio")}
    total_in, total_out = sum(details_in.values()), sum(details_out.values())
    return {
        "total_tokens": total_in + total_out,
        "input_tokens": total_in,
        "output_tokens": total_out,
        "input_token_details": {
            **details_in,
            "cached_tokens": sum(cached.values()),
            "cached_tokens_details": cached,
        },
        "output_token_details": details_out,
    }


def response(response_id: str | None, status: str = "in_progress", *, aside: bool = False, **fields: Any) -> Json:
    conversation = None if aside else "conv_1"
    return {"id": response_id, "status": status, "conversation_id": conversation, "output": [], **fields}


def created(response_id: str | None, *, aside: bool = False) -> ServerEvent:
    return server("response.created", response=response(response_id, aside=aside))


def done(response_id: str | None, status: str = "completed", *, aside: bool = False, **fields: Any) -> ServerEvent:
    return server("response.done", response=response(response_id, status, aside=aside, **fields))


def cancelled(response_id: str, reason: str = "turn_detected") -> ServerEvent:
    return done(response_id, "cancelled", status_details={"type": "cancelled", "reason": reason})


def place(response_id: str, item_id: str) -> Json:
    return {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}


def audio(response_id: str, item_id: str = "answer") -> ServerEvent:
    return server("response.output_audio.delta", **place(response_id, item_id), delta="AAAA")


def transcript(response_id: str, item_id: str = "answer") -> ServerEvent:
    return server("response.output_audio_transcript.delta", **place(response_id, item_id), delta="word")


def text(response_id: str, item_id: str = "answer") -> ServerEvent:
    return server("response.output_text.delta", **place(response_id, item_id), delta="word")


def message(item_id: str | None, role: str = "assistant") -> Json:
    return {"type": "message", "id": item_id, "role": role, "status": "in_progress", "content": []}


def call(call_id: str | None, name: str = "weather") -> Json:
    return {"type": "function_call", "id": f"item_{call_id}", "call_id": call_id, "name": name, "arguments": "{}"}


def mcp_call(item_id: str | None, name: str = "search") -> Json:
    return {"type": "mcp_call", "id": item_id, "server_label": "docs", "name": name, "arguments": "{}"}


def item_added(response_id: str, item: Json) -> ServerEvent:
    return server("response.output_item.added", response_id=response_id, output_index=0, item=item)


def item_done(response_id: str, item: Json) -> ServerEvent:
    return server("response.output_item.done", response_id=response_id, output_index=0, item=item)


def arguments_done(response_id: str, call_id: str, **fields: Any) -> ServerEvent:
    where = {"response_id": response_id, "item_id": f"item_{call_id}", "output_index": 0}
    return server("response.function_call_arguments.done", **where, call_id=call_id, arguments="{}", **fields)


def speech_started(item_id: str = "said", at_ms: int = 0) -> ServerEvent:
    return server("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=at_ms)


def speech_stopped(item_id: str = "said", at_ms: int = 1000) -> ServerEvent:
    return server("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=at_ms)


def committed(item_id: str = "said") -> ServerEvent:
    return server("input_audio_buffer.committed", item_id=item_id, previous_item_id=None)


def idle(item_id: str = "silence") -> ServerEvent:
    times = {"audio_start_ms": 5000, "audio_end_ms": 11000}
    return server("input_audio_buffer.timeout_triggered", item_id=item_id, **times)


def placed(item_id: str | None, role: str = "user") -> ServerEvent:
    return server("conversation.item.added", item=message(item_id, role))


def truncated(item_id: str, end_ms: int = 500) -> ServerEvent:
    return server("conversation.item.truncated", item_id=item_id, content_index=0, audio_end_ms=end_ms)


def transcribed(item_id: str = "said", content_index: int = 0, **taken: Any) -> ServerEvent:
    fields = {"usage": taken} if taken else {}
    kind = "conversation.item.input_audio_transcription.completed"
    return server(kind, item_id=item_id, content_index=content_index, transcript="words", **fields)


def session(**detection: Any) -> ServerEvent:
    turns = {"type": "server_vad", **detection}
    return server("session.updated", session={"audio": {"input": {"turn_detection": turns}}})


def typed(role: str = "user") -> ClientEvent:
    return ConversationItemCreate(item=MessageItem(role=role, content=(Content(type="input_text", text="hello"),)))


def result(call_id: str) -> ClientEvent:
    return ConversationItemCreate(item=FunctionCallOutputItem(call_id=call_id, output="{}"))


ask = ResponseCreate()
cancel = ResponseCancel()
commit = InputAudioBufferCommit()


def play(log: TurnLog, *steps: tuple[float, ServerEvent | ClientEvent]) -> TurnLog:
    """Show a log a script of `(seconds, event)`; client events are sent, the others observed."""
    for now, event in steps:
        if type(event).__module__ == ResponseCreate.__module__:
            log.sent(event, now)
        else:
            log.observe(event, now)
    return log


def log_of(*steps: tuple[float, ServerEvent | ClientEvent], max_turns: int = 1000) -> TurnLog:
    return play(TurnLog(max_turns), *steps)

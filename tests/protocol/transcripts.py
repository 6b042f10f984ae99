"""Tests of the conversation as transcripts: `>>` goes in, `<<` comes out, all of it and in order.

    >> speech_started item_1
    << PurgeAudio
    << Interruption user_speech

What goes in: server events by short names (see `SERVICE`), what the application does (`app ...`, see `APPLICATION`),
and time (`wait SECONDS`). Words with spaces stand in quotes; `key=value` and bare flags say what is out of the usual.
"""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.config import ClientSettings, EngineSettings, SessionConfig
from engine.errors import ConnectionLost, RemoteViolation
from engine.events import (
    BidiAudioStreamEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    BidiUsageEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.protocol.conversation import Conversation
from engine.protocol.effects import AudioDone, Effect, End, Opened, PurgeAudio, Rearm, Transmit
from engine.wire.client import (
    ClientEvent,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemTruncate,
    ResponseCancel,
    ResponseCreate,
)
from engine.wire.codec import decode_server, event_type
from engine.wire.items import FunctionCallItem, FunctionCallOutputItem, Item, MessageItem
from engine.wire.server import ServerEvent
from engine.wire.session import ResponseSettings

Json = dict[str, Any]
Options = Mapping[str, str]

CLIENT = ClientSettings(api_key="test-key", base_url="ws://localhost/v1", organization="", project="")


ONE_LINK = EngineSettings(on_timeout="raise", reconnect=None)


def config(**settings: Any) -> SessionConfig:
    """Settings of a session that ends with its connection, unless `engine` says more."""
    return SessionConfig(**{"client": CLIENT, "engine": ONE_LINK, **settings})


def server(kind: str, **fields: Any) -> ServerEvent:
    """Make a server event as it would come off the wire."""
    return decode_server(json.dumps({"type": kind, "event_id": "event_1", **fields}))


# --- what goes in -------------------------------------------------------------------------------------------------


def session(kind: str, options: Options) -> ServerEvent:
    detection: Json = {"type": "server_vad"}
    if "interrupt" in options:
        detection["interrupt_response"] = options["interrupt"] == "yes"
    audio = {"input": {"turn_detection": None if "push_to_talk" in options else detection}}
    return server(f"session.{kind}", session={"type": "realtime"} if "bare" in options else {"audio": audio})


def created(response_id: str, options: Options) -> ServerEvent:
    conversation = None if "aside" in options else "conv_1"
    response = {"id": response_id, "status": "in_progress", "conversation_id": conversation, "output": []}
    return server("response.created", response=response)


def done(response_id: str, options: Options) -> ServerEvent:
    status = options.get("status", "completed")
    response: Json = {"id": response_id, "status": status, "status_details": None, "output": []}
    if "reason" in options:
        response["status_details"] = {"type": status, "reason": options["reason"]}
    if "code" in options:
        error = {"type": "invalid_request_error", "code": options["code"], "message": "went wrong"}
        response["status_details"] = {"type": status, "error": error}
    if "usage" in options:
        tokens_in, tokens_out = map(int, options["usage"].split("+"))
        total = tokens_in + tokens_out
        response["usage"] = {"input_tokens": tokens_in, "output_tokens": tokens_out, "total_tokens": total}
    if "call" in options:
        response["output"] = [call_item(options["call"], options)]
    return server("response.done", response=response)


def place(response_id: str, item_id: str = "item_1") -> Json:
    return {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}


def call_item(call_id: str, options: Options) -> Json:
    status, arguments = options.get("call_status", "completed"), options.get("arguments", "{}")
    named = {"call_id": call_id, "name": options.get("name", "tool"), "arguments": arguments}
    return {"type": "function_call", "id": f"item_{call_id}", "status": status, **named}


def call(response_id: str, call_id: str, options: Options) -> ServerEvent:
    return server(
        "response.output_item.done", response_id=response_id, output_index=0, item=call_item(call_id, options)
    )


def said(kind: str, response_id: str, item_id: str) -> ServerEvent:
    item = {"type": "message", "id": item_id, "role": "assistant", "content": []}
    return server(f"response.output_item.{kind}", response_id=response_id, output_index=0, item=item)


def call_begun(response_id: str, call_id: str, options: Options) -> ServerEvent:
    item = call_item(call_id, {**options, "call_status": "in_progress", "arguments": ""})
    return server("response.output_item.added", response_id=response_id, output_index=0, item=item)


def arguments_done(response_id: str, call_id: str, options: Options) -> ServerEvent:
    fields: Json = {"response_id": response_id, "item_id": f"item_{call_id}", "output_index": 0, "call_id": call_id}
    if "nameless" not in options:
        fields["name"] = options.get("name", "tool")
    return server("response.function_call_arguments.done", **fields, arguments=options.get("arguments", "{}"))


def error(code: str, options: Options) -> ServerEvent:
    details = {"type": "invalid_request_error", "code": code, "message": options.get("message", "went wrong")}
    return server("error", error={**details, "param": options.get("param"), "event_id": options.get("answers")})


def heard(kind: str, item_id: str, **fields: Any) -> ServerEvent:
    return server(f"conversation.item.input_audio_transcription.{kind}", item_id=item_id, **fields)


def segment(item_id: str, text: str) -> ServerEvent:
    return heard("segment", item_id, content_index=0, id="seg_1", text=text, speaker="A", start=0, end=1.5)


def not_heard(item_id: str) -> ServerEvent:
    details = {"type": "server_error", "code": "asr_failed", "message": "not understood", "param": None}
    return heard("failed", item_id, content_index=0, error=details)


def message(kind: str, item_id: str, text: str, previous: str | None) -> ServerEvent:
    item = {"type": "message", "id": item_id, "role": "user", "content": [{"type": "input_text", "text": text}]}
    return server(f"conversation.item.{kind}", item=item, previous_item_id=previous)


SERVICE: dict[str, Callable[..., ServerEvent]] = {
    "session_created": lambda o: session("created", o),
    "session_updated": lambda o: session("updated", o),
    "created": created,
    "nameless_created": lambda _: server("response.created", response={"conversation_id": "conv_1"}),
    "nameless_done": lambda _: server("response.done", response={}),
    "done": done,
    "audio": lambda r, _: server("response.output_audio.delta", **place(r), delta="AAAA"),
    "speech": lambda r, i, ms, _: server("response.output_audio.delta", **place(r, i), delta="A" * 64 * int(ms)),
    "audio_done": lambda r, _: server("response.output_audio.done", **place(r)),
    "written": lambda r, i, t, _: server("response.output_text.delta", **place(r, i), delta=t),
    "written_done": lambda r, i, t, _: server("response.output_text.done", **place(r, i), text=t),
    "spoken": lambda r, i, t, _: server("response.output_audio_transcript.delta", **place(r, i), delta=t),
    "spoken_done": lambda r, i, t, _: server("response.output_audio_transcript.done", **place(r, i), transcript=t),
    "heard_piece": lambda i, t, _: heard("delta", i, content_index=0, delta=t),
    "heard_nothing_yet": lambda i, _: heard("delta", i),
    "heard": lambda i, t, _: heard("completed", i, content_index=0, transcript=t),
    "heard_segment": lambda i, t, _: segment(i, t),
    "not_heard": lambda i, _: not_heard(i),
    "call_begun": call_begun,
    "arguments_done": arguments_done,
    "call": call,
    "said_begun": lambda r, i, _: said("added", r, i),
    "said": lambda r, i, _: said("done", r, i),
    "speech_started": lambda i, _: server("input_audio_buffer.speech_started", item_id=i, audio_start_ms=100),
    "speech_stopped": lambda i, _: server("input_audio_buffer.speech_stopped", item_id=i, audio_end_ms=900),
    "cleared": lambda _: server("input_audio_buffer.cleared"),
    "item_added": lambda i, t, o: message("added", i, t, o.get("after")),
    "item_done": lambda i, t, o: message("done", i, t, o.get("after")),
    "item_created": lambda i, t, o: message("created", i, t, o.get("after")),
    "item_truncated": lambda i, ms, _: server(
        "conversation.item.truncated", item_id=i, content_index=0, audio_end_ms=int(ms)
    ),
    "item_deleted": lambda i, _: server("conversation.item.deleted", item_id=i),
    "error": error,
    "rate_limits": lambda _: server("rate_limits.updated", rate_limits=[{"name": "tokens", "surprise": 1}]),
    "novelty": lambda _: server("response.hologram.delta", response_id="resp_1", brightness=3),
}
"""Server events. Each maker takes the line's words, then its options."""


def result(call_id: str, text: str, options: Options) -> ToolResultEvent:
    status = "error" if "failed" in options else "success"
    return ToolResultEvent({"toolUseId": call_id, "status": status, "content": [{"text": text}]})


def by_hand(options: Options) -> ClientEvent:
    settings = ResponseSettings(conversation="none") if "aside" in options else None
    if "conversation" in options:
        settings = ResponseSettings(conversation=options["conversation"])
    return ResponseCreate(event_id=options.get("id"), response=settings)


def output_by_hand(call_id: str, _: Options) -> ClientEvent:
    return ConversationItemCreate(item=FunctionCallOutputItem(call_id=call_id, output="by hand"))


def truncate_by_hand(item_id: str, _: Options) -> ClientEvent:
    return ConversationItemTruncate(item_id=item_id, content_index=0, audio_end_ms=500)


SUBMITTED: dict[str, Callable[..., Any]] = {
    "text": lambda text, o: BidiTextInputEvent(text, o.get("role", "user")),
    "image": lambda o: BidiImageInputEvent("iVBO", o.get("mime", "image/png")),
    "result": result,
}
SENT_BY_HAND: dict[str, Callable[..., ClientEvent]] = {
    "asks_by_hand": by_hand,
    "answers_by_hand": output_by_hand,
    "truncates_by_hand": truncate_by_hand,
}


BY_HAND: dict[str, Callable[[Conversation, float], Sequence[Effect]]] = {
    "interrupts": lambda conversation, now: conversation.interrupt(now),
    "commits": lambda conversation, now: conversation.commit(now, answered=True),
    "commits_only": lambda conversation, now: conversation.commit(now, answered=False),
    "clears": lambda conversation, now: conversation.clear(now),
}


# --- what comes out -----------------------------------------------------------------------------------------------


def shown_item(item: Item) -> str:
    match item:
        case MessageItem(role=role, content=content):
            return f"{role} " + " ".join(f"{part.type} {part.text or part.image_url}" for part in content)
        case FunctionCallItem():
            return f"call {item.call_id} {item.name} {item.arguments}"
        case FunctionCallOutputItem():
            return f"output of {item.call_id}: {item.output}"
        case _:
            return repr(item)


def shown_transmit(event: ClientEvent) -> str:
    match event:
        case ConversationItemCreate():
            what = f" {shown_item(event.item)}"
        case ConversationItemTruncate():
            what = f" {event.item_id} at {event.audio_end_ms}"
        case ConversationItemDelete():
            what = f" {event.item_id}"
        case ResponseCancel():
            what = f" {event.response_id}"
        case _:
            what = ""
    return f"send {event_type(event)}{what}"


def shown_transcript(event: BidiTranscriptStreamEvent) -> str:
    assert event.delta == {"text": event.text}
    final = " final" if event.is_final else ""
    return f"Transcript {event.role}{final} {event.text!r} of {event.current_transcript!r}"


def shown_complete(event: BidiResponseCompleteEvent) -> str:
    because = ""
    if event.details is not None:
        failure = event.details.get("error", {}).get("code")
        because = f" because {event.details['reason'] or failure}"
    return f"Complete {event.response_id} {event.stop_reason}{because}"


def shown_use(event: ToolUseStreamEvent) -> str:
    use = event.current_tool_use
    assert event.delta == {"toolUse": use}
    return f"ToolUse {use['toolUseId']} {use['name']} {json.dumps(use['input'])}"


SHOWN: dict[type, Callable[[Any], str]] = {
    Transmit: lambda effect: shown_transmit(effect.event),
    AudioDone: lambda effect: f"AudioDone {effect.item_id}",
    PurgeAudio: lambda effect: " but ".join(["PurgeAudio", *sorted(effect.kept)]),
    Opened: lambda _: "Opened",
    End: lambda effect: f"End {effect.reason}" + (f" {type(effect.error).__name__}" if effect.error else ""),
    BidiConnectionStartEvent: lambda event: f"ConnectionStart {event.connection_id} {event.model}",
    BidiResponseStartEvent: lambda event: f"ResponseStart {event.response_id}",
    BidiAudioStreamEvent: lambda event: f"AudioStream {event.response_id} {event.audio}",
    BidiTranscriptStreamEvent: shown_transcript,
    BidiInterruptionEvent: lambda event: f"Interruption {event.reason}",
    BidiResponseCompleteEvent: shown_complete,
    BidiUsageEvent: lambda event: f"Usage {event.input_tokens}+{event.output_tokens}={event.total_tokens}",
    ToolUseStreamEvent: shown_use,
    BidiErrorEvent: lambda event: f"Error {event.code}",
}


def shown(effect: Effect) -> str:
    return SHOWN[type(effect)](effect)


# --- the talk -----------------------------------------------------------------------------------------------------


class Talk:
    """A conversation and its transcript. Begins live, unless `opening`."""

    def __init__(self, *, opening: bool = False, **settings: Any) -> None:
        self.conversation = Conversation(config(**settings), "connection_1")
        self.now = 100.0
        self.effects: list[Effect] = []
        """What the last line brought."""
        if not opening:
            self.plays(">> session_created\n<< Opened\n<< ConnectionStart connection_1 gpt-realtime")

    def plays(self, transcript: str) -> "Talk":
        """Play the lines that go in, and check that exactly what the transcript says comes out."""
        expected = [line.strip() for line in transcript.strip().splitlines() if line.strip()]
        actual = []
        for line in expected:
            if line.startswith(">>"):
                actual += [line, *(f"<< {shown(effect)}" for effect in self.says(line.removeprefix(">>")))]
        assert actual == expected
        return self

    def says(self, line: str) -> Sequence[Effect]:
        """Play one line; give what comes out."""
        words = shlex.split(line)
        options = dict(word.partition("=")[::2] for word in words if "=" in word.partition(" ")[0])
        plain = [word for word in words if "=" not in word.partition(" ")[0]]
        flags = {word.removeprefix("+"): "" for word in plain if word.startswith("+")}
        name, *arguments = [word for word in plain if not word.startswith("+")]
        self.now += 0.001
        effects = self._do(name, arguments, {**options, **flags})
        self.effects = [effect for effect in effects if not isinstance(effect, Rearm)]
        return self.effects

    def _do(self, name: str, arguments: list[str], options: Options) -> Sequence[Effect]:
        if name == "wait":
            self.now += float(arguments[0])
            return self.conversation.tick(self.now)
        if name == "link_ended":
            code = int(options["code"]) if "code" in options else None
            return self.conversation.link_ended(ConnectionLost("gone", code=code, reason=options.get("reason")))
        if name == "unreadable":
            return self.conversation.violated(RemoteViolation("invalid_json", "no JSON"), "invalid_json", self.now)
        if name != "app":
            return self.conversation.receive(SERVICE[name](*arguments, options), self.now)
        verb, *rest = arguments
        if verb == "begins":
            return self.conversation.begin()
        if verb in BY_HAND:
            return BY_HAND[verb](self.conversation, self.now)
        if verb == "takes":
            return self._takes(*rest)
        if verb in SENT_BY_HAND:
            return self.conversation.sent_by_hand(SENT_BY_HAND[verb](*rest, options), self.now)
        return self.conversation.submit(SUBMITTED[verb](*rest, options), self.now)

    def _takes(self, item_id: str, ms: str) -> Sequence[Effect]:
        """Hand audio of an item to the application."""
        self.conversation.playback.delivered(item_id, int(ms) * 24, self.now)
        return []

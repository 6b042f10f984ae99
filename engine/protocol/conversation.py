"""The conversation: takes what the service and the application say, and tells what is to be done.

Events go in by `receive`, content by `submit`, time by `tick`; effects come out, in order. It never waits, knows no
clock but the `now` it is given, and raises on the application's mistakes only.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from engine import limits
from engine.config import WIRE_FORMATS, SessionConfig
from engine.contract import messages_to_items, tool_output
from engine.counting import NameCounts
from engine.errors import (
    BidiModelTimeoutError,
    ConnectionLost,
    DeadlinePassed,
    EngineError,
    LocalMisuse,
    ServerReported,
    UnsupportedContent,
)
from engine.events import (
    BidiAudioStreamEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    Role,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.protocol import server_errors
from engine.protocol.call_ids import CallIds
from engine.protocol.calls import Call, Calls
from engine.protocol.effects import Effect, End, Opened, PurgeAudio, Transmit
from engine.protocol.history import History
from engine.protocol.outcomes import complete_event, usage_event
from engine.protocol.response_gate import GateStatistics, ResponseGate
from engine.protocol.states import PHASES, SPEECHES, Phase, PhaseSignal, Speech, SpeechSignal
from engine.protocol.transcripts import Transcripts, transcript_event
from engine.wire import server as wire
from engine.wire.client import ClientEvent, ConversationItemCreate, ResponseCreate, SessionUpdate
from engine.wire.items import Content, FunctionCallItem, FunctionCallOutputItem, Item, MessageItem
from engine.wire.record import unknown_keys
from engine.wire.response import ErrorDetails, Response

_Handler = Callable[["Conversation", Any, float], Sequence[Effect]]

_NOTHING: Final[Sequence[Effect]] = ()
_REMEMBERED_RESPONSES: Final = 64
"""Ended responses whose ids are kept, to know a repeated or late event from a new one."""

IMAGE_TYPES: Final = ("image/png", "image/jpeg")


@attrs.frozen
class ConversationStatistics:
    """A snapshot of the conversation.

    Attributes:
        phase: Name of the session's phase.
        user_speaks: What the service heard last.
        gate: The response gate.
        history_items: Items that the mirror holds.
        unknown_events: Events of unknown type, by type.
        unknown_fields: Unknown fields, by `type:path`.
        out_of_order: Events that came where the protocol has no place for them, by type.
        violations: Messages that could not be read, by problem.
        silenced_audio: Audio events of interrupted responses that were not handed on.
    """

    phase: str
    user_speaks: bool
    gate: GateStatistics
    history_items: int
    unknown_events: Mapping[str, int]
    unknown_fields: Mapping[str, int]
    out_of_order: Mapping[str, int]
    violations: Mapping[str, int]
    silenced_audio: int


class Conversation:
    """One session's conversation.

    Args:
        config: The session's settings.
        connection_id: Names the session in its first event.
    """

    def __init__(self, config: SessionConfig, connection_id: str) -> None:
        self._config = config
        self._connection_id = connection_id
        self._audio = (config.audio.format, WIRE_FORMATS[config.audio.format][1])
        self._phase = Phase.OPENING
        self._speech = Speech.SILENT
        self._interrupts = True
        self._gate = ResponseGate(config.engine.response_request_deadline_s)
        self._calls = Calls()
        self._ids = CallIds()
        self._transcripts = Transcripts()
        self._events_sent = 0
        self._silenced: set[str] = set()
        self._aside: set[str] = set()
        self._ended: dict[str | None, None] = {}
        self._unknown_events = NameCounts()
        self._unknown_fields = NameCounts()
        self._out_of_order = NameCounts()
        self._violations = NameCounts()
        self._silenced_audio = 0
        self.history = History(limits.HISTORY_MAX_ITEMS)
        """The server's items."""

    @property
    def phase(self) -> Phase:
        """Where the session stands."""
        return self._phase

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do, or None."""
        return self._gate.deadline

    def statistics(self) -> ConversationStatistics:
        """Give a snapshot."""
        return ConversationStatistics(
            phase=self._phase.name.lower(),
            user_speaks=self._speech is Speech.SPEAKING,
            gate=self._gate.statistics(),
            history_items=len(self.history),
            unknown_events=self._unknown_events.snapshot(),
            unknown_fields=self._unknown_fields.snapshot(),
            out_of_order=self._out_of_order.snapshot(),
            violations=self._violations.snapshot(),
            silenced_audio=self._silenced_audio,
        )

    # --- the application's side -------------------------------------------------------------------------------

    def begin(self) -> list[Effect]:
        """Configure the session and replay its history: what to send first.

        Raises:
            UnsupportedContent: The history holds what the service can't take.
        """
        items = [self._create(item) for item in messages_to_items(self._config.history, self._ids.to_wire)]
        update = SessionUpdate(session=self._config.to_wire(), event_id=self._next_event_id())
        return [Transmit(update), *items]

    def submit(self, content: BidiTextInputEvent | BidiImageInputEvent | ToolResultEvent, now: float) -> list[Effect]:
        """Take content of the application's.

        Raises:
            UnsupportedContent: The content can't be sent.
            LocalMisuse: The call was answered before.
        """
        match content:
            case BidiTextInputEvent():
                effects = self._submit_text(content)
            case BidiImageInputEvent():
                effects = self._submit_image(content)
            case ToolResultEvent():
                effects = self._submit_result(content)
        return [*effects, *self._settle(now)]

    def sent_by_hand(self, event: ClientEvent, now: float) -> list[Effect]:
        """Take note of an event that the application sends by itself, past this conversation."""
        match event:
            case ResponseCreate(response=settings) if settings is None or settings.conversation != "none":
                self._gate.sent(event.event_id, now)
            case ConversationItemCreate(item=FunctionCallOutputItem(call_id=call_id)) if self._gate.is_open(call_id):
                self._gate.call_answered(call_id)
        return [Transmit(event), *self._settle(now)]

    def tick(self, now: float) -> list[Effect]:
        """Do what time has made due."""
        if not self._gate.expired(now):
            return []
        limit_s = self._config.engine.response_request_deadline_s
        return [BidiErrorEvent(DeadlinePassed("response_request", limit_s), received_at=now), *self._settle(now)]

    def _submit_text(self, content: BidiTextInputEvent) -> list[Effect]:
        if content.role not in {"user", "assistant"}:
            raise UnsupportedContent(f"role={content.role!r} | content not supported; use 'user' or 'assistant'")
        asks = content.role == "user"
        piece = Content(type="input_text" if asks else "output_text", text=content.text)
        if asks:
            self._gate.want()
        return [self._create(MessageItem(role=content.role, content=(piece,)))]

    def _submit_image(self, content: BidiImageInputEvent) -> list[Effect]:
        if not self._config.image_input:
            way_out = "set provider_config={'image_input': True} to send images"
            raise UnsupportedContent(f"content_type=BidiImageInputEvent | content not supported; {way_out}")
        if content.mime_type not in IMAGE_TYPES:
            way_out = f"use one of {', '.join(IMAGE_TYPES)}"
            raise UnsupportedContent(f"mime_type={content.mime_type!r} | content not supported; {way_out}")
        url = f"data:{content.mime_type};base64,{content.image}"
        return [self._create(MessageItem(role="user", content=(Content(type="input_image", image_url=url),)))]

    def _submit_result(self, content: ToolResultEvent) -> list[Effect]:
        call_id = self._ids.to_wire(content.tool_use_id)
        output = tool_output(content.tool_result.get("content"), content.tool_use_id)
        if self._gate.was_answered(call_id):
            raise LocalMisuse(f"call {content.tool_use_id!r} has its result already; each call takes exactly one")
        return [self._answer(call_id, output)]

    def _answer(self, call_id: str, output: str) -> Effect:
        self._gate.call_answered(call_id)
        return self._create(FunctionCallOutputItem(call_id=call_id, output=output))

    def _create(self, item: Item) -> Transmit:
        return Transmit(ConversationItemCreate(item=item, event_id=self._next_event_id()))

    def _settle(self, now: float) -> list[Effect]:
        """Ask for the response that is owed, if the way is free."""
        if not self._gate.ready():
            return []
        event_id = self._next_event_id()
        self._gate.sent(event_id, now)
        return [Transmit(ResponseCreate(event_id=event_id))]

    def _next_event_id(self) -> str:
        self._events_sent += 1
        return f"client_{self._events_sent}"

    # --- the service's side -----------------------------------------------------------------------------------

    def receive(self, event: wire.ServerEvent, now: float) -> Sequence[Effect]:
        """Take a server event. Raises nothing, whatever it is and whenever it comes."""
        cls = type(event)
        if event.extra or cls in _WITH_RECORDS:
            for path in unknown_keys(event):
                self._unknown_fields.add(f"{cls.tag}:{path}")
        handler = _HANDLERS.get(cls)
        if self._phase is Phase.LIVE:
            return handler(self, event, now) if handler is not None else _NOTHING
        if self._phase is Phase.ENDED:
            self._out_of_order.add(cls.tag or "unknown")
            return _NOTHING
        return self._receive_while_opening(event, handler, now)

    def _receive_while_opening(self, event: wire.ServerEvent, handler: _Handler | None, now: float) -> Sequence[Effect]:
        """The first event opens the session, unless it says why there will be none."""
        opening: list[Effect] = []
        if not isinstance(event, wire.ErrorReported):
            self._move(PhaseSignal.SESSION_CREATED)
            opening = [Opened(), BidiConnectionStartEvent(self._connection_id, self._config.model, received_at=now)]
        return [*opening, *(handler(self, event, now) if handler is not None else _NOTHING)]

    def violated(self, error: EngineError, problem: str, now: float) -> list[Effect]:
        """Take note of a message that could not be read, and tell of it."""
        self._violations.add(problem)
        return [BidiErrorEvent(error, {"problem": problem}, received_at=now)]

    def link_ended(self, lost: ConnectionLost) -> list[Effect]:
        """Tell what the end of the connection means for the session."""
        if self._phase is Phase.ENDED:
            return []
        self._move(PhaseSignal.LINK_ENDED)
        if lost.reason and server_errors.EXPIRY_WORDS in lost.reason:
            return [_expired(lost.reason, lost)]
        if lost.code == 1000:
            return [End("complete")]
        return [End("error", lost)]

    def _session(self, event: wire.SessionCreated | wire.SessionUpdated, _: float) -> Sequence[Effect]:
        audio = event.session.audio
        turns = audio.input.turn_detection if audio and audio.input else None
        self._interrupts = turns is None or turns.interrupt_response is not False
        return _NOTHING

    def _error(self, event: wire.ErrorReported, now: float) -> Sequence[Effect]:
        details = event.error
        code = details.code
        if code in server_errors.BENIGN:
            return _NOTHING
        if code == server_errors.SESSION_EXPIRED:
            self._move(PhaseSignal.FATAL_ERROR)
            return [_expired(details.message or "the session's time is over", _reported(details))]
        if self._gate.refused(details.event_id, because_active=code == server_errors.RESPONSE_ACTIVE):
            return self._settle(now)
        error = _reported(details)
        told = BidiErrorEvent(
            error,
            {"type": details.type, "param": details.param, "client_event_id": details.event_id},
            event_id=event.event_id,
            received_at=now,
        )
        if error.fatal:
            self._move(PhaseSignal.FATAL_ERROR)
            return [told, End("error", error)]
        return [told, *self._settle(now)]

    def _speech_started(self, event: wire.InputAudioBufferSpeechStarted, now: float) -> Sequence[Effect]:
        self._hear(SpeechSignal.STARTED)
        told = BidiInterruptionEvent("user_speech", item_id=event.item_id, event_id=event.event_id, received_at=now)
        if not self._interrupts:
            return [told]
        if self._gate.active_id is not None:
            self._silenced.add(self._gate.active_id)
        return [PurgeAudio(frozenset(self._aside)), told]

    def _speech_stopped(self, _: wire.InputAudioBufferSpeechStopped, __: float) -> Sequence[Effect]:
        self._hear(SpeechSignal.STOPPED)
        return _NOTHING

    def _cleared(self, _: wire.InputAudioBufferCleared, __: float) -> Sequence[Effect]:
        self._hear(SpeechSignal.CLEARED)
        return _NOTHING

    def _item(self, event: wire.PlacedItemEvent, _: float) -> Sequence[Effect]:
        self.history.put(event.item, event.previous_item_id)
        return _NOTHING

    def _item_truncated(self, event: wire.ConversationItemTruncated, _: float) -> Sequence[Effect]:
        self.history.truncated(event.item_id, event.audio_end_ms)
        return _NOTHING

    def _item_deleted(self, event: wire.ConversationItemDeleted, _: float) -> Sequence[Effect]:
        self.history.deleted(event.item_id)
        return _NOTHING

    def _response_created(self, event: wire.ResponseCreated, now: float) -> Sequence[Effect]:
        response = event.response
        if response.id in self._ended or (response.id is not None and response.id == self._gate.active_id):
            self._out_of_order.add("response.created")
            return _NOTHING
        if _is_aside(response) and response.id is not None:
            self._aside.add(response.id)
        else:
            self._gate.created(response.id)
        return [BidiResponseStartEvent(response.id or "unknown", event_id=event.event_id, received_at=now)]

    def _response_done(self, event: wire.ResponseDone, now: float) -> Sequence[Effect]:
        response = event.response
        if response.id in self._ended:
            self._out_of_order.add("response.done")
            return _NOTHING
        calls = self._late_calls(response, event.event_id, now)
        has_calls = self._calls.in_response(response.id)
        self._finish(response, has_calls=has_calls)
        told: list[Effect] = [
            *calls,
            complete_event(response, has_calls=has_calls, event_id=event.event_id, received_at=now),
        ]
        usage = usage_event(response, event_id=event.event_id, received_at=now)
        if usage is not None:
            told.append(usage)
        error = response.status_details.error if response.status_details else None
        if error is not None and error.code in server_errors.FATAL:
            self._move(PhaseSignal.FATAL_ERROR)
            return [*told, End("error", _reported(error))]
        return [*told, *self._settle(now)]

    def _finish(self, response: Response, *, has_calls: bool) -> None:
        if response.id in self._aside:
            self._aside.discard(response.id)
        else:
            self._gate.done(response.id)
            if not has_calls:
                self._gate.turn_passed(response.id)
        if response.id is not None:
            self._silenced.discard(response.id)
            self._ended[response.id] = None
            if len(self._ended) > _REMEMBERED_RESPONSES:
                del self._ended[next(iter(self._ended))]

    def _late_calls(self, response: Response, event_id: str | None, now: float) -> list[Effect]:
        """Tell calls that only the finished response shows."""
        effects: list[Effect] = []
        for item in response.output or ():
            if isinstance(item, FunctionCallItem) and response.status == "completed":
                effects += self._tell_call(self._calls.item_done(item, response.id or ""), response.id, event_id, now)
        return effects

    def _output_item_added(self, event: wire.ResponseOutputItemAdded, _: float) -> Sequence[Effect]:
        if isinstance(event.item, FunctionCallItem):
            self._calls.begun(event.item)
        return _NOTHING

    def _output_item_done(self, event: wire.ResponseOutputItemDone, now: float) -> Sequence[Effect]:
        if not isinstance(event.item, FunctionCallItem):
            return _NOTHING
        call = self._calls.item_done(event.item, event.response_id)
        return self._tell_call(call, event.response_id, event.event_id, now)

    def _arguments_done(self, event: wire.ResponseFunctionCallArgumentsDone, now: float) -> Sequence[Effect]:
        return self._tell_call(self._calls.arguments_done(event), event.response_id, event.event_id, now)

    def _tell_call(self, call: Call | None, response_id: str | None, event_id: str | None, now: float) -> list[Effect]:
        if call is None:
            return []
        if response_id not in self._aside:
            self._gate.call_opened(call.call_id, response_id or "")
        if call.arguments is None:
            return self._refuse_call(call, response_id, now)
        use = {"toolUseId": self._ids.to_application(call.call_id), "name": call.name, "input": call.arguments}
        return [
            ToolUseStreamEvent(
                delta={"toolUse": use},
                current_tool_use=dict(use),
                response_id=response_id,
                item_id=call.item_id,
                event_id=event_id,
                received_at=now,
            )
        ]

    def _refuse_call(self, call: Call, response_id: str | None, now: float) -> list[Effect]:
        """Tell both sides that the arguments can't be used, so that the talk goes on."""
        text = f"The arguments of {call.name} are not a JSON object. Call it again with a JSON object."
        output = tool_output([{"text": text}], call.call_id)
        error = ServerReported(text, code="invalid_function_arguments", error_type="model_error")
        told = BidiErrorEvent(
            error, {"toolUseId": call.call_id, "name": call.name}, response_id=response_id, received_at=now
        )
        return [told, self._answer(call.call_id, output), *self._settle(now)]

    def _audio_delta(self, event: wire.ResponseOutputAudioDelta, now: float) -> Sequence[Effect]:
        if event.response_id in self._silenced:
            self._silenced_audio += 1
            return _NOTHING
        audio_format, rate = self._audio
        return (
            BidiAudioStreamEvent(
                audio=event.delta,
                format=audio_format,
                sample_rate=rate,
                channels=1,
                response_id=event.response_id,
                item_id=event.item_id,
                content_index=event.content_index,
                event_id=event.event_id,
                received_at=now,
            ),
        )

    def _words(
        self, event: wire.ResponseOutputTextDelta | wire.ResponseOutputAudioTranscriptDelta, now: float
    ) -> Sequence[Effect]:
        so_far = self._transcripts.grow((event.item_id, event.content_index), event.delta)
        return [self._said(event, event.delta, "assistant", so_far=so_far, is_final=False, now=now)]

    def _text_done(self, event: wire.ResponseOutputTextDone, now: float) -> Sequence[Effect]:
        return self._final_words(event, event.text, now)

    def _transcript_done(self, event: wire.ResponseOutputAudioTranscriptDone, now: float) -> Sequence[Effect]:
        return self._final_words(event, event.transcript, now)

    def _final_words(self, event: wire.ContentEvent, text: str, now: float) -> Sequence[Effect]:
        self._transcripts.finish((event.item_id, event.content_index))
        self.history.said(event.item_id, text)
        return [self._said(event, text, "assistant", so_far=text, is_final=True, now=now)]

    def _heard_delta(self, event: wire.ConversationItemInputAudioTranscriptionDelta, now: float) -> Sequence[Effect]:
        text = event.delta or ""
        so_far = self._transcripts.grow((event.item_id, event.content_index or 0), text)
        if not text.strip():
            return _NOTHING
        return [self._said(event, text, "user", so_far=so_far, is_final=False, now=now)]

    def _heard(self, event: wire.ConversationItemInputAudioTranscriptionCompleted, now: float) -> Sequence[Effect]:
        self._transcripts.finish((event.item_id, event.content_index))
        self.history.said(event.item_id, event.transcript)
        if not event.transcript.strip():
            return _NOTHING
        return [self._said(event, event.transcript, "user", so_far=event.transcript, is_final=True, now=now)]

    def _heard_segment(
        self, event: wire.ConversationItemInputAudioTranscriptionSegment, now: float
    ) -> Sequence[Effect]:
        if not event.text.strip():
            return _NOTHING
        return [self._said(event, event.text, "user", so_far=event.text, is_final=True, now=now)]

    def _not_heard(self, event: wire.ConversationItemInputAudioTranscriptionFailed, now: float) -> Sequence[Effect]:
        self._transcripts.finish((event.item_id, event.content_index))
        details = {"type": event.error.type, "param": event.error.param, "client_event_id": None}
        error = _reported(event.error)
        return [BidiErrorEvent(error, details, item_id=event.item_id, event_id=event.event_id, received_at=now)]

    def _said(self, event: Any, text: str, role: Role, *, so_far: str, is_final: bool, now: float) -> Effect:
        return transcript_event(
            text,
            role,
            is_final=is_final,
            so_far=so_far,
            item_id=event.item_id,
            content_index=event.content_index or 0,
            event_id=event.event_id,
            received_at=now,
            response_id=getattr(event, "response_id", None),
        )

    def _unknown(self, event: wire.UnknownServerEvent, _: float) -> Sequence[Effect]:
        self._unknown_events.add(event.type)
        return _NOTHING

    def _move(self, signal: PhaseSignal) -> None:
        self._phase = PHASES.get((self._phase, signal), self._phase)

    def _hear(self, signal: SpeechSignal) -> None:
        self._speech = SPEECHES.get((self._speech, signal), self._speech)


def _is_aside(response: Response) -> bool:
    """A response outside the conversation says so with an explicit null."""
    return response.conversation_id is None and "conversation_id" in response.extra


def _reported(details: ErrorDetails) -> ServerReported:
    return ServerReported(
        details.message or "",
        code=details.code,
        error_type=details.type,
        param=details.param,
        client_event_id=details.event_id,
        fatal=details.code in server_errors.FATAL,
    )


def _expired(words: str, cause: Exception) -> End:
    error = BidiModelTimeoutError(words)
    error.__cause__ = cause
    return End("timeout", error)


_HANDLERS: Final[Mapping[type, _Handler]] = {
    wire.ResponseOutputAudioDelta: Conversation._audio_delta,
    wire.ResponseOutputAudioTranscriptDelta: Conversation._words,
    wire.ResponseOutputTextDelta: Conversation._words,
    wire.ResponseOutputAudioTranscriptDone: Conversation._transcript_done,
    wire.ResponseOutputTextDone: Conversation._text_done,
    wire.ResponseCreated: Conversation._response_created,
    wire.ResponseDone: Conversation._response_done,
    wire.ResponseOutputItemAdded: Conversation._output_item_added,
    wire.ResponseOutputItemDone: Conversation._output_item_done,
    wire.ResponseFunctionCallArgumentsDone: Conversation._arguments_done,
    wire.ConversationItemAdded: Conversation._item,
    wire.ConversationItemDone: Conversation._item,
    wire.ConversationItemCreated: Conversation._item,
    wire.ConversationItemTruncated: Conversation._item_truncated,
    wire.ConversationItemDeleted: Conversation._item_deleted,
    wire.ConversationItemInputAudioTranscriptionDelta: Conversation._heard_delta,
    wire.ConversationItemInputAudioTranscriptionCompleted: Conversation._heard,
    wire.ConversationItemInputAudioTranscriptionSegment: Conversation._heard_segment,
    wire.ConversationItemInputAudioTranscriptionFailed: Conversation._not_heard,
    wire.InputAudioBufferSpeechStarted: Conversation._speech_started,
    wire.InputAudioBufferSpeechStopped: Conversation._speech_stopped,
    wire.InputAudioBufferCleared: Conversation._cleared,
    wire.SessionCreated: Conversation._session,
    wire.SessionUpdated: Conversation._session,
    wire.ErrorReported: Conversation._error,
    wire.UnknownServerEvent: Conversation._unknown,
}

_WITH_RECORDS: Final = frozenset(
    {
        wire.SessionCreated,
        wire.SessionUpdated,
        wire.ErrorReported,
        wire.RateLimitsUpdated,
        wire.ConversationItemAdded,
        wire.ConversationItemDone,
        wire.ConversationItemCreated,
        wire.ConversationItemRetrieved,
        wire.ConversationItemInputAudioTranscriptionCompleted,
        wire.ConversationItemInputAudioTranscriptionFailed,
        wire.ResponseCreated,
        wire.ResponseDone,
        wire.ResponseOutputItemAdded,
        wire.ResponseOutputItemDone,
        wire.ResponseContentPartAdded,
        wire.ResponseContentPartDone,
    }
)
"""Events that hold records, whose unknown fields are looked for inside as well."""

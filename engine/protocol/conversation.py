"""The conversation: takes what the service and the application say, and tells what is to be done.

Events go in by `receive`, content by `submit`, time by `tick`; effects come out, in order. It never waits, knows no
clock but the `now` it is given, and raises on the application's mistakes only. Nothing comes out after `End`.
Responses are the business of `turns`, words that of `utterances`; what is left is the session itself.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import attrs

from engine import limits
from engine.audio.playback import Playback
from engine.config import SessionConfig
from engine.config.changes import Standing
from engine.contract import messages_to_items
from engine.counting import NameCounts
from engine.errors import (
    ConnectionLost,
    DeadlinePassed,
    EngineError,
    RemoteViolation,
    SessionEnded,
    UnsupportedContent,
)
from engine.events import (
    BidiErrorEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiTextInputEvent,
    ToolResultEvent,
)
from engine.protocol import server_errors
from engine.protocol.asking import Asked, is_aside
from engine.protocol.call_ids import CallIds
from engine.protocol.composer import Composer
from engine.protocol.effective import Effective
from engine.protocol.effects import Effect, End, Opened, Rearm, Transmit
from engine.protocol.history import PLACED_FIRST, History
from engine.protocol.life import Life
from engine.protocol.mcp import Mcp
from engine.protocol.mcp_listener import MCP_ITEMS, McpListener
from engine.protocol.requests import Answered
from engine.protocol.response_gate import GateStatistics
from engine.protocol.states import SPEECHES, Gate, Phase, Speech, SpeechSignal
from engine.protocol.turns import Turns
from engine.protocol.utterances import Utterances
from engine.wire import server as wire
from engine.wire.client import ClientEvent, ResponseCancel
from engine.wire.items import Content, Item, MessageItem
from engine.wire.record import misfit_keys, unknown_keys
from engine.wire.response import ErrorDetails

_NOTHING: Final[Sequence[Effect]] = ()
_Handler = Callable[[Any, float], Sequence[Effect]]

IMAGE_TYPES: Final = ("image/png", "image/jpeg")
"""Images that the service takes (API reference)."""


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
        misfit_fields: Optional fields whose value had another type and was not used, by `type:path`.
        out_of_order: Events that came where the protocol has no place for them, by type.
        violations: Messages that could not be read, by problem.
        silenced_audio: Audio events of interrupted responses that were not handed on.
        truncated: Items that the service was told to cut or delete, as they were not heard to their end.
        truncations_refused: Those that it did not.
        history_forgotten: Items that the mirror dropped at its bounds.
        playback_forgotten: Items of which it is not known any more what was heard.
    """

    phase: str
    user_speaks: bool
    gate: GateStatistics
    history_items: int
    unknown_events: Mapping[str, int]
    unknown_fields: Mapping[str, int]
    misfit_fields: Mapping[str, int]
    out_of_order: Mapping[str, int]
    violations: Mapping[str, int]
    silenced_audio: int
    truncated: int
    truncations_refused: int
    history_forgotten: int
    playback_forgotten: int


class Conversation:
    """One session's conversation.

    Args:
        config: The session's settings.
        connection_id: Names the session in its first event.
    """

    def __init__(self, config: SessionConfig, connection_id: str) -> None:
        self._config = config
        self._life = Life(connection_id, config.model)
        self._speech = Speech.SILENT
        self._configured: ClientEvent | None = None
        self.effective = Effective(config)
        """The settings as the service tells them."""
        self._unknown_events = NameCounts()
        self._unknown_fields = NameCounts()
        self._misfit_fields = NameCounts()
        self.history = History(limits.HISTORY_MAX_ITEMS)
        """The server's items."""
        self._composer = Composer()
        self._ids = CallIds()
        self._turns = Turns(config, self._composer, self._ids, self._life.out_of_order)
        self._asking = self._turns.asking
        self._apart = self._asking.apart
        self._mcp = McpListener(self._turns.gate, self._turns.settle)
        self._handlers: Mapping[type, _Handler] = {
            wire.SessionCreated: self._session,
            wire.SessionUpdated: self._session,
            wire.ErrorReported: self._error,
            wire.InputAudioBufferSpeechStarted: self._speech_started,
            wire.InputAudioBufferSpeechStopped: self._speech_stopped,
            wire.InputAudioBufferCleared: self._buffer_cleared,
            wire.ConversationItemAdded: self._item,
            wire.ConversationItemDone: self._item,
            wire.ConversationItemCreated: self._item,
            wire.ConversationItemTruncated: self._item_truncated,
            wire.ConversationItemDeleted: self._item_deleted,
            wire.ConversationItemRetrieved: self._asking.answered,
            wire.UnknownServerEvent: self._unknown,
            **self._mcp.handlers,
            **self._turns.handlers,
            wire.ResponseCreated: self._response_created,
            wire.ResponseOutputItemAdded: self._output_item,
            wire.ResponseOutputItemDone: self._output_item,
            wire.ResponseDone: self._response_done,
            **Utterances(self.history).handlers,
        }

    @property
    def phase(self) -> Phase:
        """Where the session stands."""
        return self._life.phase

    @property
    def playback(self) -> Playback:
        """What the user has heard."""
        return self._turns.playback

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do, or None."""
        if self._life.end is not None:
            return None
        both = (self._turns.gate.deadline, self._turns.requests.deadline)
        return min((each for each in both if each is not None), default=None)

    @property
    def standing(self) -> Standing:
        """What decides which settings can change now."""
        active = self._turns.gate.state is Gate.ACTIVE
        return self.effective.standing(has_spoken=self._turns.has_spoken, response_active=active)

    @property
    def mcp(self) -> Mcp:
        """What the service calls by itself."""
        return self._mcp.mcp

    def statistics(self) -> ConversationStatistics:
        """Give a snapshot."""
        return ConversationStatistics(
            phase=self._life.phase.name.lower(),
            user_speaks=self._speech is Speech.SPEAKING,
            gate=self._turns.gate.statistics(),
            history_items=len(self.history),
            unknown_events=self._unknown_events.snapshot(),
            unknown_fields=self._unknown_fields.snapshot(),
            misfit_fields=self._misfit_fields.snapshot(),
            out_of_order=self._life.out_of_order.snapshot(),
            violations=self._life.violations.snapshot(),
            silenced_audio=self._turns.silenced_audio,
            truncated=self._turns.interruptions.truncated,
            truncations_refused=self._turns.interruptions.refused_by_service,
            history_forgotten=self.history.forgotten,
            playback_forgotten=self.playback.forgotten,
        )

    # --- the application's side -------------------------------------------------------------------------------

    def begin(self) -> list[Effect]:
        """Configure the session and replay its history: what to send first.

        Raises:
            UnsupportedContent: The history holds what the service can't take.
        """
        items = [self._composer.add(item) for item in messages_to_items(self._config.history, self._ids.to_wire)]
        for _ in items:
            self._turns.gate.item_sent()
        configure = self._composer.configure(self._config.to_wire())
        self._configured = cast("ClientEvent", configure.event)
        return [configure, *items]

    def submit(self, content: BidiTextInputEvent | BidiImageInputEvent | ToolResultEvent, now: float) -> list[Effect]:
        """Take content of the application's.

        Raises:
            UnsupportedContent: The content can't be sent.
            LocalMisuse: The call was answered before.
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        match content:
            case BidiTextInputEvent():
                effect = self._submit_text(content)
            case BidiImageInputEvent():
                effect = self._submit_image(content)
            case _:
                effect = self._turns.answer(content)
        self._turns.gate.item_sent()
        return [effect, *self._turns.settle(now)]

    def ask(self, event: ClientEvent, now: float) -> Asked:
        """Take a request that is waited for: `Answered` tells its end, which comes in any case.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        asked = self._asking.ask(event, now)
        return Asked(asked.ticket, [*asked.effects, *self._turns.settle(now)])

    def withdraw(self, ticket: int) -> None:
        """Take note that nobody waits for an answer any more: what has not been sent never will be."""
        self._asking.withdraw(ticket)

    def sent_by_hand(self, event: ClientEvent, now: float) -> list[Effect]:
        """Take note of an event that the application sends by itself, past this conversation.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        self._turns.sent_by_hand(event, now)
        return [Transmit(event), Rearm(), *self._turns.settle(now)]

    def interrupt(self, now: float) -> list[Effect]:
        """Fall silent at the application's wish, as if the user had begun to speak.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        told = BidiInterruptionEvent("user_speech", received_at=now)
        return [*self._turns.cancel(now), *self._turns.interrupt(now, told)]

    def commit(self, now: float, *, answered: bool) -> list[Effect]:
        """Make a turn of the audio that was sent; `answered` asks for a response to it.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        if answered:
            self._turns.gate.want()
        return [self._composer.commit(), *self._turns.settle(now)]

    def clear(self, now: float) -> list[Effect]:
        """Throw away the audio that was sent since the last turn.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        return [self._composer.clear(), *self._turns.settle(now)]

    def tell(self, text: str, now: float) -> list[Effect]:
        """Tell the model something that neither side has said, and ask for a response to it once the way is free.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        told = self._composer.add(_message("system", Content(type="input_text", text=text)))
        self._turns.gate.want()
        self._turns.gate.item_sent()
        return [told, *self._turns.settle(now)]

    @property
    def at_rest(self) -> bool:
        """Tell whether no response is active, asked for or owed."""
        gate = self._turns.gate.statistics()
        return self._turns.gate.state is Gate.FREE and not gate.owed and not gate.in_line

    def tick(self, now: float) -> list[Effect]:
        """Do what time has made due."""
        if self._life.end is not None:
            return []
        settings = self._config.engine
        told: list[DeadlinePassed] = []
        was_asked = self._turns.gate.asked_id is not None
        late = self._turns.requests.expired(now)
        if self._turns.gate.expired(now) and not was_asked:
            told.append(DeadlinePassed("response_request", settings.response_request_deadline_s))
        if self._turns.gate.released(now):
            told.append(DeadlinePassed("tool_result", settings.tool_result_deadline_s))
        errors = (BidiErrorEvent(error, received_at=now) for error in told)
        return [*late, *errors, *self._asking.due(now), *self._turns.settle(now)]

    def _submit_text(self, content: BidiTextInputEvent) -> Effect:
        if content.role not in {"user", "assistant"}:
            raise UnsupportedContent(f"role={content.role!r} | content not supported; use 'user' or 'assistant'")
        if content.role == "assistant":
            # Words put into the model's mouth; it is not asked to answer itself.
            return self._composer.add(_message("assistant", Content(type="output_text", text=content.text)))
        self._turns.gate.want()
        return self._composer.add(_message("user", Content(type="input_text", text=content.text)))

    def _submit_image(self, content: BidiImageInputEvent) -> Effect:
        if not self._config.image_input:
            way_out = "set provider_config={'image_input': True} to send images"
            raise UnsupportedContent(f"content_type=BidiImageInputEvent | content not supported; {way_out}")
        if content.mime_type not in IMAGE_TYPES:
            way_out = f"use one of {', '.join(IMAGE_TYPES)}"
            raise UnsupportedContent(f"mime_type={content.mime_type!r} | content not supported; {way_out}")
        url = f"data:{content.mime_type};base64,{content.image}"
        return self._composer.add(_message("user", Content(type="input_image", image_url=url)))

    # --- the service's side -----------------------------------------------------------------------------------

    def receive(self, event: wire.ServerEvent, now: float) -> Sequence[Effect]:
        """Take a server event. Raises nothing, whatever it is and whenever it comes."""
        cls = type(event)
        if (event.extra or cls in _WITH_RECORDS) and cls is not wire.UnknownServerEvent:
            for path in unknown_keys(event):
                self._unknown_fields.add(f"{cls.tag}:{path}")
            for path in misfit_keys(event):
                self._misfit_fields.add(f"{cls.tag}:{path}")
        effects = self._life.receive(event, self._handlers.get(cls), now)
        return self._asking.set_apart(event, effects) if self._apart else effects

    def violated(self, error: EngineError, problem: str, now: float) -> list[Effect]:
        """Take note of a message that could not be read, tell of it, and go on as if it had been."""
        told = self._life.violated(error, problem, now)
        if self._life.phase is not Phase.LIVE or isinstance(told[0], Opened):
            return told
        if isinstance(error, RemoteViolation) and error.event_type == wire.ResponseDone.tag:
            self._turns.gate.none_active()
        return [*told, *self._turns.settle(now)]

    def link_ended(self, lost: ConnectionLost) -> list[Effect]:
        """Tell what the end of the connection means for the session."""
        return self._closing(self._life.link_ended(lost))

    def _session(self, event: wire.SessionCreated | wire.SessionUpdated, now: float) -> Sequence[Effect]:
        self.effective.told(event)
        if isinstance(event, wire.SessionCreated) and self._configured is not None:
            self._turns.requests.note(self._configured, now)
        return self._asking.answered(event, now)

    def _error(self, event: wire.ErrorReported, now: float) -> Sequence[Effect]:
        details = event.error
        if details.code in server_errors.BENIGN:
            return self._not_active(details, now)
        if self._turns.interruptions.refused(details) or self._lost_race(details):
            return self._turns.settle(now)
        answers = self._asking.refused(details, now)
        if not any(isinstance(each, Answered) for each in answers):
            told = self._life.reported(event, now)
        else:
            told = self._life.fatal(details) if details.code in server_errors.FATAL else []
        if self._life.end is not None:
            return [*answers, *self._closing(told)]
        return [*told, *answers, *self._turns.settle(now)]

    def _not_active(self, details: ErrorDetails, now: float) -> Sequence[Effect]:
        """A response to be stopped was not there. Unless another one was meant, none of the conversation is active."""
        about = self._turns.requests.about(details)
        meant = about.response_id if isinstance(about, ResponseCancel) else None
        # An error can be late: what it is about may be over, and another response active since.
        active = self._turns.gate.active_id
        if meant in {None, active} and not self._turns.requests.is_stopped(active, about):
            self._turns.gate.none_active()
        return [*self._asking.refused(details, now), *self._turns.settle(now)]

    def _lost_race(self, details: ErrorDetails) -> bool:
        """Tell whether a request of ours was refused that will be sent again, or that nobody needs any more."""
        asked, because_active = self._turns.gate.asked_id, details.code == server_errors.RESPONSE_ACTIVE
        if not self._turns.gate.refused(details.event_id, because_active=because_active):
            return False
        if asked is not None:
            self._asking.lost_race(asked)
        return True

    def _closing(self, effects: list[Effect]) -> list[Effect]:
        """At the session's end nothing stays without an answer."""
        end = self._life.end
        if end is None or not effects:
            return effects
        return [*self._turns.requests.close(lambda: _ended(end)), *effects]

    def _response_created(self, event: wire.ResponseCreated, now: float) -> Sequence[Effect]:
        told = self._turns.handlers[wire.ResponseCreated](event, now)
        if not is_aside(event.response):
            self.mcp.response_began(event.response.id or "")
        return told

    def _output_item(
        self, event: wire.ResponseOutputItemAdded | wire.ResponseOutputItemDone, now: float
    ) -> Sequence[Effect]:
        if isinstance(event.item, MCP_ITEMS):
            done = isinstance(event, wire.ResponseOutputItemDone)
            return self._mcp.item(event, event.item, event.response_id, now, done=done)
        return self._turns.handlers[type(event)](event, now)

    def _response_done(self, event: wire.ResponseDone, now: float) -> Sequence[Effect]:
        told = [*self._turns.handlers[wire.ResponseDone](event, now), *self._mcp.ended(event, now)]
        why = event.response.status_details
        if why is None or why.error is None or why.error.code not in server_errors.FATAL:
            return told
        return [*told, *self._closing(self._life.fatal(why.error))]

    def _speech_started(self, event: wire.InputAudioBufferSpeechStarted, now: float) -> Sequence[Effect]:
        self._hear(SpeechSignal.STARTED)
        self._turns.gate.turn_began()
        self._turns.cuts = self.effective.interrupts
        told = BidiInterruptionEvent("user_speech", item_id=event.item_id, event_id=event.event_id, received_at=now)
        return self._turns.interrupt(now, told) if self.effective.interrupts else [told]

    def _speech_stopped(self, _: wire.InputAudioBufferSpeechStopped, now: float) -> Sequence[Effect]:
        self._hear(SpeechSignal.STOPPED)
        self._turns.gate.turn_ended(now, answered=self.effective.answers)
        return [Rearm(), *self._turns.settle(now)]

    def _buffer_cleared(self, _: wire.InputAudioBufferCleared, now: float) -> Sequence[Effect]:
        self._hear(SpeechSignal.CLEARED)
        self._turns.gate.turn_ended(now, answered=False)
        return self._turns.settle(now)

    def _item(self, event: wire.PlacedItemEvent, now: float) -> Sequence[Effect]:
        first = self._asking.put_first(event.item.id)
        self.history.put(event.item, PLACED_FIRST if first else event.previous_item_id)
        if not isinstance(event, wire.ConversationItemDone) and _is_the_clients(event.item):
            self._turns.gate.item_seen()
        return [*self._asking.answered(event, now), *self._mcp.item(event, event.item, None, now, done=False)]

    def _item_truncated(self, event: wire.ConversationItemTruncated, now: float) -> Sequence[Effect]:
        received_ms = self.playback.received_ms(event.item_id)
        if received_ms > 0:
            self.history.received(event.item_id, received_ms)
        self.history.truncated(event.item_id, event.audio_end_ms)
        self._turns.interruptions.settled(event.item_id)
        return self._asking.answered(event, now)

    def _item_deleted(self, event: wire.ConversationItemDeleted, now: float) -> Sequence[Effect]:
        self.history.deleted(event.item_id)
        self._turns.interruptions.settled(event.item_id)
        return self._asking.answered(event, now)

    def _unknown(self, event: wire.UnknownServerEvent, _: float) -> Sequence[Effect]:
        self._unknown_events.add(event.type)
        return _NOTHING

    def _hear(self, signal: SpeechSignal) -> None:
        self._speech = SPEECHES.get((self._speech, signal), self._speech)


def _is_the_clients(item: Item) -> bool:
    """Tell an item that a client added from one that the service makes, or that was spoken."""
    if isinstance(item, MCP_ITEMS):
        return False
    spoken = isinstance(item, MessageItem) and any(content.type == "input_audio" for content in item.content)
    return item.status != "in_progress" and not spoken


def _ended(end: End) -> SessionEnded:
    error = SessionEnded(end.reason)
    error.__cause__ = end.error
    return error


def _message(role: str, content: Content) -> MessageItem:
    return MessageItem(role=role, content=(content,))


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

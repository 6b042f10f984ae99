"""The conversation: takes what the service and the application say, and tells what is to be done.

Events go in by `receive`, content by `submit`, time by `tick`; effects come out, in order. It never waits, knows no
clock but the `now` it is given, and raises on the application's mistakes only. Nothing comes out after `End`.
Responses are the business of `turns`, words that of `utterances`; what is left is the session itself.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from engine import limits
from engine.audio.playback import Playback
from engine.config import SessionConfig
from engine.contract import messages_to_items
from engine.counting import NameCounts
from engine.errors import (
    ConnectionLost,
    DeadlinePassed,
    EngineError,
    RemoteViolation,
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
from engine.protocol.call_ids import CallIds
from engine.protocol.composer import Composer
from engine.protocol.effects import Effect, Opened, Rearm, Transmit
from engine.protocol.history import History
from engine.protocol.life import Life
from engine.protocol.response_gate import GateStatistics
from engine.protocol.states import SPEECHES, Phase, Speech, SpeechSignal
from engine.protocol.turns import Turns
from engine.protocol.utterances import Utterances
from engine.wire import server as wire
from engine.wire.client import ClientEvent
from engine.wire.items import Content, Item, MessageItem
from engine.wire.record import misfit_keys, unknown_keys

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
        self._interrupts = self._answers = True
        self.detects_turns = config.turn_detection is not None
        """The service finds the ends of spoken turns."""
        self._unknown_events = NameCounts()
        self._unknown_fields = NameCounts()
        self._misfit_fields = NameCounts()
        self.history = History(limits.HISTORY_MAX_ITEMS)
        """The server's items."""
        self._composer = Composer()
        self._ids = CallIds()
        self._turns = Turns(config, self._composer, self._ids, self._life.out_of_order)
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
            wire.UnknownServerEvent: self._unknown,
            **self._turns.handlers,
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
        return self._turns.gate.deadline if self._life.end is None else None

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
        return [self._composer.configure(self._config.to_wire()), *items]

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
        return [*self._turns.cancel(), *self._turns.interrupt(now, told)]

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

    def tick(self, now: float) -> list[Effect]:
        """Do what time has made due."""
        if self._life.end is not None:
            return []
        settings = self._config.engine
        told: list[DeadlinePassed] = []
        if self._turns.gate.expired(now):
            told.append(DeadlinePassed("response_request", settings.response_request_deadline_s))
        if self._turns.gate.released(now):
            told.append(DeadlinePassed("tool_result", settings.tool_result_deadline_s))
        return [*(BidiErrorEvent(error, received_at=now) for error in told), *self._turns.settle(now)]

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
        return self._life.receive(event, self._handlers.get(cls), now)

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
        return self._life.link_ended(lost)

    def _session(self, event: wire.SessionCreated | wire.SessionUpdated, _: float) -> Sequence[Effect]:
        audio = event.session.audio
        turns = audio.input.turn_detection if audio and audio.input else None
        if isinstance(event, wire.SessionUpdated):
            self.detects_turns = turns is not None
        self._interrupts = turns is None or turns.interrupt_response is not False
        self._answers = turns is None or turns.create_response is not False
        return _NOTHING

    def _error(self, event: wire.ErrorReported, now: float) -> Sequence[Effect]:
        details = event.error
        if details.code in server_errors.BENIGN:
            self._turns.gate.none_active()
            return self._turns.settle(now)
        if self._turns.interruptions.refused(details):
            return self._turns.settle(now)
        because_active = details.code == server_errors.RESPONSE_ACTIVE
        if self._turns.gate.refused(details.event_id, because_active=because_active):
            return self._turns.settle(now)
        told = self._life.reported(event, now)
        return told if self._life.end is not None else [*told, *self._turns.settle(now)]

    def _response_done(self, event: wire.ResponseDone, now: float) -> Sequence[Effect]:
        told = self._turns.handlers[wire.ResponseDone](event, now)
        why = event.response.status_details
        if why is None or why.error is None or why.error.code not in server_errors.FATAL:
            return told
        return [*told, *self._life.fatal(why.error)]

    def _speech_started(self, event: wire.InputAudioBufferSpeechStarted, now: float) -> Sequence[Effect]:
        self._hear(SpeechSignal.STARTED)
        self._turns.gate.turn_began()
        told = BidiInterruptionEvent("user_speech", item_id=event.item_id, event_id=event.event_id, received_at=now)
        return self._turns.interrupt(now, told) if self._interrupts else [told]

    def _speech_stopped(self, _: wire.InputAudioBufferSpeechStopped, now: float) -> Sequence[Effect]:
        self._hear(SpeechSignal.STOPPED)
        self._turns.gate.turn_ended(now, answered=self._answers)
        return [Rearm(), *self._turns.settle(now)]

    def _buffer_cleared(self, _: wire.InputAudioBufferCleared, now: float) -> Sequence[Effect]:
        self._hear(SpeechSignal.CLEARED)
        self._turns.gate.turn_ended(now, answered=False)
        return self._turns.settle(now)

    def _item(self, event: wire.PlacedItemEvent, _: float) -> Sequence[Effect]:
        self.history.put(event.item, event.previous_item_id)
        if not isinstance(event, wire.ConversationItemDone) and _is_the_clients(event.item):
            self._turns.gate.item_seen()
        return _NOTHING

    def _item_truncated(self, event: wire.ConversationItemTruncated, _: float) -> Sequence[Effect]:
        self.history.truncated(event.item_id, event.audio_end_ms)
        self._turns.interruptions.settled(event.item_id)
        return _NOTHING

    def _item_deleted(self, event: wire.ConversationItemDeleted, _: float) -> Sequence[Effect]:
        self.history.deleted(event.item_id)
        self._turns.interruptions.settled(event.item_id)
        return _NOTHING

    def _unknown(self, event: wire.UnknownServerEvent, _: float) -> Sequence[Effect]:
        self._unknown_events.add(event.type)
        return _NOTHING

    def _hear(self, signal: SpeechSignal) -> None:
        self._speech = SPEECHES.get((self._speech, signal), self._speech)


def _is_the_clients(item: Item) -> bool:
    """Tell an item that a client added from one that the model makes, or that was spoken."""
    spoken = isinstance(item, MessageItem) and any(content.type == "input_audio" for content in item.content)
    return item.status != "in_progress" and not spoken


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

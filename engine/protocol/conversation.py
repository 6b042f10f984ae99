"""The conversation: takes what the service and the application say, and tells what is to be done.

Events go in by `receive`, content by `submit`, time by `tick`; effects come out, in order. It never waits, knows no
clock but the `now` it is given, and raises on the application's mistakes only. Nothing comes out after `End`.
What is said here is what the application asks for; what the service says is heard by listeners: `session_listener`,
`speech_listener`, `item_listener`, `mcp_listener`, `response_listener` and `turns`, `utterances` for words.
"""

from collections.abc import Sequence
from typing import cast

from engine import limits
from engine.audio.playback import Playback
from engine.config import SessionConfig
from engine.config.changes import Standing
from engine.contract import messages_to_items
from engine.dispatch import Dispatch
from engine.errors import ConnectionLost, DeadlinePassed, EngineError, RemoteViolation, UnsupportedContent
from engine.events import (
    BidiErrorEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiTextInputEvent,
    ToolResultEvent,
)
from engine.protocol.asking import Asked
from engine.protocol.call_ids import CallIds
from engine.protocol.composer import Composer
from engine.protocol.contents import image_item, message, text_item
from engine.protocol.effective import Effective
from engine.protocol.effects import Effect, Opened, Rearm, Transmit
from engine.protocol.history import History
from engine.protocol.item_listener import ItemListener
from engine.protocol.kept_speech import KeptSpeech
from engine.protocol.life import Life
from engine.protocol.mcp import Mcp
from engine.protocol.mcp_listener import McpListener
from engine.protocol.oddities import LOOKED_INTO, Oddities
from engine.protocol.quiet import Quiet
from engine.protocol.response_listener import ResponseListener
from engine.protocol.session_listener import SessionListener
from engine.protocol.speech_listener import SpeechListener
from engine.protocol.states import Gate, Phase
from engine.protocol.statistics import ConversationStatistics
from engine.protocol.succession import Succession
from engine.protocol.turns import Turns
from engine.protocol.utterances import Utterances
from engine.protocol.wait import earliest
from engine.wire import server as wire
from engine.wire.client import ClientEvent, SessionUpdate


class Conversation:
    """One session's conversation.

    Args:
        config: The session's settings.
        connection_id: Names the session in its first event.
    """

    __slots__ = (
        "_apart",
        "_asking",
        "_composer",
        "_config",
        "_handlers",
        "_ids",
        "_life",
        "_mcp",
        "_oddities",
        "_quiet",
        "_session",
        "_speech",
        "_turns",
        "_utterances",
        "effective",
        "history",
        "kept_speech",
        "succession",
    )

    def __init__(self, config: SessionConfig, connection_id: str) -> None:
        self._config = config
        self._life = Life(connection_id, config.model, survives=config.engine.on_timeout == "renew")
        self._oddities = Oddities()
        self.effective = Effective(config)
        """The settings as the service tells them."""
        self.history = History(limits.HISTORY_MAX_ITEMS)
        """The server's items."""
        self.kept_speech = KeptSpeech(
            config.engine.kept_speech_ms,
            detects_turns=config.turn_detection is not None,
            wants_proof=config.engine.ping_interval_s is not None,
        )
        """What the user said that has no words yet."""
        self._composer = Composer()
        self._ids = CallIds()
        self._turns = Turns(config, self._composer, self._ids, self._life.out_of_order)
        self._asking = self._turns.asking
        self._apart = self._asking.apart
        self._quiet = Quiet(config.engine, self._turns, self._composer)
        self._mcp = McpListener(self._turns.gate, self._turns.settle)
        self._speech = SpeechListener(self.effective, self._turns, self.kept_speech, self.history)
        self._utterances = Utterances(self.history, self.kept_speech)
        self._session = SessionListener(self.effective, self._life, self._turns, self.kept_speech, self._is_echo)
        items = ItemListener(self.history, self._turns, self._mcp, self.kept_speech, self._is_echo)
        responses = ResponseListener(
            self._turns,
            speech=self._speech,
            kept=self.kept_speech,
            history=self.history,
            mcp=self._mcp,
            session=self._session,
        )
        self._handlers = Dispatch(
            responses, self._turns, self._utterances, self._speech, self._session, items, self._mcp
        )
        self._turns.requests.on_update = self._updated
        self.succession = Succession(
            config,
            composer=self._composer,
            effective=self.effective,
            history=self.history,
            turns=self._turns,
            speech=self._speech,
            kept=self.kept_speech,
            utterances=self._utterances,
            mcp=self._mcp,
            quiet=self._quiet,
            life=self._life,
        )
        """Moves the talk from connection to connection."""

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
        return earliest(self._turns.gate.deadline, self._turns.requests.deadline, self._quiet.deadline)

    @property
    def is_open(self) -> bool:
        """The service has opened the session, and it is not over."""
        return self._life.phase is Phase.LIVE

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
            user_speaks=self._speech.user_speaks,
            gate=self._turns.gate.statistics(),
            history_items=len(self.history),
            unknown_events=self._oddities.events.snapshot(),
            unknown_fields=self._oddities.fields.snapshot(),
            misfit_fields=self._oddities.misfits.snapshot(),
            out_of_order=self._life.out_of_order.snapshot(),
            violations=self._life.violations.snapshot(),
            silenced_audio=self._turns.silenced_audio,
            truncated=self._turns.interruptions.truncated,
            truncations_refused=self._turns.interruptions.refused_by_service,
            history_forgotten=self.history.forgotten,
            playback_forgotten=self.playback.forgotten,
            kept_speech=self.kept_speech.statistics(),
        )

    def _is_echo(self, event: wire.ServerEvent) -> bool:
        return self.succession.is_echo(event)

    def _updated(self, update: SessionUpdate) -> None:
        if update is self._session.configured:
            self._session.configured = None  # It has done its duty.
        else:
            self.effective.accepted(update)

    # --- the application's side -------------------------------------------------------------------------------

    def begin(self) -> list[Effect]:
        """Configure the session and replay its history: what to send first.

        Raises:
            UnsupportedContent: The history holds what the service can't take.
        """
        items = [self._composer.add(item) for item in messages_to_items(self._config.history, self._ids.to_wire)]
        for added in items:
            self._turns.underway.sent(added.event)
        configure = self._composer.configure(self._config.to_wire())
        self._session.configured = cast("ClientEvent", configure.event)
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
                added = self._submit_text(content)
            case BidiImageInputEvent():
                added = self._submit_image(content)
            case _:
                added = self._turns.answer(content)
        self._turns.underway.sent(added.event)
        self._quiet.said(now)
        return [added, *self._turns.settle(now)]

    def ask(self, event: ClientEvent, now: float) -> Asked:
        """Take a request that is waited for: `Answered` tells its end, which comes in any case.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        self._quiet.said(now)
        asked = self._asking.ask(event, now)
        return Asked(asked.ticket, [*asked.effects, *self._turns.settle(now)])

    def withdraw(self, ticket: int, now: float) -> list[Effect]:
        """Take note that nobody waits for an answer any more: what has not been sent never will be."""
        return self._asking.withdraw(ticket, now)

    def sent_by_hand(self, event: ClientEvent, now: float) -> list[Effect]:
        """Take note of an event that the application sends by itself, past this conversation.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        self._quiet.said(now)
        self._turns.sent_by_hand(event, now)
        return [Transmit(event), Rearm(), *self._turns.settle(now)]

    def interrupt(self, now: float) -> list[Effect]:
        """Fall silent at the application's wish, as if the user had begun to speak.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        self._turns.gate.let_be()
        told = BidiInterruptionEvent("user_speech", received_at=now)
        return [*self._turns.cancel(now), *self._turns.interrupt(now, told, cancelled=True)]

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
        told = self._composer.add(message("system", text))
        self._turns.gate.want()
        self._turns.underway.sent(told.event)
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
        stalled = self._quiet.stalled(now)
        idle = self._quiet.is_idle(now)
        if idle is not None:
            return [*late, *errors, *stalled, *self._session.idle(idle)]
        return [*late, *errors, *stalled, *self._asking.due(now), *self._turns.settle(now)]

    def _submit_text(self, content: BidiTextInputEvent) -> Transmit:
        added = self._composer.add(text_item(content))
        if content.role == "user":
            # Words that are put into the model's mouth it is not asked to answer itself.
            self._turns.gate.want()
        return added

    def _submit_image(self, content: BidiImageInputEvent) -> Transmit:
        if not self._config.image_input:
            way_out = "set provider_config={'image_input': True} to send images"
            raise UnsupportedContent(f"content_type=BidiImageInputEvent | content not supported; {way_out}")
        return self._composer.add(image_item(content))

    # --- the service's side -----------------------------------------------------------------------------------

    def receive(self, event: wire.ServerEvent, now: float) -> Sequence[Effect]:
        """Take a server event. Raises nothing, whatever it is and whenever it comes."""
        cls = type(event)
        if event.extra or cls in LOOKED_INTO:
            self._oddities.note(event)
        self._quiet.hear(event, now)
        effects = self._life.receive(event, self._handlers[cls], now)
        return self._asking.set_apart(event, effects) if self._apart else effects

    def violated(self, error: EngineError, problem: str, now: float) -> list[Effect]:
        """Take note of a message that could not be read, tell of it, and go on as if it had been."""
        told = self._life.violated(error, problem, now)
        if self._life.phase is not Phase.LIVE or isinstance(told[0], Opened):
            return told
        if isinstance(error, RemoteViolation) and error.event_type == wire.ResponseDone.tag:
            told += self._asking.end_unread(self._turns.gate.active_id, error)
            self._turns.gate.none_active()
        return [*told, *self._turns.settle(now)]

    def speech_sent(self, kind: str, text: str, length_ms: float, now: float) -> None:
        """Take note of the user's audio, or a turn's end, that is on the socket."""
        if kind == "append":
            self.kept_speech.sent(text, length_ms, now)
        elif kind == "commit":
            self.kept_speech.committed_by_hand(text)
        else:
            self.kept_speech.cleared_by_hand()

    def speech_arrived(self, sent_before: float) -> None:
        """Take note that the service has what was sent before a time."""
        self.kept_speech.proven(sent_before)
        self._turns.gate.proven(sent_before)

    def link_ended(self, lost: ConnectionLost) -> list[Effect]:
        """Tell what the end of the connection means for the session."""
        return self._session.link_ended(lost)

"""A transcription session: speech goes in, its words come out, turn by turn; nothing is answered."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from engine.config.listening import TranscriptionConfig
from engine.counting import NameCounts
from engine.dispatch import Dispatch
from engine.errors import ConnectionLost, EngineError
from engine.events import BidiErrorEvent
from engine.events.listening import SpeechCommittedEvent, SpeechStartedEvent, SpeechStoppedEvent, TranscriptEvent
from engine.protocol.composer import Composer
from engine.protocol.effects import Effect, Transmit
from engine.protocol.kept_speech import KeptSpeech
from engine.protocol.life import Life
from engine.protocol.server_errors import COMMIT_EMPTY, reported
from engine.protocol.states import Phase
from engine.protocol.transcript_turns import TranscriptTurns
from engine.protocol.transcription_succession import TranscriptionSuccession
from engine.protocol.updates import Updates
from engine.wire import server as wire
from engine.wire.client import ClientEvent, SessionUpdate
from engine.wire.codec import to_object
from engine.wire.session import Session

_NOTHING: Final[Sequence[Effect]] = ()


class Transcriber:
    """The core of a transcription session.

    Args:
        config: The session's settings.
        connection_id: Names the session in its first event.
    """

    __slots__ = (
        "_composer",
        "_config",
        "_handlers",
        "_life",
        "_turns",
        "_updates",
        "deadline",
        "kept_speech",
        "succession",
        "unknown_events",
    )

    def __init__(self, config: TranscriptionConfig, connection_id: str) -> None:
        self._config = config
        engine = config.engine
        self._life = Life(connection_id, config.model, survives=engine.on_timeout == "renew")
        self._composer = Composer()
        self._turns = TranscriptTurns()
        self._updates = Updates[SessionUpdate]()
        self.kept_speech = KeptSpeech(
            engine.kept_speech_ms,
            detects_turns=config.turn_detection is not None,
            wants_proof=engine.ping_interval_s is not None,
        )
        """What was said and is not written down yet."""
        self.succession = TranscriptionSuccession(self._updates, self._turns, self.kept_speech)
        """Moves it from connection to connection."""
        self.unknown_events = NameCounts()
        """Events of unknown type, by type."""
        self.deadline: float | None = None
        """There is none."""
        self._handlers = Dispatch(self)

    @property
    def is_open(self) -> bool:
        """The service has opened the session, and it is not over."""
        return self._life.phase is Phase.LIVE

    @property
    def forgotten_turns(self) -> int:
        """Turns forgotten at `OPEN_TURNS_MAX`."""
        return self._turns.forgotten

    def speech_sent(self, kind: str, text: str, length_ms: float, now: float) -> None:
        """Take note of the user's audio, or a turn's end, that is on the socket."""
        if kind == "append":
            self.kept_speech.sent(text, length_ms, now)
            self.succession.positions.sent(length_ms)
        elif kind == "commit":
            self.kept_speech.committed_by_hand(text)
        else:
            self.kept_speech.cleared_by_hand()

    def speech_arrived(self, sent_before: float) -> None:
        """Take note that the service has what was sent before a time."""
        self.kept_speech.proven(sent_before)

    # --- the application's side -------------------------------------------------------------------------------

    def begin(self) -> list[Effect]:
        """Configure the session."""
        return self.configure(self._config.to_wire())

    def configure(self, session: Session) -> list[Effect]:
        """Change the session.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        update = SessionUpdate(session=session, event_id=self._composer.next_event_id())
        self._updates.sent(update)
        return [Transmit(update)]

    def commit(self, _: float) -> list[Effect]:
        """End the turn by hand."""
        self._life.check_not_over()
        return [self._composer.commit()]

    def clear(self, _: float) -> list[Effect]:
        """Take back what was sent since the last turn."""
        self._life.check_not_over()
        return [self._composer.clear()]

    def sent_by_hand(self, event: ClientEvent, _: float) -> list[Effect]:
        """Send an event of the application's own."""
        self._life.check_not_over()
        if isinstance(event, SessionUpdate):
            self._updates.sent(event)
        return [Transmit(event)]

    # --- the service's side -----------------------------------------------------------------------------------

    def receive(self, event: Any, now: float) -> Sequence[Effect]:
        """Take a server event. Raises nothing, whatever it is and whenever it comes."""
        return self._life.receive(event, self._handlers[type(event)], now)

    def violated(self, error: EngineError, problem: str, now: float) -> Sequence[Effect]:
        """Take note of a message that could not be read."""
        return self._life.violated(error, problem, now)

    def link_ended(self, lost: ConnectionLost) -> Sequence[Effect]:
        """Tell what the end of the connection means."""
        return self._life.link_ended(lost)

    def tick(self, _: float) -> Sequence[Effect]:
        """Nothing is ever due."""
        return _NOTHING

    def _error(self, event: wire.ErrorReported, now: float) -> Sequence[Effect]:
        if event.error.code == COMMIT_EMPTY:
            self.kept_speech.commit_refused()
        self._updates.refused(event.error)
        return self._life.reported(event, now)

    def _updated(self, event: wire.SessionUpdated, _: float) -> Sequence[Effect]:
        self._updates.taken()
        self.succession.hear(event.session)
        return _NOTHING

    def _speech_started(self, event: wire.InputAudioBufferSpeechStarted, now: float) -> Sequence[Effect]:
        self._turns.began(event.item_id)
        self.kept_speech.began(event.audio_start_ms, event.item_id)
        start_ms = self.succession.positions.start(event.audio_start_ms)
        return (SpeechStartedEvent(start_ms, **_of(event, now)),)

    def _speech_stopped(self, event: wire.InputAudioBufferSpeechStopped, now: float) -> Sequence[Effect]:
        self.kept_speech.stopped(event.audio_end_ms, event.item_id)
        end_ms = self.succession.positions.end(event.audio_end_ms)
        return (SpeechStoppedEvent(end_ms, **_of(event, now)),)

    def _committed(self, event: wire.InputAudioBufferCommitted, now: float) -> Sequence[Effect]:
        previous_id = self._turns.committed(event.item_id, event.previous_item_id)
        self.kept_speech.committed(event.item_id)
        if self._turns.is_written(event.item_id):
            self.kept_speech.transcribed(event.item_id)
        return (SpeechCommittedEvent(previous_id, **_of(event, now)),)

    def _cleared(self, _: wire.InputAudioBufferCleared, __: float) -> Sequence[Effect]:
        self._turns.cleared()
        self.kept_speech.cleared()
        return _NOTHING

    def _piece(self, event: wire.ConversationItemInputAudioTranscriptionDelta, now: float) -> Sequence[Effect]:
        if not event.delta:
            return _NOTHING
        so_far = self._turns.grow((event.item_id, event.content_index or 0), event.delta)
        logprobs = event.logprobs or ()
        return (TranscriptEvent(event.delta, False, transcript=so_far, logprobs=logprobs, **_of(event, now)),)

    def _segment(self, event: wire.ConversationItemInputAudioTranscriptionSegment, now: float) -> Sequence[Effect]:
        so_far = self._turns.so_far((event.item_id, event.content_index))
        told = TranscriptEvent(
            event.text,
            is_final=False,
            transcript=event.text if so_far is None else so_far,
            speaker=event.speaker,
            start_s=event.start,
            end_s=event.end,
            **_of(event, now),
        )
        return (told,)

    def _completed(self, event: wire.ConversationItemInputAudioTranscriptionCompleted, now: float) -> Sequence[Effect]:
        self._written(event.item_id, event.content_index)
        told = TranscriptEvent(
            event.transcript,
            is_final=True,
            transcript=event.transcript,
            languages=event.languages or (),
            logprobs=event.logprobs or (),
            usage=None if event.usage is None else to_object(event.usage),
            **_of(event, now),
        )
        return (told,)

    def _failed(self, event: wire.ConversationItemInputAudioTranscriptionFailed, now: float) -> Sequence[Effect]:
        self._written(event.item_id, event.content_index)
        details = {"type": event.error.type, "param": event.error.param, "client_event_id": None}
        return (BidiErrorEvent(reported(event.error), details, **_of(event, now)),)

    def _written(self, item_id: str, content_index: int) -> None:
        self._turns.written((item_id, content_index))
        self.kept_speech.transcribed(item_id)

    def _unknown(self, event: wire.UnknownServerEvent, _: float) -> Sequence[Effect]:
        self.unknown_events.add(event.type)
        return _NOTHING

    HANDLES: ClassVar[Mapping[type, Callable[..., Sequence[Effect]]]] = {
        wire.ErrorReported: _error,
        wire.SessionUpdated: _updated,
        wire.InputAudioBufferSpeechStarted: _speech_started,
        wire.InputAudioBufferSpeechStopped: _speech_stopped,
        wire.InputAudioBufferCommitted: _committed,
        wire.InputAudioBufferCleared: _cleared,
        wire.ConversationItemInputAudioTranscriptionDelta: _piece,
        wire.ConversationItemInputAudioTranscriptionSegment: _segment,
        wire.ConversationItemInputAudioTranscriptionCompleted: _completed,
        wire.ConversationItemInputAudioTranscriptionFailed: _failed,
        wire.UnknownServerEvent: _unknown,
    }
    """Methods by the class of events that they take; see `engine.dispatch`."""


def _of(event: Any, now: float) -> dict[str, Any]:
    """Say where an event comes from."""
    return {"item_id": event.item_id, "event_id": event.event_id, "received_at": now}

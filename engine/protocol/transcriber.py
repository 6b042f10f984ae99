"""A transcription session: speech goes in, its words come out, turn by turn; nothing is answered."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.config.listening import TranscriptionConfig
from engine.counting import NameCounts
from engine.errors import ConnectionLost, EngineError
from engine.events import BidiErrorEvent, TextSoFar
from engine.events.listening import SpeechCommittedEvent, SpeechStartedEvent, SpeechStoppedEvent, TranscriptEvent
from engine.protocol.composer import Composer
from engine.protocol.effects import Effect, Transmit
from engine.protocol.growing import grow
from engine.protocol.life import Handle, Life
from engine.protocol.server_errors import reported
from engine.protocol.states import Phase
from engine.wire import server as wire
from engine.wire.client import ClientEvent
from engine.wire.codec import to_object
from engine.wire.session import Session

_NOTHING: Final[Sequence[Effect]] = ()

OPEN_TURNS_MAX: Final = 64
"""Turns whose words are still coming. The service writes several at once down, in any order, but never so many: past it
the words so far of the oldest are forgotten, and counted."""


class Transcriber:
    """The core of a transcription session.

    Args:
        config: The session's settings.
        connection_id: Names the session in its first event.
    """

    def __init__(self, config: TranscriptionConfig, connection_id: str) -> None:
        self._config = config
        self._life = Life(connection_id, config.model)
        self.succession = None
        """The session ends with its connection."""
        self._composer = Composer()
        self._so_far: dict[tuple[str, int], list[str]] = {}
        self.forgotten_turns = 0
        """Turns forgotten at `OPEN_TURNS_MAX`."""
        self.unknown_events = NameCounts()
        """Events of unknown type, by type."""
        self.deadline: float | None = None
        """There is none."""
        self._handlers: Mapping[type, Handle] = {
            wire.ErrorReported: self._life.reported,
            wire.InputAudioBufferSpeechStarted: self._speech_started,
            wire.InputAudioBufferSpeechStopped: self._speech_stopped,
            wire.InputAudioBufferCommitted: self._committed,
            wire.ConversationItemInputAudioTranscriptionDelta: self._piece,
            wire.ConversationItemInputAudioTranscriptionSegment: self._segment,
            wire.ConversationItemInputAudioTranscriptionCompleted: self._completed,
            wire.ConversationItemInputAudioTranscriptionFailed: self._failed,
            wire.UnknownServerEvent: self._unknown,
        }

    @property
    def is_open(self) -> bool:
        """The service has opened the session, and it is not over."""
        return self._life.phase is Phase.LIVE

    def speech_sent(self, kind: str, text: str, length_ms: float, now: float) -> None:
        """Take note of audio that is on the socket: nothing is made of it."""

    def speech_arrived(self, sent_before: float) -> None:
        """Take note that the service has what was sent before a time."""

    # --- the application's side -------------------------------------------------------------------------------

    def begin(self) -> list[Effect]:
        """Configure the session."""
        return [self._composer.configure(self._config.to_wire())]

    def configure(self, session: Session) -> list[Effect]:
        """Change the session.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        return [self._composer.configure(session)]

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
        return [Transmit(event)]

    # --- the service's side -----------------------------------------------------------------------------------

    def receive(self, event: Any, now: float) -> Sequence[Effect]:
        """Take a server event. Raises nothing, whatever it is and whenever it comes."""
        return self._life.receive(event, self._handlers.get(type(event)), now)

    def violated(self, error: EngineError, problem: str, now: float) -> Sequence[Effect]:
        """Take note of a message that could not be read."""
        return self._life.violated(error, problem, now)

    def link_ended(self, lost: ConnectionLost) -> Sequence[Effect]:
        """Tell what the end of the connection means."""
        return self._life.link_ended(lost)

    def tick(self, _: float) -> Sequence[Effect]:
        """Nothing is ever due."""
        return _NOTHING

    def _speech_started(self, event: wire.InputAudioBufferSpeechStarted, now: float) -> Sequence[Effect]:
        return (SpeechStartedEvent(event.audio_start_ms, **_of(event, now)),)

    def _speech_stopped(self, event: wire.InputAudioBufferSpeechStopped, now: float) -> Sequence[Effect]:
        return (SpeechStoppedEvent(event.audio_end_ms, **_of(event, now)),)

    def _committed(self, event: wire.InputAudioBufferCommitted, now: float) -> Sequence[Effect]:
        return (SpeechCommittedEvent(event.previous_item_id, **_of(event, now)),)

    def _piece(self, event: wire.ConversationItemInputAudioTranscriptionDelta, now: float) -> Sequence[Effect]:
        if not event.delta:
            return _NOTHING
        so_far = self._grow((event.item_id, event.content_index or 0), event.delta)
        logprobs = event.logprobs or ()
        return (TranscriptEvent(event.delta, False, transcript=so_far, logprobs=logprobs, **_of(event, now)),)

    def _grow(self, place: tuple[str, int], text: str) -> TextSoFar:
        if place not in self._so_far and len(self._so_far) >= OPEN_TURNS_MAX:
            del self._so_far[next(iter(self._so_far))]
            self.forgotten_turns += 1
        return TextSoFar(grow(self._so_far, place, text))

    def _segment(self, event: wire.ConversationItemInputAudioTranscriptionSegment, now: float) -> Sequence[Effect]:
        pieces = self._so_far.get((event.item_id, event.content_index))
        told = TranscriptEvent(
            event.text,
            is_final=False,
            transcript=event.text if pieces is None else TextSoFar(pieces),
            speaker=event.speaker,
            start_s=event.start,
            end_s=event.end,
            **_of(event, now),
        )
        return (told,)

    def _completed(self, event: wire.ConversationItemInputAudioTranscriptionCompleted, now: float) -> Sequence[Effect]:
        self._so_far.pop((event.item_id, event.content_index), None)
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
        self._so_far.pop((event.item_id, event.content_index), None)
        details = {"type": event.error.type, "param": event.error.param, "client_event_id": None}
        return (BidiErrorEvent(reported(event.error), details, **_of(event, now)),)

    def _unknown(self, event: wire.UnknownServerEvent, _: float) -> Sequence[Effect]:
        self.unknown_events.add(event.type)
        return _NOTHING


def _of(event: Any, now: float) -> dict[str, Any]:
    """Say where an event comes from."""
    return {"item_id": event.item_id, "event_id": event.event_id, "received_at": now}

"""A translation session: speech goes in without turns, the same in another language comes out, until it is finished."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from engine.config.listening import TranslationConfig
from engine.counting import NameCounts
from engine.dispatch import Dispatch
from engine.errors import ConnectionLost, DeadlinePassed, EngineError
from engine.events.listening import TranslatedAudioEvent, TranslationTextEvent
from engine.protocol.effects import AudioDone, Effect, End, Rearm, Transmit
from engine.protocol.kept_speech import KeptSpeech
from engine.protocol.life import Life
from engine.protocol.states import Phase, PhaseSignal
from engine.protocol.translation_succession import UNSAID_MS, TranslationSuccession
from engine.protocol.updates import Updates
from engine.wire import translation as wire
from engine.wire.record import Record
from engine.wire.server import ErrorReported, UnknownServerEvent

_NOTHING: Final[Sequence[Effect]] = ()

FINISH_DEADLINE_S: Final = 30.0
"""How long the service may be silent after it was asked to finish."""


class Translator:
    """The core of a translation session.

    Args:
        config: The session's settings.
        connection_id: Names the session in its first event.
    """

    __slots__ = (
        "_config",
        "_handlers",
        "_life",
        "_sent",
        "_shape",
        "_updates",
        "held_back",
        "kept_speech",
        "succession",
        "unknown_events",
    )

    def __init__(self, config: TranslationConfig, connection_id: str) -> None:
        self._config = config
        self._shape = config.audio.wire_shape
        engine = config.engine
        self._life = Life(connection_id, config.model, survives=engine.on_timeout == "renew")
        self._updates = Updates[wire.TranslationSessionUpdate]()
        self.kept_speech = KeptSpeech(engine.kept_speech_ms, UNSAID_MS, wants_proof=engine.ping_interval_s is not None)
        """Audio of which nothing has been said."""
        self.succession = TranslationSuccession(self._updates, self.kept_speech)
        """Moves it from connection to connection."""
        self._sent = 0
        self.held_back: Callable[[], bool] = lambda: False
        """Tells that nobody reads what the service sends, as the application is slow: silence means nothing then."""
        self.unknown_events = NameCounts()
        """Events of unknown type, by type."""
        self._handlers = Dispatch(self)

    @property
    def deadline(self) -> float | None:
        """When the service has been silent for too long, once it was asked to finish."""
        since = self.succession.finishing_at
        return None if since is None or self._life.end is not None else since + FINISH_DEADLINE_S

    @property
    def is_open(self) -> bool:
        """The service has opened the session, and it is not over."""
        return self._life.phase is Phase.LIVE

    def speech_sent(self, kind: str, text: str, length_ms: float, now: float) -> None:
        """Take note of audio that is on the socket."""
        if kind == "append":
            self.kept_speech.sent(text, length_ms, now)

    def speech_arrived(self, sent_before: float) -> None:
        """Take note that the service has what was sent before a time."""
        self.kept_speech.proven(sent_before)

    # --- the application's side -------------------------------------------------------------------------------

    def begin(self) -> list[Effect]:
        """Configure the session."""
        return self.configure(self._config.to_wire())

    def configure(self, session: wire.TranslationSession) -> list[Effect]:
        """Change the session.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        self._sent += 1
        update = wire.TranslationSessionUpdate(session=session, event_id=f"client_{self._sent}")
        self._updates.sent(update)
        return [Transmit(update)]

    @property
    def finishing(self) -> bool:
        """Tell whether the service was asked to finish."""
        return self.succession.finishing_at is not None

    def finish(self, now: float) -> list[Effect]:
        """Ask for what is still to be translated, and for the end; once.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        return [] if self.finishing else self.sent_by_hand(wire.TranslationSessionClose(), now)

    def sent_by_hand(self, event: Any, now: float) -> list[Effect]:
        """Send an event of the application's own.

        Raises:
            SessionEnded: The session is over.
        """
        self._life.check_not_over()
        if isinstance(event, wire.TranslationSessionUpdate):
            self._updates.sent(event)
        if not isinstance(event, wire.TranslationSessionClose):
            return [Transmit(event)]
        self.succession.finishing_at = now
        return [Transmit(event), Rearm()]

    # --- the service's side -----------------------------------------------------------------------------------

    def receive(self, event: Any, now: float) -> Sequence[Effect]:
        """Take a server event. Raises nothing, whatever it is and whenever it comes."""
        if self.finishing:
            self.succession.finishing_at = now
        effects = self._life.receive(event, self._handlers[type(event)], now)
        return effects if self._life.end is None else self._with_the_last_audio(effects)

    def violated(self, error: EngineError, problem: str, now: float) -> Sequence[Effect]:
        """Take note of a message that could not be read."""
        return self._life.violated(error, problem, now)

    def link_ended(self, lost: ConnectionLost) -> Sequence[Effect]:
        """Tell what the end of the connection means."""
        return self._with_the_last_audio(self._life.link_ended(lost))

    def tick(self, now: float) -> Sequence[Effect]:
        """Wait for the service no longer when it does not finish."""
        due = self.deadline
        if due is None or now < due:
            return _NOTHING
        if self.held_back():
            self.succession.finishing_at = now
            return _NOTHING
        error = DeadlinePassed("session.close", FINISH_DEADLINE_S)
        return self._with_the_last_audio(self._life.over(PhaseSignal.LINK_ENDED, End("error", error)))

    def _heard(self, event: wire.TranslationInputTranscriptDelta, now: float) -> Sequence[Effect]:
        elapsed_ms = self.succession.told(event.elapsed_ms, now)
        return (TranslationTextEvent(event.delta, "source", elapsed_ms, **_of(event, now)),)

    def _said(self, event: wire.TranslationOutputTranscriptDelta, now: float) -> Sequence[Effect]:
        elapsed_ms = self.succession.said(event.elapsed_ms, now)
        return (TranslationTextEvent(event.delta, "translation", elapsed_ms, **_of(event, now)),)

    def _spoken(self, event: wire.TranslationOutputAudioDelta, now: float) -> Sequence[Effect]:
        told = TranslatedAudioEvent(
            audio=event.delta,
            format=self._shape.encoding,
            sample_rate=event.sample_rate or self._shape.rate_hz,
            channels=event.channels or 1,
            elapsed_ms=self.succession.said(event.elapsed_ms, now),
            item_id=self.succession.stream_id,
            response_id=self.succession.stream_id,
            **_of(event, now),
        )
        return (told,)

    def _closed(self, _: wire.TranslationSessionClosed, __: float) -> Sequence[Effect]:
        return self._life.over(PhaseSignal.LINK_ENDED, End("complete"))

    def _error(self, event: ErrorReported, now: float) -> Sequence[Effect]:
        self._updates.refused(event.error)
        return self._life.reported(event, now)

    def _updated(self, _: wire.TranslationSessionUpdated, __: float) -> Sequence[Effect]:
        self._updates.taken()
        return _NOTHING

    def _with_the_last_audio(self, effects: Sequence[Effect]) -> Sequence[Effect]:
        """Let out what a conversion holds back before the session ends, however it does."""
        return [AudioDone(self.succession.stream_id), *effects] if effects else _NOTHING

    def _unknown(self, event: UnknownServerEvent, _: float) -> Sequence[Effect]:
        self.unknown_events.add(event.type)
        return _NOTHING

    HANDLES: ClassVar[Mapping[type, Callable[..., Sequence[Effect]]]] = {
        ErrorReported: _error,
        wire.TranslationSessionUpdated: _updated,
        wire.TranslationInputTranscriptDelta: _heard,
        wire.TranslationOutputTranscriptDelta: _said,
        wire.TranslationOutputAudioDelta: _spoken,
        wire.TranslationSessionClosed: _closed,
        UnknownServerEvent: _unknown,
    }
    """Methods by the class of events that they take; see `engine.dispatch`."""


def _of(event: Record, now: float) -> dict[str, Any]:
    """Say where an event comes from."""
    return {"event_id": getattr(event, "event_id", None), "received_at": now}

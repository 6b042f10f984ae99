"""The session itself: its settings as the service tells them, its errors, and its end."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from engine.errors import ConnectionLost, DeadlinePassed, SessionEnded
from engine.protocol import server_errors
from engine.protocol.effective import Effective
from engine.protocol.effects import Effect, End
from engine.protocol.kept_speech import KeptSpeech
from engine.protocol.life import Life
from engine.protocol.requests import Answered
from engine.protocol.states import PhaseSignal
from engine.protocol.turns import Turns
from engine.wire import server as wire
from engine.wire.client import ClientEvent, ResponseCancel
from engine.wire.response import ErrorDetails


class SessionListener:
    """Hears what the service says of the session, and what is wrong.

    Args:
        effective: Keeps the settings.
        life: Says whether an error ends the session.
        turns: Told of refused requests.
        kept: Told how turns are found.
        is_echo: Told of errors, which may be about what this connection was told of the talk.

    Attributes:
        configured: The session's first settings, as they are sent when it begins.
    """

    __slots__ = ("_asking", "_effective", "_is_echo", "_is_noted", "_kept", "_life", "_turns", "configured")

    def __init__(
        self,
        effective: Effective,
        life: Life,
        turns: Turns,
        kept: KeptSpeech,
        is_echo: Callable[[Any], bool],
    ) -> None:
        self._kept = kept
        self._is_echo = is_echo
        self._effective = effective
        self._life = life
        self._turns = turns
        self._asking = turns.asking
        self.configured: ClientEvent | None = None
        self._is_noted = False

    def _session(self, event: wire.SessionCreated | wire.SessionUpdated, now: float) -> Sequence[Effect]:
        self._effective.told(event)
        self._kept.detects_turns, self._kept.transcribes = self._effective.detects_turns, self._effective.transcribes
        if isinstance(event, wire.SessionCreated) and self.configured is not None and not self._is_noted:
            self._is_noted = True
            self._turns.requests.note(self.configured, now)
        answers = self._asking.answered(event, now)
        if self._effective.detects_turns:
            return answers
        # Nobody tells the end of a turn any more that had begun.
        self._turns.gate.turn.ended(now, answered=False)
        return [*answers, *self._turns.settle(now)]

    # --- errors -----------------------------------------------------------------------------------------------

    def _error(self, event: wire.ErrorReported, now: float) -> Sequence[Effect]:
        details = event.error
        self._is_echo(event)
        if details.code == server_errors.COMMIT_EMPTY:
            self._kept.commit_refused()
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
        if asked is not None and details.event_id in {None, asked}:
            self._asking.lost_race(asked)
        return True

    # --- the end ----------------------------------------------------------------------------------------------

    def link_ended(self, lost: ConnectionLost) -> list[Effect]:
        """Tell what the end of the connection means for the session."""
        return self._closing(self._life.link_ended(lost))

    def idle(self, error: DeadlinePassed) -> list[Effect]:
        """End the session, as nobody says anything."""
        return self._closing(self._life.over(PhaseSignal.FATAL_ERROR, End("error", error)))

    def response_failed(self, event: wire.ResponseDone) -> list[Effect]:
        """End the session when a response failed of what every other one would fail of as well."""
        why = event.response.status_details
        if why is None or why.error is None or why.error.code not in server_errors.FATAL:
            return []
        return self._closing(self._life.fatal(why.error))

    def _closing(self, effects: list[Effect]) -> list[Effect]:
        """At the session's end nothing stays without an answer."""
        end = self._life.end
        if end is None or not effects:
            return effects
        return [*self._turns.requests.close(lambda: _ended(end)), *effects]

    HANDLES: ClassVar[Mapping[type, Callable[..., Sequence[Effect]]]] = {
        wire.SessionCreated: _session,
        wire.SessionUpdated: _session,
        wire.ErrorReported: _error,
    }
    """Methods by the class of events that they take; see `engine.dispatch`."""


def _ended(end: End) -> SessionEnded:
    error = SessionEnded(end.reason)
    error.__cause__ = end.error
    return error

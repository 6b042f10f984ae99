"""How any session opens, lives and ends: the first event, errors, unreadable messages, the end of the link.

Cores that stand on it say what an event means; it says when the session is open and when it is over. Nothing comes out
after `End`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from engine.counting import NameCounts
from engine.errors import ConnectionLost, EngineError, RemoteViolation, ServerReported, SessionEnded
from engine.events import BidiConnectionStartEvent, BidiErrorEvent
from engine.protocol import server_errors
from engine.protocol.effects import Effect, End, LinkOver, Opened
from engine.protocol.states import PHASES, Phase, PhaseSignal
from engine.wire.response import ErrorDetails
from engine.wire.server import ErrorReported

_NOTHING: Final[Sequence[Effect]] = ()
Handle = Callable[[Any, float], Sequence[Effect]]

_FIRST: Final = "session.created"


EARLY_MAX: Final = 64
"""Errors that are kept until the session opens; past it the oldest is forgotten."""


class Life:
    """From the first event to the last.

    Args:
        connection_id: Names the session in its first event.
        model: Told there.
        survives: The session may outlive its connection, as when the service says that its time is over.
    """

    __slots__ = ("_connection_id", "_early", "_model", "_survives", "end", "out_of_order", "phase", "violations")

    def __init__(self, connection_id: str, model: str, *, survives: bool = False) -> None:
        self._survives = survives
        self._connection_id = connection_id
        self._model = model
        self._early: Sequence[Effect] = ()
        self.phase = Phase.OPENING
        """Where the session stands."""
        self.end: End | None = None
        """How it ended."""
        self.violations = NameCounts()
        """Messages that could not be read, by problem."""
        self.out_of_order = NameCounts()
        """Events that came where the protocol has no place for them, by type."""

    def check_not_over(self) -> None:
        """Make sure that something can be asked for.

        Raises:
            SessionEnded: The session is over.
        """
        if self.end is not None:
            raise SessionEnded(self.end.reason) from self.end.error

    def receive(self, event: Any, handle: Handle | None, now: float) -> Sequence[Effect]:
        """Take an event that `handle` makes something of, or nobody."""
        if self.phase is Phase.LIVE:
            return handle(event, now) if handle is not None else _NOTHING
        if self.phase is Phase.ENDED:
            self.out_of_order.add(type(event).tag or "unknown")
            return _NOTHING
        return self._receive_while_opening(event, handle, now)

    def _receive_while_opening(self, event: Any, handle: Handle | None, now: float) -> Sequence[Effect]:
        """The first event opens the session, unless it is an error; one that is not fatal is told after the start."""
        effects = handle(event, now) if handle is not None else _NOTHING
        if self.end is not None:
            return [*self._early, *effects]
        if isinstance(event, ErrorReported):
            self._keep_early(effects)
            return _NOTHING
        return [*self._open(now), *effects]

    def _open(self, now: float) -> list[Effect]:
        self._move(PhaseSignal.SESSION_CREATED)
        start = BidiConnectionStartEvent(self._connection_id, self._model, received_at=now)
        early, self._early = self._early, ()
        return [Opened(), start, *early]

    def _keep_early(self, effects: Sequence[Effect]) -> None:
        self._early = [*self._early, *effects][-EARLY_MAX:]

    def violated(self, error: EngineError, problem: str, now: float) -> list[Effect]:
        """Take note of a message that could not be read, tell of it, and go on as if it had been."""
        self.violations.add(problem)
        if self.end is not None:
            return []
        told = BidiErrorEvent(error, {"problem": problem}, received_at=now)
        if self.phase is not Phase.OPENING:
            return [told]
        self._keep_early([told])
        kind = error.event_type if isinstance(error, RemoteViolation) else None
        return self._open(now) if kind == _FIRST else []

    def reported(self, event: ErrorReported, now: float) -> list[Effect]:
        """Tell an error of the service's; a fatal one ends the session."""
        details = event.error
        error = server_errors.reported(details)
        if details.code == server_errors.SESSION_EXPIRED:
            if self._survives and self.phase is Phase.LIVE:
                return [LinkOver(server_errors.expired(error.message, error))]
            return self.over(PhaseSignal.FATAL_ERROR, End("timeout", server_errors.expired(error.message, error)))
        said = {"type": details.type, "param": details.param, "client_event_id": details.event_id}
        told = BidiErrorEvent(error, said, event_id=event.event_id, received_at=now)
        return [told, *(self.over(PhaseSignal.FATAL_ERROR, End("error", error)) if error.fatal else ())]

    def fatal(self, details: ErrorDetails) -> list[Effect]:
        """End the session by an error of the service's."""
        return self.over(PhaseSignal.FATAL_ERROR, End("error", server_errors.reported(details)))

    def link_ended(self, lost: ConnectionLost) -> list[Effect]:
        """Tell what the end of the connection means for the session."""
        if self.end is not None:
            return []
        if lost.reason and server_errors.EXPIRY_WORDS in lost.reason:
            end = End("timeout", server_errors.expired(lost.reason, lost))
        elif lost.code == 1000 and self.phase is Phase.LIVE:
            end = End("complete")
        else:
            end = End("error", self._early_reason(lost) or lost)
        return self.over(PhaseSignal.LINK_ENDED, end)

    def _early_reason(self, lost: ConnectionLost) -> EngineError | None:
        """What the service said before it closed a connection that it never opened."""
        said = [effect.error for effect in self._early if isinstance(effect, BidiErrorEvent)]
        reported = [error for error in said if isinstance(error, ServerReported)]
        if self.phase is not Phase.OPENING or not reported:
            return None
        reported[-1].__cause__ = lost
        return reported[-1]

    def over(self, signal: PhaseSignal, end: End) -> list[Effect]:
        """End the session."""
        self._move(signal)
        self.end = end
        return [end]

    def _move(self, signal: PhaseSignal) -> None:
        self.phase = PHASES.get((self.phase, signal), self.phase)

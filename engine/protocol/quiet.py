"""What a conversation does about silence: a response that falls silent is stopped, a talk that does is over."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from engine.config import EngineSettings
from engine.errors import DeadlinePassed
from engine.events import BidiErrorEvent
from engine.protocol.composer import Composer
from engine.protocol.effects import Effect
from engine.protocol.outcomes import NO_ID
from engine.protocol.stall import Idle, Stall
from engine.protocol.turns import Turns
from engine.protocol.wait import earliest
from engine.wire import server as wire

_USER: Final = "user"


class Quiet:
    """Listens for silence.

    Args:
        settings: How long it may be.
        turns: The model's side.
        composer: Makes client events.
    """

    __slots__ = ("_composer", "_idle", "_idle_s", "_stall", "_stall_s", "_tool_s", "_turns")

    def __init__(self, settings: EngineSettings, turns: Turns, composer: Composer) -> None:
        self._stall_s = settings.response_stall_deadline_s
        self._tool_s = settings.tool_result_deadline_s
        self._idle_s = settings.idle_deadline_s
        self._turns = turns
        self._composer = composer
        self._stall = Stall(self._stall_s)
        self._idle = Idle(self._idle_s)

    @property
    def deadline(self) -> float | None:
        """When to ask `stalled` and `is_idle`."""
        return earliest(self._stall.deadline, self._idle.deadline)

    def hear(self, event: Any, now: float) -> None:
        """Take a server event: any."""
        response_id = getattr(event, "response_id", None)
        if response_id is not None:
            self._stall.seen(response_id, now)
        handle = self.HANDLES.get(type(event))
        if handle is not None:
            handle(self, event, now)

    def said(self, now: float) -> None:
        """Take note that the application says something."""
        self._idle.said(now)

    def link_down(self, now: float) -> None:
        """The connection is gone, and what went on over it."""
        self._stall.forget()
        self._idle.release_all(now)

    def link_up(self, now: float) -> None:
        """There is a connection again: while there was none, nobody could say anything."""
        self._idle.said(now)

    def stalled(self, now: float) -> list[Effect]:
        """Stop responses that have fallen silent, and let the talk go on."""
        told: list[Effect] = []
        for response_id in self._stall.stalled(now):
            error = DeadlinePassed("response_stall", self._stall_s or 0.0)
            told += [
                BidiErrorEvent(error, response_id=response_id, received_at=now),
                self._composer.cancel(response_id),
                *self._turns.given_up(response_id, now, error),
            ]
            self._idle.release(response_id, now)
        return told

    def is_idle(self, now: float) -> DeadlinePassed | None:
        """Tell whether neither side has said anything for too long; what is still played, or worked at, is said."""
        due = self._idle.deadline
        if self._idle_s is None or due is None or now < due:
            return None
        heard_out_at = self._turns.playback.heard_out_at(now)
        if heard_out_at is not None or self._turns.gate.statistics().open_calls:
            self._idle.said(now if heard_out_at is None else heard_out_at)
            return None
        return DeadlinePassed("idle", self._idle_s) if self._idle.passed(now) else None

    def _opened(self, _: wire.SessionCreated, now: float) -> None:
        self._idle.said(now)

    def _user_began(self, _: wire.InputAudioBufferSpeechStarted, now: float) -> None:
        self._idle.hold(_USER, now)

    def _user_stopped(self, _: wire.InputAudioBufferSpeechStopped, now: float) -> None:
        self._idle.release(_USER, now)

    def _began(self, event: wire.ResponseCreated, now: float) -> None:
        if event.response.id is not None:
            self._stall.began(event.response.id, now)
        self._idle.hold(event.response.id or NO_ID, now)

    def _ended(self, event: wire.ResponseDone, now: float) -> None:
        self._stall.ended(event.response.id)
        self._idle.release(event.response.id or NO_ID, now)

    def _works_in_silence(self, _: wire.ResponseMcpCallInProgress, now: float) -> None:
        """The service tells nothing while a tool works, and no more than that it does."""
        self._stall.seen(self._turns.gate.active_id, now + self._tool_s)

    HANDLES: ClassVar[Mapping[type, Callable[..., None]]] = {
        wire.SessionCreated: _opened,
        wire.ResponseCreated: _began,
        wire.ResponseDone: _ended,
        wire.ResponseMcpCallInProgress: _works_in_silence,
        wire.InputAudioBufferSpeechStarted: _user_began,
        wire.InputAudioBufferSpeechStopped: _user_stopped,
    }
    """Methods by the class of events that they take."""

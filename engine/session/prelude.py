"""Who listens to a connection that does not carry the talk: one that is about to, or one that did."""

from collections.abc import Sequence
from typing import Any, Final

import trio

from engine.errors import ConnectionLost, EngineError
from engine.protocol.effects import Effect
from engine.protocol.handover import Handover
from engine.protocol.replay import Replay
from engine.traffic import Traffic
from engine.wire.codec import encode

_NOTHING: Final[Sequence[Effect]] = ()


class Prelude:
    """Hears a new connection until it takes over.

    Args:
        handover: What it begins with.
        replay: What it is told of the talk.
        traffic: Sees what goes by.
        link: Number of the connection.
    """

    __slots__ = ("_handover", "_link", "_replay", "_traffic", "created", "error", "settled", "texts")

    def __init__(self, handover: Handover, replay: Replay, traffic: Traffic, link: int) -> None:
        self._handover = handover
        self._replay = replay
        self._traffic = traffic
        self._link = link
        self.texts: Sequence[str] = [encode(event) for event in handover.begin()]
        """What it is told."""
        self.created = trio.Event()
        """The service has opened it, or will not."""
        self.settled = trio.Event()
        """It is ready, or never will be."""
        self.error: EngineError | None = None
        """Why it never will be."""

    def receive(self, event: Any, now: float, message: str) -> Sequence[Effect]:
        """Take a server event."""
        self._traffic.overhear(event, now, message, self._link)
        self._handover.receive(event, now)
        self._replay.hear(event)
        self._look()
        return _NOTHING

    def violated(self, error: EngineError, problem: str, now: float, message: str | bytes) -> Sequence[Effect]:
        """Take note of a message that can't be read."""
        self._traffic.overhear_violation(now, message, self._link)
        self._handover.violated(error, problem, now)
        self._look()
        return _NOTHING

    def lost(self, error: EngineError) -> None:
        """The connection is gone."""
        told = self._handover.link_lost(error) if isinstance(error, ConnectionLost) else error
        self.error = self.error or self._handover.failed or told
        self.created.set()
        self.settled.set()

    def _look(self) -> None:
        self.error = self.error or self._handover.failed
        if self._handover.created or self.error is not None:
            self.created.set()
        if self._handover.ready or self.error is not None:
            self.settled.set()


class Postlude:
    """Hears a connection that carries the talk no more: what it says is seen, and changes nothing.

    Args:
        traffic: Sees what goes by.
        link: Number of the connection.
    """

    __slots__ = ("_link", "_traffic")

    def __init__(self, traffic: Traffic, link: int) -> None:
        self._traffic = traffic
        self._link = link

    def receive(self, event: Any, now: float, message: str) -> Sequence[Effect]:
        """Take a server event."""
        self._traffic.overhear(event, now, message, self._link)
        return _NOTHING

    def violated(self, error: EngineError, problem: str, now: float, message: str | bytes) -> Sequence[Effect]:  # noqa: ARG002 - the interface's
        """Take note of a message that can't be read."""
        self._traffic.overhear_violation(now, message, self._link)
        return _NOTHING

"""What a supervisor is given: a core, which says what the session is about, and a plan, which says how to reach it."""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import attrs

from engine.actors.receiver import Decode
from engine.config import EngineSettings
from engine.errors import ConnectionLost, EngineError
from engine.protocol.effects import Effect
from engine.protocol.handover import Handover
from engine.protocol.replay import Replay
from engine.protocol.succession import Takeover
from engine.transport.base import Connector, Endpoint
from engine.wire.codec import decode_client, decode_server


class Successor(Protocol):
    """Moves what a session is about from connection to connection; see `engine.protocol.succession`."""

    def at_boundary(self, now: float) -> bool:
        """Tell whether nothing is under way that would be torn."""
        ...

    def handover(self) -> tuple[Handover, Replay]:
        """Make what the next connection begins with."""
        ...

    def link_down(self, now: float, error: EngineError) -> Sequence[Effect]:
        """End what was under way on a connection that is no more."""
        ...

    def link_up(self, handover: Handover, replay: Replay, now: float, *, broken: bool) -> Takeover:
        """Take over: give what the connection is to be told, and what is owed."""
        ...


class Core(Protocol):
    """What a session is about, without waiting: server events in, effects out."""

    @property
    def is_open(self) -> bool:
        """The service has opened the session, and it is not over."""
        ...

    @property
    def succession(self) -> Successor | None:
        """Moves it from connection to connection; None where it ends with the first."""
        ...

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do, or None."""
        ...

    def begin(self) -> Sequence[Effect]:
        """Give what to send first."""
        ...

    def receive(self, event: Any, now: float) -> Sequence[Effect]:
        """Take a server event."""
        ...

    def violated(self, error: EngineError, problem: str, now: float) -> Sequence[Effect]:
        """Take note of a message that could not be read."""
        ...

    def link_ended(self, lost: ConnectionLost) -> Sequence[Effect]:
        """Tell what the end of the connection means."""
        ...

    def tick(self, now: float) -> Sequence[Effect]:
        """Do what time has made due."""
        ...

    def speech_sent(self, kind: str, text: str, length_ms: float, now: float) -> None:
        """Take note of the user's audio, or a turn's end, that is on the socket."""
        ...

    def speech_arrived(self, sent_before: float) -> None:
        """Take note that the service has what was sent before a time."""
        ...

    def sent_by_hand(self, event: Any, now: float) -> Sequence[Effect]:
        """Take note of an event that the application sends by itself."""
        ...


@attrs.frozen(kw_only=True)
class Plan:
    """What a supervisor needs to know of its session.

    Attributes:
        connection_id: Names the session.
        engine: Bounds and deadlines.
        lifetime_s: From the first packet to the end.
        connector: How to connect.
        endpoint: Where to; may wait, as for a key that has to be fetched.
        moves: The talk can move to another connection. One that joins a call can't: the call has the talk.
        dice: Draws numbers from 0 to below 1, for the waits between attempts to connect.
        decode: Reads a server message.
        decode_sent: Reads a client message, for those who look at the raw events.
    """

    connection_id: str
    engine: EngineSettings
    lifetime_s: float
    connector: Connector
    endpoint: Callable[[], Awaitable[Endpoint]]
    moves: bool = True
    dice: Callable[[], float] = random.random
    decode: Decode = decode_server
    decode_sent: Decode = decode_client

"""WebRTC and SIP calls that a client can join with their `call_id`: the audio is not on its socket."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import attrs
import trio

from engine.simulator.conversation import Conversation

Json = dict[str, Any]


class Joined(Protocol):
    """A socket that controls the call."""

    def press(self, key: str, at_s: int) -> None:
        """Tell that the caller pressed a key, at a Unix time."""
        ...

    def hear(self, pcm: bytes) -> None:
        """Hear the caller: PCM16 mono 24 kHz."""
        ...


@attrs.define(eq=False)
class SimulatedCall:
    """A call whose audio goes over WebRTC or SIP, of which the simulator has none; made by `Simulator.create_call`.

    A client joins it with `?call_id=`. A second client takes part in the same conversation.

    Attributes:
        id: What clients join it by, as in `rtc_u0_…`.
        model: Of its session.
        session: Its settings in force, as the wire object.
        conversation: Its items.
        clock: Tells Unix time, in s.
        answer: What was last done about it over HTTP: `accept`, `reject`, `refer`; empty before.
        joined: Set once a client has joined.
        ended: Set once it is over; clients can't join it any more, and those that have are closed.
    """

    id: str
    model: str
    session: Json = attrs.field(repr=False)
    conversation: Conversation = attrs.field(repr=False)
    clock: Callable[[], float] = attrs.field(repr=False)
    answer: str = ""
    joined: trio.Event = attrs.field(factory=trio.Event, repr=False)
    ended: trio.Event = attrs.field(factory=trio.Event, repr=False)
    _clients: list[Joined] = attrs.field(factory=list, init=False, repr=False)

    def press(self, keys: Iterable[str]) -> None:
        """Press telephone keys, as in `"5"` or `"42#"`; each client that has joined is told."""
        for key in keys:
            for session in self._clients:
                session.press(key, int(self.clock()))

    def say(self, pcm: bytes) -> None:
        """Let the caller say something: PCM16 mono 24 kHz, whole samples. It is lost before a client has joined."""
        if self._clients:
            self._clients[-1].hear(pcm)

    def hang_up(self) -> None:
        """End the call."""
        self.ended.set()

    def join(self, session: Joined) -> None:
        """Add a socket that controls the call."""
        self._clients.append(session)
        self.joined.set()

    def leave(self, session: Joined) -> None:
        """Take a socket away."""
        self._clients.remove(session)

"""What goes by on the wire: counted, shown to whoever looks, and handed to the session's core."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import trio

from engine.counting import NameCounts
from engine.errors import EngineError, RemoteViolation
from engine.protocol.effects import Effect
from engine.raw import Raw, RawEvent
from engine.wire.codec import event_type
from engine.wire.server import ResponseOutputAudioDelta

Observer = Callable[[Literal["client", "server"], str | bytes, float], None]
"""Gets each message as it went over the wire, its way, and when; must not wait."""


class Taker(Protocol):
    """What the events are for; see `engine.session.plan.Core`."""

    def receive(self, event: Any, now: float) -> Sequence[Effect]:
        """Take a server event."""
        ...

    def violated(self, error: EngineError, problem: str, now: float) -> Sequence[Effect]:
        """Take note of a message that could not be read."""
        ...


class Meter(Protocol):
    """Watches the wire, as `engine.metering.turn_log.TurnLog`."""

    def observe(self, event: Any, now: float) -> None:
        """Take note of a server event."""
        ...

    def sent(self, event: Any, now: float) -> None:
        """Take note of a client event, but for audio."""
        ...


class Traffic:
    """Stands between the actors and the core.

    Args:
        core: Takes the server's events.
        raw: Who listens to typed events.
        decode_sent: Reads what the engine sends, for those who listen.
        meter: Watches the server's events.
    """

    def __init__(
        self, core: Taker, raw: Raw, decode_sent: Callable[[str | bytes], Any], meter: Meter | None = None
    ) -> None:
        self._meter = meter
        self._core = core
        self._decode_sent = decode_sent
        self._raw = raw
        self._observers: list[Observer] = []
        self._on_link: list[Callable[[int, float], None]] = []
        self.messages = 0
        """Server messages, those that could not be read included."""
        self.events = NameCounts()
        """Server events by type."""
        self.audio_chars = 0
        """Characters of base64 audio received."""

    def watch(self, observer: Observer) -> None:
        """Show each message to an observer from now on."""
        self._observers.append(observer)

    def unwatch(self, observer: Observer) -> None:
        """Show it nothing more."""
        self._observers.remove(observer)

    def receive(self, event: Any, now: float, message: str) -> Sequence[Effect]:
        """Take a server event, and the message that it was read from."""
        self.messages += 1
        self.events.add(event.tag or event_type(event))
        if isinstance(event, ResponseOutputAudioDelta):
            self.audio_chars += len(event.delta)
        if self._meter is not None:
            self._meter.observe(event, now)
        if self._observers:
            self._show("server", message, now)
        if self._raw.listened_to:
            self._raw.observe(RawEvent("server", event, now), len(message))
        return self._core.receive(event, now)

    def overhear(self, event: Any, now: float, message: str) -> None:
        """Take note of a server event that is not for the core: of a connection that does not carry the talk yet."""
        self.messages += 1
        self.events.add(event.tag or event_type(event))
        self._show("server", message, now)
        if self._raw.listened_to:
            self._raw.observe(RawEvent("server", event, now), len(message))

    def overhear_violation(self, now: float, message: str | bytes) -> None:
        """Take note of a message there that can't be read."""
        self.messages += 1
        self._show("server", message, now)

    def violated(self, error: EngineError, problem: str, now: float, message: str | bytes) -> Sequence[Effect]:
        """Take note of a server message that can't be read."""
        self.messages += 1
        self._show("server", message, now)
        return self._core.violated(error, problem, now)

    def when_linked(self, do: Callable[[int, float], None]) -> None:
        """Do this when a connection was made anew: its number in the session, and when."""
        self._on_link.append(do)

    def linked(self, number: int, now: float) -> None:
        """Take note of a connection that carries the talk from now on."""
        for do in self._on_link:
            do(number, now)

    def sent(self, text: str) -> None:
        """Take note of a message that is on the socket."""
        if self._observers:
            self._show("client", text, trio.current_time())
        if not self._raw.listened_to:
            return
        # What an application sends by hand may hold anything; that it can't be shown must not stop the sender.
        with contextlib.suppress(RemoteViolation):
            self._raw.observe(RawEvent("client", self._decode_sent(text), trio.current_time()), len(text))

    def _show(self, direction: Literal["client", "server"], message: str | bytes, at: float) -> None:
        for observer in tuple(self._observers):
            observer(direction, message, at)

"""What goes by on the wire: counted, shown to whoever looks, and handed to the session's core."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import attrs
import trio

from engine.counting import NameCounts
from engine.errors import EngineError, RemoteViolation
from engine.protocol.effects import Effect
from engine.raw import Raw, RawEvent
from engine.wire.codec import event_type
from engine.wire.server import ResponseOutputAudioDelta

Observer = Callable[[Literal["client", "server"], str | bytes, float, int], None]
"""Gets each message as it went over the wire: its way, it, when, and the number of its connection; must not wait."""


@attrs.frozen
class LinkChange:
    """Something that became of a connection.

    Attributes:
        number: Of the connection, from 1.
        did: It was `opened`, it `took_over` the talk, it was `closed`, or it could not be had: it `failed`.
        at: When, in seconds of Trio's clock.
        error: What broke it, or kept it from being had; None when we closed it.
    """

    number: int
    did: Literal["opened", "took_over", "closed", "failed"]
    at: float
    error: EngineError | None = None


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
        self._on_link: list[Callable[[LinkChange], None]] = []
        self.carrier = 1
        """Number of the connection that carries the talk, or did last."""
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
            self._show("server", message, now, self.carrier)
        if self._raw.listened_to:
            self._raw.observe(RawEvent("server", event, now, self.carrier), len(message))
        return self._core.receive(event, now)

    def overhear(self, event: Any, now: float, message: str, link: int) -> None:
        """Take note of a server event that is not for the core: of a connection that does not carry the talk."""
        self.messages += 1
        self.events.add(event.tag or event_type(event))
        self._show("server", message, now, link)
        if self._raw.listened_to:
            self._raw.observe(RawEvent("server", event, now, link), len(message))

    def overhear_violation(self, now: float, message: str | bytes, link: int) -> None:
        """Take note of a message there that can't be read."""
        self.messages += 1
        self._show("server", message, now, link)

    def violated(self, error: EngineError, problem: str, now: float, message: str | bytes) -> Sequence[Effect]:
        """Take note of a server message that can't be read."""
        self.messages += 1
        self._show("server", message, now, self.carrier)
        return self._core.violated(error, problem, now)

    def watch_links(self, do: Callable[[LinkChange], None]) -> None:
        """Tell what becomes of connections from now on."""
        self._on_link.append(do)

    def unwatch_links(self, do: Callable[[LinkChange], None]) -> None:
        """Tell nothing more."""
        self._on_link.remove(do)

    def linked(self, change: LinkChange) -> None:
        """Take note of what became of a connection."""
        if change.did == "took_over":
            self.carrier = change.number
        for do in tuple(self._on_link):
            do(change)

    def sent(self, text: str, link: int) -> None:
        """Take note of a message that is on the socket of a connection."""
        if self._observers:
            self._show("client", text, trio.current_time(), link)
        if not self._raw.listened_to:
            return
        # What an application sends by hand may hold anything; that it can't be shown must not stop the sender.
        with contextlib.suppress(RemoteViolation):
            self._raw.observe(RawEvent("client", self._decode_sent(text), trio.current_time(), link), len(text))

    def _show(self, direction: Literal["client", "server"], message: str | bytes, at: float, link: int) -> None:
        for observer in tuple(self._observers):
            observer(direction, message, at, link)

"""`session.raw`: the typed wire events of a session, both ways, for those who want to see or send them."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import attrs
import trio

from engine import limits
from engine.wire.client import ClientEvent
from engine.wire.server import ServerEvent


@attrs.frozen
class RawEvent:
    """A wire event and its way.

    Attributes:
        direction: `client` for what the engine sent, `server` for what it received.
        event: The event.
        at: When, in seconds of Trio's clock.
        link: Number of the connection that it went over, from 1. While a session moves on, two talk at once.
    """

    direction: Literal["client", "server"]
    event: ClientEvent | ServerEvent
    at: float
    link: int = 1


class Tap:
    """One reader of the raw events. Holds at most `limits.RAW_LOG_MAX_BYTES`; the oldest go first past it."""

    def __init__(self) -> None:
        self._events: deque[tuple[RawEvent, int]] = deque()
        self._bytes = 0
        self._closed = False
        self._readers = trio.lowlevel.ParkingLot()
        self.dropped = 0
        """Events lost at the bound."""

    def put(self, event: RawEvent, size: int) -> None:
        """Add an event of this many characters."""
        self._events.append((event, size))
        self._bytes += size
        while self._bytes > limits.RAW_LOG_MAX_BYTES:
            self._bytes -= self._events.popleft()[1]
            self.dropped += 1
        self._readers.unpark()

    def close(self) -> None:
        """The session is over; what waits can still be read."""
        self._closed = True
        self._readers.unpark_all()

    def __aiter__(self) -> AsyncIterator[RawEvent]:
        return self

    async def __anext__(self) -> RawEvent:
        await trio.lowlevel.checkpoint()
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            await self._readers.park()
        event, size = self._events.popleft()
        self._bytes -= size
        return event


class Raw:
    """The wire events of one session.

    Args:
        send: Sends a client event.
    """

    def __init__(self, send: Callable[[ClientEvent], Awaitable[None]]) -> None:
        self._send = send
        self._taps: list[Tap] = []
        self._closed = False

    @contextmanager
    def listen(self) -> Iterator[Tap]:
        """Listen from now on; iterate over what this gives."""
        tap = Tap()
        if self._closed:
            tap.close()
        self._taps.append(tap)
        try:
            yield tap
        finally:
            self._taps.remove(tap)
            tap.close()

    async def send(self, event: ClientEvent) -> None:
        """Send a client event as it is.

        A `ResponseCreate` goes out even while a response is active; the engine's own requests wait for it. While there
        is no connection, or the talk just moves to another, it waits; what was on its way when a connection was lost is
        not sent again, but for items, requests for a response and changes of settings.

        Raises:
            SessionEnded: The session is over.
            UnsupportedContent: It can't be written as JSON.
        """
        await self._send(event)

    @property
    def listened_to(self) -> bool:
        """Tell whether anybody listens; else nothing needs to be decoded for it."""
        return bool(self._taps)

    def observe(self, event: RawEvent, size: int) -> None:
        """Hand an event to all who listen."""
        for tap in self._taps:
            tap.put(event, size)

    def close(self) -> None:
        """The session is over."""
        self._closed = True
        for tap in self._taps:
            tap.close()

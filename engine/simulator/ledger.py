"""What went over each connection, for tests and reports: bounded, and parsed only when somebody looks."""

from collections import Counter, deque
from typing import Any

import attrs
import orjson


@attrs.frozen
class Message:
    """One message that crossed the wire.

    Attributes:
        at_s: Time of the Trio clock, in seconds.
        type: The event's type; empty where it had none.
        text: The JSON text; empty for a binary frame.
    """

    at_s: float
    type: str
    text: str = attrs.field(repr=False)

    @property
    def event(self) -> dict[str, Any]:
        """Parse it."""
        event: dict[str, Any] = orjson.loads(self.text)
        return event


class Lane:
    """Messages one way: the newest of them, and counts of all.

    Args:
        max_events: How many to keep.
        max_bytes: How much text to keep.
    """

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self.counts: Counter[str] = Counter()
        self.total_bytes = 0
        self.forgotten = 0
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._kept_bytes = 0
        self._messages: deque[Message] = deque()

    def __iter__(self) -> Any:
        return iter(tuple(self._messages))

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def types(self) -> list[str]:
        """Name the kept messages' types, in order."""
        return [message.type for message in self._messages]

    def add(self, message: Message) -> None:
        """Keep a message, and forget the oldest past the bounds."""
        self.counts[message.type] += 1
        self.total_bytes += len(message.text)
        self._kept_bytes += len(message.text)
        self._messages.append(message)
        while self._messages and (len(self._messages) > self._max_events or self._kept_bytes > self._max_bytes):
            self._kept_bytes -= len(self._messages.popleft().text)
            self.forgotten += 1


@attrs.define(eq=False)
class SessionLedger:
    """What a session received and sent.

    Attributes:
        number: Of the session at this server, from 0.
        received: The client's messages.
        sent: The server's events.
        session_id: Empty when the connection was refused.
        request_id: What the client called its request in the header `X-Client-Request-Id`; empty where it did not.
        close_code: Of the close frame, once there is one.
        close_reason: Of the close frame.
        open: False once the connection is over.
        crash: A bug of the simulator or the responder that ended the session.
    """

    number: int
    received: Lane
    sent: Lane
    session_id: str = ""
    request_id: str = ""
    close_code: int | None = None
    close_reason: str | None = None
    open: bool = True
    crash: BaseException | None = None

"""What waits for a browser, in order: it is given speech at most `AHEAD_MS` before that is heard."""

from collections import deque

import anyio
import attrs

AHEAD_MS = 3000
"""Speech that the browser may hold. The rest waits here, so that a slow line is never full of what nobody wants to hear
any more, and an interruption overtakes it."""

MAX_BYTES = 8 * 2**20
"""What may wait here, nearly three minutes of speech. Past it the session's own inbox fills, by its own policy."""

BYTES_PER_MS = 48


@attrs.frozen
class Outgoing:
    """A message for the browser.

    Attributes:
        body: Text is JSON, bytes are speech: PCM16 mono 24 kHz.
        item: The answer that it is a part of; worth nothing once that was interrupted.
    """

    body: str | bytes
    item: str | None = None


class Outbox:
    """Messages from a session to a browser."""

    def __init__(self) -> None:
        self._waiting: deque[Outgoing] = deque()
        self._bytes = 0
        self._sent_ms = 0.0
        self._over_ms = 0.0
        self._ended = False
        self._changed = anyio.Event()

    def put(self, message: Outgoing) -> None:
        """Add a message."""
        self._waiting.append(message)
        self._bytes += len(message.body)
        self._wake()

    def end(self, last: Outgoing) -> None:
        """Add the last message; what waits goes out without waiting for the listener."""
        self._ended = True
        self.put(last)

    def drop_answer(self) -> None:
        """Forget what waits of an answer that was interrupted."""
        self._waiting = deque(message for message in self._waiting if message.item is None)
        self._bytes = sum(len(message.body) for message in self._waiting)
        self._wake()

    def is_over(self, ms: float) -> None:
        """Note how much of all speech that was sent the browser has played or thrown away, by its own account."""
        self._over_ms = min(max(self._over_ms, ms), self._sent_ms)
        self._wake()

    async def take(self) -> Outgoing | None:
        """Wait for the next message that may go out; None after the last one."""
        while not self._ready():
            if self._ended and not self._waiting:
                return None
            await self._changed.wait()
        message = self._waiting.popleft()
        self._bytes -= len(message.body)
        if isinstance(message.body, bytes):
            self._sent_ms += len(message.body) / BYTES_PER_MS
        self._wake()
        return message

    async def room(self) -> None:
        """Wait until less than `MAX_BYTES` wait."""
        while self._bytes > MAX_BYTES:
            await self._changed.wait()

    def _ready(self) -> bool:
        if not self._waiting:
            return False
        is_speech = isinstance(self._waiting[0].body, bytes)
        return self._ended or not is_speech or self._sent_ms - self._over_ms < AHEAD_MS

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

"""What waits for one client's socket: never refused, but whoever makes much waits for room."""

from collections import deque
from typing import Final

import trio

BURST_CHARS: Final = 64 * 2**10
"""How much is written at once where several messages wait."""


class Outbox:
    """Messages in order, counted in bytes.

    Args:
        max_bytes: Past it `room` waits. What is put without waiting comes on top: the answers to one client message.
    """

    def __init__(self, max_bytes: int) -> None:
        self.waiting_bytes = 0
        self._max_bytes = max_bytes
        self._messages: deque[str] = deque()
        self._in_hand = 0
        self._changed = trio.lowlevel.ParkingLot()

    def put(self, text: str) -> None:
        """Add a message."""
        self._messages.append(text)
        self.waiting_bytes += len(text)
        self._changed.unpark_all()

    async def take(self) -> str:
        """Wait for the next message. It counts as written when the next one is asked for."""
        self.waiting_bytes -= self._in_hand
        self._in_hand = 0
        self._changed.unpark_all()
        while not self._messages:
            await self._changed.park()
        text = self._messages.popleft()
        self._in_hand = len(text)
        return text

    def rest_of_burst(self) -> list[str]:
        """Take what waits behind the message that was taken last, and can be written with it."""
        taken: list[str] = []
        while self._messages and self._in_hand + len(self._messages[0]) <= BURST_CHARS:
            taken.append(self._messages.popleft())
            self._in_hand += len(taken[-1])
        return taken

    async def room(self) -> None:
        """Wait until there is room."""
        while self.waiting_bytes > self._max_bytes:
            await self._changed.park()

    async def flushed(self) -> None:
        """Wait until all is written."""
        while self.waiting_bytes:
            await self._changed.park()

"""A lane of messages on their way to the socket: a memory channel that is bounded by what the messages weigh."""

import math

import attrs
import trio


@attrs.frozen
class LaneStatistics:
    """A snapshot of a lane.

    Attributes:
        waiting: Weight of what waits, in the lane's unit.
        most: The largest weight that ever waited.
        dropped: Weight of what was dropped at the bound.
    """

    waiting: float
    most: float
    dropped: float


class Lane:
    """Messages in order, each with a weight (1 for a control message, ms for audio).

    Whoever puts asks for `room` first; after that `put` never waits, so a message goes in whole or not at all,
    whatever is cancelled.

    Args:
        bound: Weight at which `room` begins to wait.
    """

    def __init__(self, bound: float) -> None:
        self.bound = bound
        self._send, self._receive = trio.open_memory_channel[tuple[str, float]](math.inf)
        self._emptied = trio.Event()
        self._emptied.set()
        self._room = trio.Event()
        self._messages = 0
        self._waiting = 0.0
        self._most = 0.0
        self._dropped = 0.0

    @property
    def closed(self) -> bool:
        """True once it takes nothing more."""
        return math.isinf(self.bound)

    def has_room(self) -> bool:
        """Tell whether the bound is not reached."""
        return self._waiting < self.bound

    async def room(self) -> None:
        """Wait until the bound is not reached. A checkpoint only when it waits."""
        while not self.has_room():
            await self._room.wait()

    def put(self, text: str, weight: float) -> None:
        """Add a message.

        Raises:
            trio.ClosedResourceError: The lane is closed.
        """
        self._send.send_nowait((text, weight))
        self._messages += 1
        self._waiting += weight
        self._most = max(self._most, self._waiting)
        if self._emptied.is_set():
            self._emptied = trio.Event()
        if not self.has_room() and self._room.is_set():
            self._room = trio.Event()

    def drop_oldest(self) -> bool:
        """Forget the message that would go next; False when there is none."""
        try:
            _, weight = self._receive.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return False
        self._dropped += weight
        self._took(weight)
        return True

    async def next(self) -> tuple[str, float]:
        """Wait for the next message, for the sender; `sent` must follow.

        Raises:
            trio.EndOfChannel: The lane is closed and empty.
        """
        return await self._receive.receive()

    def sent(self, weight: float) -> None:
        """Note that the message which `next` gave is on the socket."""
        self._took(weight)

    async def emptied(self) -> None:
        """Wait until everything is on the socket."""
        await self._emptied.wait()

    def close(self) -> None:
        """Take nothing more, and wake whoever waits for room."""
        self._send.close()
        self.bound = math.inf
        self._room.set()

    def statistics(self) -> LaneStatistics:
        """Give a snapshot."""
        return LaneStatistics(self._waiting, self._most, self._dropped)

    def _took(self, weight: float) -> None:
        self._messages -= 1
        # Sums of floats drift; an empty lane weighs nothing.
        self._waiting = self._waiting - weight if self._messages else 0.0
        if not self._messages:
            self._emptied.set()
        if self.has_room():
            self._room.set()

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


@attrs.frozen
class Queued:
    """A message in a lane.

    Attributes:
        text: The message.
        weight: What it counts for.
        keep: True for one that is never dropped.
        kind: What it is, for whoever goes through them.
        after: How many messages of the lane ahead must be on the socket before this one is written.
    """

    text: str = attrs.field(repr=False)
    weight: float
    keep: bool = False
    kind: str = ""
    after: int = 0


class Lane:
    """Messages in order, each with a weight (1 for a control message, ms for audio).

    Whoever puts asks for `room` first; after that `put` never waits, so a message goes in whole or not at all,
    whatever is cancelled.

    Args:
        bound: Weight at which `room` begins to wait.
        ahead: A lane whose messages go before this one's, as far as `follow` says. It must not wait for this one.
    """

    def __init__(self, bound: float, ahead: "Lane | None" = None) -> None:
        self.bound = bound
        self._ahead = ahead
        self._after = 0
        self._puts = 0
        self._gone = 0
        self._lost = False
        self._going = trio.lowlevel.ParkingLot()
        self._send, self._receive = trio.open_memory_channel[Queued](math.inf)
        self._first: Queued | None = None
        # Given to the sender and not on the socket yet: where it stops, the next one begins with it.
        self._emptied = trio.Event()
        self._emptied.set()
        self._room = trio.Event()
        self._messages = 0
        self._kept = 0
        self._waiting = 0.0
        self._spared = 0.0
        self._most = 0.0
        self._dropped = 0.0

    @property
    def closed(self) -> bool:
        """True once it takes nothing more."""
        return math.isinf(self.bound)

    @property
    def keeps(self) -> bool:
        """True while a message that is never dropped waits or is being sent."""
        return self._kept > 0

    @property
    def kept(self) -> int:
        """How many such messages those are."""
        return self._kept

    @property
    def is_over_bound(self) -> bool:
        """Tell whether the bound is passed: by less than a message, as long as `room` is asked for."""
        return self._waiting - self._spared > self.bound

    def has_room(self) -> bool:
        """Tell whether the bound is not reached."""
        return self._waiting - self._spared < self.bound

    def spare(self, spares: bool) -> None:
        """Let what waits now count no more for the bound; or let all count again."""
        self._spared = self._waiting if spares else 0.0
        if self.has_room():
            self._room.set()
        elif self._room.is_set():
            self._room = trio.Event()

    async def room(self) -> None:
        """Wait until the bound is not reached. A checkpoint only when it waits."""
        while not self.has_room():
            await self._room.wait()

    def put(self, text: str, weight: float, *, keep: bool = False, kind: str = "") -> None:
        """Add a message; `keep` it from being dropped.

        Raises:
            trio.ClosedResourceError: The lane is closed.
        """
        self._send.send_nowait(Queued(text, weight, keep, kind, self._after))
        self._puts += 1
        self._messages += 1
        self._kept += keep
        self._waiting += weight
        self._most = max(self._most, self._waiting)
        if self._emptied.is_set():
            self._emptied = trio.Event()
        if not self.has_room() and self._room.is_set():
            self._room = trio.Event()

    def follow(self) -> None:
        """Let what is put from now on go out after all that the lane ahead holds now."""
        if self._ahead is not None:
            self._after = self._ahead._puts

    async def turn(self, message: Queued) -> None:
        """Wait until what goes before this message is on the socket, or never will be."""
        if self._ahead is not None:
            await self._ahead.sent_up_to(message.after)

    async def sent_up_to(self, count: int) -> None:
        """Wait until this many messages are on the socket, or the lane is lost. A checkpoint only when it waits."""
        while self._gone < count and not self._lost:
            await self._going.park()

    def lose(self) -> None:
        """Note that nobody writes this lane any more, and wake whoever waits behind it."""
        self._lost = True
        self._going.unpark_all()

    def drop_oldest(self) -> bool:
        """Forget the oldest message that may be dropped; False when there is none."""
        passed: list[Queued] = []
        while (oldest := self._take_nowait()) is not None and oldest.keep:
            passed.append(oldest)
        if passed:
            self._put_back([*passed, *self._take_all()])
        if oldest is None:
            return False
        self._dropped += oldest.weight
        self._took(oldest)
        return True

    async def next(self) -> Queued:
        """Wait for the next message, for the sender; `sent` must follow, else the same is given again.

        Raises:
            trio.EndOfChannel: The lane is closed and empty.
        """
        if self._first is None:
            self._first = await self._receive.receive()
        return self._first

    def sent(self, message: Queued) -> None:
        """Note that the message which `next` gave is on the socket."""
        self._first = None
        self._took(message)

    def take_all(self) -> list[Queued]:
        """Take out all that is not on the socket, for a new connection; whoever waits behind it waits no longer."""
        taken = [*([] if self._first is None else [self._first]), *self._take_all()]
        self._first = None
        for message in taken:
            self._took(message)
        self._lost = False
        return taken

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

    def _take_nowait(self) -> Queued | None:
        try:
            return self._receive.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return None

    def _take_all(self) -> list[Queued]:
        return list(iter(self._take_nowait, None))

    def _put_back(self, messages: list[Queued]) -> None:
        for message in messages:
            self._send.send_nowait(message)

    def _took(self, message: Queued) -> None:
        self._messages -= 1
        self._gone += 1
        if self._going:
            self._going.unpark_all()
        self._kept -= message.keep
        # Sums of floats drift; an empty lane weighs nothing.
        self._waiting = self._waiting - message.weight if self._messages else 0.0
        if self._spared:
            self._spared = max(0.0, self._spared - message.weight)
        if not self._messages:
            self._emptied.set()
        if self.has_room():
            self._room.set()

"""A lane of messages on their way to the socket, bounded by what they weigh.

A message that finds the lane empty may be written at once, by whoever puts it. One that has to wait is taken by the
lane's writer, together with all that waits by then.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import attrs
import trio

from engine.waiting.latch import Latch


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


class Writer(Protocol):
    """Who writes what is in a lane; see `engine.actors.sender`."""

    def write_at_once(self, text: str, weight: float, kind: str) -> bool:
        """Write a message, if that can be done without waiting, and tell whether it was."""
        ...

    def wake(self) -> None:
        """Take note that something waits."""
        ...

    def lane_closed(self) -> None:
        """Take note that nothing more comes."""
        ...


class Lane:
    """Messages in order, each with a weight (1 for a control message, ms for audio).

    Whoever puts asks for `room` first; after that `put` never waits, so a message goes in whole or not at all,
    whatever is cancelled.

    Args:
        bound: Weight at which `room` begins to wait.
        ahead: A lane whose messages go before this one's, as far as `follow` says. It must not wait for this one.

    Attributes:
        writer: Who writes it; None while nobody does.
    """

    __slots__ = (
        "_after",
        "_ahead",
        "_dropped",
        "_emptied",
        "_gone",
        "_in_hand",
        "_is_closed",
        "_kept",
        "_most",
        "_puts",
        "_room",
        "_spared",
        "_waiting",
        "_waits",
        "bound",
        "writer",
    )

    def __init__(self, bound: float, ahead: "Lane | None" = None) -> None:
        self.bound = bound
        self.writer: Writer | None = None
        self._ahead = ahead
        self._after = 0
        self._puts = 0
        self._gone = 0
        self._is_closed = False
        # A list, for it is short or empty, and an empty deque has room for 64.
        self._waits: list[Queued] = []
        self._in_hand: Sequence[Queued] = ()
        self._emptied = Latch(is_set=True)
        self._room = Latch()
        self._kept = 0
        self._waiting = 0.0
        self._spared = 0.0
        self._most = 0.0
        self._dropped = 0.0

    @property
    def closed(self) -> bool:
        """True once it takes nothing more."""
        return self._is_closed

    @property
    def is_over(self) -> bool:
        """Tell whether it is closed, and all is on the socket."""
        return self._is_closed and not self._waits

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
        self._tell_room()

    async def room(self) -> None:
        """Wait until the bound is not reached. A checkpoint only when it waits."""
        while not self.has_room():
            self._room.clear()
            await self._room.wait()

    def put(self, text: str, weight: float, *, keep: bool = False, kind: str = "") -> None:
        """Add a message; `keep` it from being dropped.

        Raises:
            trio.ClosedResourceError: The lane is closed.
        """
        if self._is_closed:
            raise trio.ClosedResourceError
        self._puts += 1
        writer = self.writer
        is_first = not self._waits and self._is_free(self._after)
        if is_first and writer is not None and writer.write_at_once(text, weight, kind):
            self._gone += 1
            return
        self._waits.append(Queued(text, weight, keep, kind, self._after))
        self._kept += keep
        self._waiting += weight
        if self._waiting > self._most:  # noqa: PLR1730 - a call costs more
            self._most = self._waiting
        self._emptied.clear()
        if writer is not None:
            writer.wake()

    def follow(self) -> None:
        """Let what is put from now on go out after all that the lane ahead holds now."""
        if self._ahead is not None:
            self._after = self._ahead._puts

    def drop_oldest(self) -> bool:
        """Forget the oldest message that may be dropped; False when there is none."""
        for at in range(len(self._in_hand), len(self._waits)):
            message = self._waits[at]
            if not message.keep:
                del self._waits[at]
                self._dropped += message.weight
                self._took(message)
                return True
        return False

    # --- for the sender ---------------------------------------------------------------------------------------

    def take(self, max_chars: float = math.inf) -> Sequence[Queued]:
        """Give the first messages that may be written now; `sent` or `put_back` must follow, with what this gave.

        Args:
            max_chars: Of text, at most; but one message in any case.

        Returns:
            None of them is dropped meanwhile.
        """
        taken: list[Queued] = []
        for message in self._waits:
            max_chars -= len(message.text)
            if not self._is_free(message.after) or (taken and max_chars < 0):
                break
            taken.append(message)
        self._in_hand = taken
        return taken

    def sent(self, taken: Sequence[Queued]) -> None:
        """Note that these messages are on the socket. Of one who takes no more by now it means nothing."""
        if taken is self._in_hand:
            self._in_hand = ()
            del self._waits[: len(taken)]
            for message in taken:
                self._took(message)

    def put_back(self, taken: Sequence[Queued]) -> None:
        """Note that they are not, and may be dropped."""
        if taken is self._in_hand:
            self._in_hand = ()

    def take_all(self) -> list[Queued]:
        """Take out all that is not on the socket, for a new connection; nothing waits behind it any more."""
        taken, self._waits, self._in_hand = self._waits, [], ()
        for message in taken:
            self._took(message)
        return taken

    async def emptied(self) -> None:
        """Wait until everything is on the socket."""
        await self._emptied.wait()

    def close(self) -> None:
        """Take nothing more, and wake whoever waits for room."""
        self._is_closed = True
        self.bound = math.inf
        self._room.set()
        if self.writer is not None:
            self.writer.lane_closed()

    def statistics(self) -> LaneStatistics:
        """Give a snapshot."""
        return LaneStatistics(self._waiting, self._most, self._dropped)

    def _is_free(self, after: int) -> bool:
        return self._ahead is None or self._ahead._gone >= after

    def _took(self, message: Queued) -> None:
        self._gone += 1
        self._kept -= message.keep
        # Sums of floats drift; an empty lane weighs nothing.
        self._waiting = self._waiting - message.weight if self._waits else 0.0
        if self._spared:
            self._spared = max(0.0, self._spared - message.weight)
        if not self._waits:
            self._emptied.set()
        self._tell_room()

    def _tell_room(self) -> None:
        if self.has_room():
            self._room.set()

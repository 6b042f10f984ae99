"""Lets tasks write one after the other, in the order in which they came. Costs nothing while nobody else writes."""

import trio


class Turns:
    """Who may write.

    Attributes:
        is_taken: True while somebody does.
    """

    __slots__ = (
        "_waiting",
        "is_taken",
    )

    def __init__(self) -> None:
        self._waiting: trio.lowlevel.ParkingLot | None = None
        self.is_taken = False

    async def take(self) -> None:
        """Wait for a turn; `give_back` must follow. A checkpoint only when it waits."""
        if not self.is_taken:
            self.is_taken = True
            return
        if self._waiting is None:
            self._waiting = trio.lowlevel.ParkingLot()
        await self._waiting.park()

    def give_back(self) -> None:
        """Let the next one write."""
        if self._waiting:
            self._waiting.unpark()  # Whose turn it is then: nobody can come between.
        else:
            self.is_taken = False
            self._waiting = None

"""An event that costs next to nothing until somebody waits for it: a session has many, and few are waited for."""

import trio


class Latch:
    """Is set, cleared and waited for, as a `trio.Event` that can be cleared."""

    __slots__ = ("_event", "_is_set")

    def __init__(self, *, is_set: bool = False) -> None:
        self._is_set = is_set
        self._event: trio.Event | None = None

    def is_set(self) -> bool:
        """Tell whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake all who wait."""
        self._is_set = True
        event, self._event = self._event, None
        if event is not None:
            event.set()

    def clear(self) -> None:
        """Let those who ask from now on wait for the next `set`. Who was woken before is on the way."""
        self._is_set = False

    async def wait(self) -> None:
        """Wait until it is set; a checkpoint in any case."""
        if self._is_set:
            await trio.lowlevel.checkpoint()
            return
        if self._event is None:
            self._event = trio.Event()
        await self._event.wait()

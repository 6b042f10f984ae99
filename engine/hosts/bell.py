"""A bell in the Trio thread: what is asked for many times in one step is done once, in the next."""

from collections.abc import Callable

import trio

from engine.waiting.sleepers import Sleepers


class Bell:
    """Calls functions in a task of its own. All of it belongs to one Trio run.

    Args:
        before: Called before them.
    """

    def __init__(self, before: Callable[[], object]) -> None:
        self._before = before
        self._asked: dict[Callable[[], object], None] = {}
        self._sleeping = Sleepers()

    def ring(self, do: Callable[[], object]) -> None:
        """Have a function called in the next step; it must not raise."""
        self._asked[do] = None
        self._sleeping.wake()

    async def run(self) -> None:
        """Call them."""
        while True:
            if self._asked:
                await trio.lowlevel.checkpoint()
            else:
                await self._sleeping.sleep()
            self._before()
            asked, self._asked = self._asked, {}
            for do in asked:
                do()

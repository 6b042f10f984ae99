"""Asks for answers that nobody waits for: an agent's microphone goes on while a request waits for its turn."""

import asyncio
import logging
from typing import Final

from engine.errors import EngineError
from engine.session import Session

logger = logging.getLogger(__name__)

WAITING_MAX: Final = 2
"""Requests that wait at once. Of two the second is not sent before the first is answered: its answer is for all that is
said until then, as with text."""


class Requests:
    """Requests of one session that wait."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Task[None]] = set()

    def ask(self, session: Session) -> None:
        """Ask for an answer to what was sent; it waits behind the active one, one for all that is said meanwhile."""
        if len(self._waiting) >= WAITING_MAX:
            return
        task = asyncio.get_running_loop().create_task(_ask(session), name="engine request")
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def end(self) -> None:
        """Wait for none of them any more."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)


async def _ask(session: Session) -> None:
    try:
        await session.responses.create()
    except EngineError as error:
        # Not what it says: that may quote what somebody said.
        logger.warning("session %s: no answer to an image was given: %s", session.connection_id, type(error).__name__)

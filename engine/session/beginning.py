"""A session's beginning: from its first packet until the service has opened it, or will not."""

from collections.abc import Sequence

import trio

from engine.actors.watchdog import deadline
from engine.config import EngineSettings
from engine.errors import DeadlinePassed
from engine.protocol.effects import Effect, Transmit
from engine.session.links import Links
from engine.waiting.latch import Latch
from engine.wire.codec import encode


class Beginning:
    """Gets a session going, in time.

    Args:
        engine: Has the deadlines.
        links: Make the connection.
    """

    __slots__ = ("_connecting", "_engine", "_links", "_texts", "is_open", "settled")

    def __init__(self, engine: EngineSettings, links: Links) -> None:
        self._engine = engine
        self._links = links
        self._texts: Sequence[str] = ()
        self._connecting: deadline | None = None
        self.is_open = False
        """The service has opened the session."""
        self.settled = Latch()
        """It has, or will not."""

    def prepare(self, effects: Sequence[Effect]) -> None:
        """Make the texts of what is sent first: what can't be sent fails before anything is connected.

        Raises:
            UnsupportedContent: It holds what the service can't take.
        """
        events = [effect.event for effect in effects if isinstance(effect, Transmit)]
        self._texts = [encode(event) for event in events]

    async def connect(self, nursery: trio.Nursery) -> None:
        """Connect, and watch the deadlines until it is settled.

        Args:
            nursery: Where all runs.

        Raises:
            EngineError: There is no connection, or not in time.
        """
        texts, self._texts = self._texts, ()
        engine = self._engine
        try:
            with deadline("connect", engine.connect_deadline_s) as self._connecting:
                await self._links.open(nursery, texts, trio.current_time() + engine.connect_deadline_s)
                await self._links.watch_until(self.settled, engine.session_created_deadline_s)
        except DeadlinePassed as late:
            if self._links.refused is not None:
                late.__cause__ = self._links.refused
            raise
        finally:
            self._connecting = None

    def opened(self) -> None:
        """Note that the service has opened the session."""
        self.is_open = True
        self.settled.set()
        self._links.opened()

    def over(self) -> None:
        """Note that the session is over: if it is not open, it never will be."""
        self.settled.set()
        if not self.is_open and self._connecting is not None:
            self._connecting.call_off()

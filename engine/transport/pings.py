"""Follows the pings of one connection: counts and times them, and lets none wait for an answer beyond its end."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from engine.transport.base import TransportStatistics


class Pings:
    """The pings of one connection."""

    __slots__ = (
        "_answered",
        "_began",
        "_is_over",
        "_last_s",
        "_min_s",
        "_sent",
        "_waiting",
    )

    def __init__(self) -> None:
        self._waiting: tuple[trio.CancelScope, ...] = ()
        self._is_over = False
        self._began = 0.0
        self._sent = self._answered = 0
        self._last_s: float | None = None
        self._min_s: float | None = None

    @contextmanager
    def until_over(self) -> Iterator[None]:
        """Run a block that waits for an answer; it is given up when the connection ends, or at once when it has."""
        with trio.CancelScope() as scope:
            if self._is_over:
                scope.cancel()
            self._waiting += (scope,)
            try:
                yield
            finally:
                self._waiting = tuple(other for other in self._waiting if other is not scope)

    def over(self) -> None:
        """Note that the connection has ended: nobody will answer any more."""
        self._is_over = True
        for scope in self._waiting:
            scope.cancel()

    def begun(self) -> None:
        """Note that a ping is being written."""
        self._sent += 1
        self._began = trio.current_time()

    def answered(self) -> None:
        """Note its answer."""
        self._answered += 1
        self._last_s = trio.current_time() - self._began
        self._min_s = self._last_s if self._min_s is None else min(self._min_s, self._last_s)

    def statistics(self, bytes_received: int, bytes_sent: int, pieces_sent: int = 0) -> TransportStatistics:
        """Give a connection's snapshot, with their figures."""
        return TransportStatistics(
            bytes_received, bytes_sent, self._last_s, self._min_s, self._sent, self._answered, pieces_sent
        )

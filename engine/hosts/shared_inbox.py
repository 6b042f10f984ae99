"""An inbox that the session fills in the Trio thread and the application reads in its own event loop.

Events don't cross: both threads hold the same inbox, one at a time. So what the application has not taken can still be
purged, a reader that is cancelled leaves everything where it is, and the figures and bounds are those of Trio's hosts.
What crosses is one wake-up, where somebody waits.
"""

import asyncio
from collections.abc import Container
from threading import Lock
from typing import Any, Final

from engine.errors import LocalMisuse
from engine.events import BidiOutputEvent
from engine.hosts.engine_thread import EngineThread
from engine.hosts.event_loop import EventLoop
from engine.inbox import Inbox, InboxStatistics
from engine.trio_thread import CLOCK

_EVENTS_A_CHECKPOINT: Final = 64
"""A reader that always finds events lets the loop's other tasks run this often."""

_NOTHING: Container[str] = frozenset()


class SharedInbox(Inbox):
    """Events from the receiver to another thread. Arguments are those of `Inbox`."""

    __slots__ = ("_asked", "_lock", "_shut", "_thread", "_waiting")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lock = Lock()
        self._thread: EngineThread | None = None
        self._shut = False
        self._asked = 0
        self._waiting: list[tuple[EventLoop, asyncio.Future[None]]] = []

    def live_in(self, thread: EngineThread) -> None:
        """The session begins in a thread."""
        self._thread = thread

    def disown(self, error: LocalMisuse) -> None:
        """Give nothing more but this error: the session is not in this process."""
        self._lock = Lock()  # Who held it is not here.
        self._waiting.clear()
        self._places.clear()
        self._events = self._bytes = 0
        self._closed = True
        self._error, self._traceback = error, None

    # --- the session's side -----------------------------------------------------------------------------------

    def put(self, event: BidiOutputEvent) -> None:
        """Add an event; see `Inbox.put`."""
        if self._shut:
            return
        try:
            with self._lock:
                super().put(event)
        finally:
            if self._waiting and self._thread is not None:
                # In the next step: a batch that was read from the socket is in then, and wakes the other thread once.
                self._thread.ring(self._ring)

    def purge_audio(self, kept: Container[str] = _NOTHING) -> int:
        """Drop audio that waits; see `Inbox.purge_audio`."""
        with self._lock:
            return super().purge_audio(kept)

    def close(self, error: BaseException | None = None, last: BidiOutputEvent | None = None) -> None:
        """Take nothing more; see `Inbox.close`."""
        if self._shut:
            return
        self._shut = True
        if self._thread is None or self._thread.over:
            self._close(error, last)
        else:
            # In a step of its own: the one that ends the session may not be done with the error it ends with.
            self._thread.post(self._close, error, last)

    def lose(self, error: BaseException) -> None:
        """The thread is over: nobody will close it any more."""
        self._shut = True
        self._close(error, None)

    def waiting(self) -> list[BidiOutputEvent]:
        """Give the events that wait; see `Inbox.waiting`."""
        with self._lock:
            return super().waiting()

    def has_room(self) -> bool:
        """Tell whether the receiver may go on reading; see `Inbox.has_room`."""
        return self._shut or super().has_room()

    def _close(self, error: BaseException | None, last: BidiOutputEvent | None) -> None:
        with self._lock:
            super().close(error, last)
        self._ring()

    def _wake_writers(self) -> None:
        if self._thread is not None:
            # By the thread, whoever made room: and after whoever found none there has gone to sleep.
            self._thread.post(self._writers.wake_all)

    def _ring(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for loop, future in waiting:
            loop.post(_wake, future)

    # --- the application's side -------------------------------------------------------------------------------

    def statistics(self) -> InboxStatistics:
        """Give a snapshot."""
        with self._lock:
            return super().statistics()

    async def get(self) -> BidiOutputEvent | None:
        """Wait for the next event; None at the end. Cancelled, it leaves the event where it is.

        Raises:
            BaseException: What the session ended with, once all events before it are read.
        """
        self._asked += 1  # Not what was delivered: who is cancelled at the checkpoint must get past it next time.
        if self._asked % _EVENTS_A_CHECKPOINT == 0:
            await asyncio.sleep(0)
        while True:
            now = CLOCK.current_time()
            with self._lock:
                if self._events:
                    was_full = self._waits and self._bytes > self._max_bytes
                    event = self._take(now)
                    if was_full and self._bytes <= self._max_bytes:
                        self._wake_writers()
                    break
                if self._closed:
                    if self._error is not None:
                        # Without the frames of those who got it before.
                        raise self._error.with_traceback(self._traceback)
                    return None
                waiting = EventLoop.current(), asyncio.get_running_loop().create_future()
                self._waiting.append(waiting)
            await self._arrival(waiting)
        taken = self._taken.get(type(event))
        if taken is not None and self._thread is not None:
            if self._thread.over:  # It hears of nothing any more, and nobody else has the session in hands.
                taken(event, now)
            else:
                # With its time, so that it need not be heard of at once: before whatever is asked for from now on.
                self._thread.note(taken, event, now)
        return event

    async def _arrival(self, waiting: "tuple[EventLoop, asyncio.Future[None]]") -> None:
        try:
            await waiting[1]
        except asyncio.CancelledError:
            with self._lock:
                if waiting in self._waiting:
                    self._waiting.remove(waiting)
            raise


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)

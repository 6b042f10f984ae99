"""One asyncio event loop that sessions are used from: what is posted to it, and what is known of its end."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

logger = logging.getLogger(__name__)

Guest = Callable[[], Awaitable[None]]
"""Ends a session that was left open."""


class EventLoop:
    """An event loop. Made by `EventLoop.current`.

    Args:
        loop: asyncio's, or one like it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._jobs: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._called = False
        self._guests: dict[object, Guest] = {}
        self._watch: AsyncGenerator[None, None] | None = None
        self._ending = False

    @classmethod
    def current(cls) -> "EventLoop":
        """Give the loop that runs in this thread.

        Raises:
            RuntimeError: None runs.
        """
        loop = asyncio.get_running_loop()
        return _known.get(loop) or cls(loop)

    @property
    def is_closed(self) -> bool:
        """Tell whether nothing will ever run in it again."""
        return self.loop.is_closed()

    def post(self, do: Callable[..., object], *args: Any) -> bool:
        """Have a function called in the loop, after those that were posted before. From any thread; never waits.

        Returns:
            False when the loop is closed.
        """
        self._jobs.append((do, args))
        if not self._called:
            # One call for all that comes until it is answered: each wakes the loop, which costs more than the job.
            self._called = True
            with contextlib.suppress(RuntimeError):  # It is closed.
                self.loop.call_soon_threadsafe(self._work)
        if self.loop.is_closed():  # Even where it was called before: nobody answers any more.
            self._jobs.clear()
            return False
        return True

    def _work(self) -> None:
        # Before the jobs: one that is added from here on calls again, if it need not.
        self._called = False
        jobs = self._jobs
        for _ in range(len(jobs)):
            do, args = jobs.popleft()
            try:
                do(*args)
            except Exception as bug:  # noqa: BLE001 - one session's bug must not take the others' jobs with it
                _log(bug)
        if jobs and not self._called:
            self._called = True
            self.loop.call_soon(self._work)

    # --- its end ----------------------------------------------------------------------------------------------

    def enter(self, key: object, end: Guest) -> None:
        """Have this done if the loop ends before `leave`. Call it in the loop."""
        for other in [loop for loop in tuple(_known) if loop.is_closed()]:  # Closed with a `leave` that waited.
            _known.pop(other, None)
        _known[self.loop] = self
        self._guests[key] = end
        if self._watch is None:
            # The one thing that a loop tells of its end: it closes the asynchronous generators that began in it.
            self._watch = self._until_the_loop_ends()
            _step(self._watch)

    def leave(self, key: object) -> None:
        """Nothing has to be done any more. Call it in the loop."""
        self._guests.pop(key, None)
        if not self._guests:
            self.forget()

    def forget(self) -> None:
        """No session is used from here any more."""
        _known.pop(self.loop, None)
        watch, self._watch = self._watch, None
        if watch is not None and not self._ending and not self.is_closed:
            _step(watch)  # To its end: a loop makes a task for one that is forgotten.

    async def _until_the_loop_ends(self) -> AsyncGenerator[None, None]:
        try:
            yield
        except GeneratorExit:
            self._ending = True
            await asyncio.gather(*(end() for end in tuple(self._guests.values())))
            raise


_known: dict[asyncio.AbstractEventLoop, EventLoop] = {}
"""Those in which sessions are open."""


def _log(bug: Exception) -> None:
    # Not what it says: that may quote what somebody said.
    logger.error("a job in an event loop raised %s", type(bug).__name__)


def _step(generator: AsyncGenerator[None, None]) -> None:
    """Run a generator that awaits nothing up to its next `yield`, or its end."""
    with contextlib.suppress(StopIteration, StopAsyncIteration):
        generator.__anext__().send(None)

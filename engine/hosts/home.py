"""Where one session lives that is used from an event loop: in the Trio thread, from its start to its end."""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

import trio

from engine.errors import LocalMisuse
from engine.hosts.crossing import cross, cross_or_undo, gone, hop
from engine.hosts.engine_thread import EngineThread, lease
from engine.hosts.event_loop import EventLoop
from engine.hosts.shared_inbox import SharedInbox
from engine.session.base import BaseSession

logger = logging.getLogger(__name__)

T = TypeVar("T")

inside: ContextVar["Home | None"] = ContextVar("inside", default=None)
"""The session whose tool runs here. It must not wait for that session's end, which waits for it."""


class Home:
    """The home of one session.

    Args:
        session: Not started yet; its inbox is a `SharedInbox`.
    """

    def __init__(self, session: BaseSession) -> None:
        self._session = session
        self._thread: EngineThread | None = None
        self._loop: EventLoop | None = None
        self._lived_in: EngineThread | None = None
        self._leaving = False
        self._disowned: LocalMisuse | None = None

    @property
    def loop(self) -> EventLoop | None:
        """The event loop that it was started from; None while it is not live."""
        return self._loop

    @property
    def thread(self) -> EngineThread | None:
        """The thread that it lives in; None while it is not live."""
        return self._thread

    def hop(self, function: Callable[[], T]) -> T:
        """Look at the session: call a plain function where nobody else has the session in hands; bounded.

        Raises:
            DeadlinePassed: The thread did not come to it.
            LocalMisuse: The session is in another process.
            BaseException: What it raised.
        """
        self._check_own()
        return hop(self._lived_in, function)  # When it is over, too: what was noted before is done before.

    async def cross(self, function: Callable[[], Awaitable[T]]) -> T:
        """Call an asynchronous function where the session lives; see `engine.hosts.crossing.cross`.

        Raises:
            LocalMisuse: The session is in another process.
            BaseException: What it raised.
        """
        self._check_own()
        return await cross(function)

    async def cross_or_undo(self, function: Callable[[], Awaitable[T]], undo: Callable[[T], object]) -> T:
        """As `cross`, for what gives something that somebody has to take."""
        self._check_own()
        return await cross_or_undo(function, undo)

    def _check_own(self) -> None:
        if self._disowned is not None:
            raise self._disowned.with_traceback(None)

    async def start(self) -> None:
        """Start the session; see `BaseSession.start`."""
        self._check_own()
        loop, thread = EventLoop.current(), lease()
        moved_in: list[bool] = []

        def spawn(supervise: Callable[[], Awaitable[None]]) -> None:
            context = contextvars.copy_context()  # The caller's, which has come over with the call.
            trio.lowlevel.spawn_system_task(self._live, supervise, name="engine session", context=context)
            moved_in.append(True)
            self._enter(thread, loop)

        loop.enter(self, self._left_open)
        try:
            await cross(self._session.start, spawn)
        except BaseException:
            if moved_in:  # It may just have begun when the caller was cancelled.
                await cross(self._session.stop)
            raise
        finally:
            if not moved_in:
                loop.leave(self)
                if thread.release():
                    await gone(thread, loop)

    async def stop(self) -> None:
        """Stop the session; see `BaseSession.stop`."""
        if self._disowned is not None:
            return  # It goes on where it is.
        if inside.get() is not self:
            await cross(self._session.stop)
            lived_in = self._lived_in
            if lived_in is not None and lived_in.is_ending:  # A session that ended by itself had nobody wait for it.
                await gone(lived_in, EventLoop.current())
        elif self._thread is not None:
            # A tool of the session's own, or what it began: what it waits for may cancel it, and it holds up nothing.
            thread, done = self._thread, asyncio.Event()
            over = partial(EventLoop.current().post, done.set)
            thread.when_gone(over)
            try:
                thread.post(self._begin_to_stop, over)
                await done.wait()
            finally:
                thread.never_mind(over)

    # --- in the thread ----------------------------------------------------------------------------------------

    def _enter(self, thread: EngineThread, loop: EventLoop) -> None:
        self._thread = self._lived_in = thread
        self._loop = loop
        thread.tenants.add(self)
        self._inbox.live_in(thread)

    @property
    def _inbox(self) -> SharedInbox:
        inbox = self._session.inbox
        if not isinstance(inbox, SharedInbox):
            raise TypeError("a session in the engine's thread needs a SharedInbox")
        return inbox

    async def _live(self, supervise: Callable[[], Awaitable[None]]) -> None:
        try:
            await supervise()
        except trio.Cancelled:
            raise
        except BaseException as error:  # noqa: BLE001 - as SystemExit of a plain tool: the others live on
            name = type(error).__name__  # Not what it says: that may quote what somebody said.
            logger.error("session %s was ended by %s", self._session.connection_id, name)  # noqa: TRY400
        finally:
            self._exit()

    def _exit(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.tenants.discard(self)
            if self._loop is not None and not self._loop.post(self._loop.leave, self):
                self._loop.forget()
            thread.release()

    def _begin_to_stop(self, over: Callable[[], object] = lambda: None) -> None:
        trio.lowlevel.spawn_system_task(self._stop, over, name="engine stop")

    async def _stop(self, over: Callable[[], object]) -> None:
        try:
            await self._session.stop()
        finally:
            over()

    def look(self) -> None:
        """See whether the loop still is."""
        if self._loop is not None and self._loop.is_closed:
            self.leave("its event loop was closed without stop()")

    def leave(self, why: str) -> None:
        """Warn, and close."""
        if not self._leaving:
            self._leaving = True
            logger.warning(
                "session %s was left open: %s | await stop(), or use `async with`", self._session.connection_id, why
            )
            self._begin_to_stop()

    def lose(self, error: BaseException) -> None:
        """The thread is over, and the session with it."""
        self._thread = None
        self._inbox.lose(error)

    def disown(self, error: LocalMisuse) -> None:
        """The session is not in this process."""
        self._thread = self._lived_in = None
        self._disowned = error
        self._inbox.disown(error)

    # --- in the loop ------------------------------------------------------------------------------------------

    async def _left_open(self) -> None:
        """The loop ends, and the session has not."""
        thread = self._thread
        if thread is None:
            return
        thread.post(self.leave, "its event loop ended without stop()")
        await cross(self._session.stop)

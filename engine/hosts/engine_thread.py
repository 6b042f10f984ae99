"""The one Trio thread of the process, for the sessions of all event loops: it lives while anybody leases it."""

import atexit
import logging
import os
import threading
from collections.abc import Callable
from typing import Final, Protocol

import trio

from engine.errors import LocalMisuse
from engine.hosts.bell import Bell
from engine.trio_thread import TrioThread

logger = logging.getLogger(__name__)

EXIT_DEADLINE_S: Final = 5.0
"""How long the interpreter's end waits for sessions that were left open; each is closed in order meanwhile."""

_LOOK_S: Final = 1.0
"""How often it is looked whether an event loop was closed under a session's feet. Few do that: it costs 20 us."""


class Tenant(Protocol):
    """A session that lives in the thread."""

    def look(self) -> None:
        """See whether the host still is. Called in the thread."""
        ...

    def leave(self, why: str) -> None:
        """End, for nobody will ask for it: warn, and close. Called in the thread."""
        ...

    def lose(self, error: BaseException) -> None:
        """The thread is over, and the session with it."""
        ...

    def disown(self, error: LocalMisuse) -> None:
        """This process is a copy, and the session is not here. Called in the copy."""
        ...


class EngineThread:
    """A Trio run for sessions. Made by `lease`."""

    def __init__(self) -> None:
        self._thread = TrioThread("realtime-engine", self._main, self._end)
        self._leases = 0
        self.tenants: set[Tenant] = set()
        """The sessions that live here. Changed in the thread only."""
        self.over = False
        """Nobody leases it any more, or its run is over."""
        self.error: BaseException | None = None
        """What ended its run, if an error did."""
        self._gone = False
        self._evicted = False
        self._when_gone: set[Callable[[], object]] = set()
        self._bell = Bell(self._thread.work)
        self.ring = self._bell.ring
        """Has a function called in the thread's next step: once, though many ask for it."""
        self.note = self._thread.note
        """Has a function called in its order, but not at once: with the next job or bell, or within `_LOOK_S`."""
        self.post = self._thread.post
        """Has a function called in the thread; see `TrioThread.post`."""

    @property
    def is_current(self) -> bool:
        """Tell whether the caller is in this thread."""
        return self._thread.is_current

    @property
    def is_ending(self) -> bool:
        """Tell whether nobody leases it any more, and it still lives."""
        return self.over and self._thread.is_alive

    def keep(self) -> bool:
        """Take one more lease, to be given back with `release`; False when it takes none any more."""
        with _registry.lock:
            if not self.over:
                self._leases += 1
            return not self.over

    def release(self) -> bool:
        """Give a lease back. True when it was the last: the thread ends now."""
        with _registry.lock:
            self._leases -= 1
            if self._leases or self.over:
                return False
            _registry.forget(self)
        self._thread.end()
        return True

    def when_gone(self, do: Callable[[], object]) -> None:
        """Do this when the run is over, in its thread, or now."""
        with _registry.lock:
            if not self._gone:
                self._when_gone.add(do)
                return
        do()

    def never_mind(self, do: Callable[[], object]) -> None:
        """Do this no more when the run is over."""
        self._when_gone.discard(do)

    def join(self, limit_s: float) -> bool:
        """Wait for the end of the thread; tell whether it came in time."""
        return self._thread.join(limit_s)

    # --- the thread's own -------------------------------------------------------------------------------------

    def take(self) -> "EngineThread":
        """Count one more lease; the registry's lock is held."""
        if self._leases == 0:
            self._thread.start()
        self._leases += 1
        return self

    async def _main(self, over: trio.Event) -> None:
        trio.lowlevel.spawn_system_task(self._bell.run, name="engine bell")
        while not over.is_set():
            with trio.move_on_after(_LOOK_S):
                await over.wait()
            self._thread.work()
            if self._evicted and not self.tenants:
                return
            for tenant in tuple(self.tenants):
                tenant.look()

    def _end(self, error: BaseException | None) -> None:
        with _registry.lock:
            _registry.forget(self)
            self._gone, self.error = True, error
            waiting, self._when_gone = self._when_gone, set()
        if error is not None:
            logger.error("the engine's thread crashed: %s", type(error).__name__)
        for tenant in tuple(self.tenants):
            tenant.lose(error or RuntimeError("the engine's thread is over"))
        for do in waiting:
            do()

    def close_at_exit(self) -> None:
        """The interpreter ends: close what is open, in bounded time."""
        self.post(self._evict, "the interpreter ended without stop()")
        if not self.join(EXIT_DEADLINE_S):
            logger.warning("sessions were not closed within %.0f s of the interpreter's end", EXIT_DEADLINE_S)

    def _evict(self, why: str) -> None:
        self._evicted = True
        for tenant in tuple(self.tenants):
            tenant.leave(why)
        if not self.tenants:
            self._thread.end()

    def disown(self) -> None:
        """This process is a copy of the one that has the thread."""
        self.over = True
        error = LocalMisuse(
            f"process {os.getpid()} was forked from the one that holds the session | open a session of its own here, "
            "or start the process by 'spawn'"
        )
        for tenant in tuple(self.tenants):
            tenant.disown(error)


class _Registry:
    """Which thread serves now."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.current: EngineThread | None = None

    def lease(self) -> EngineThread:
        with self.lock:
            thread = self.current or EngineThread()
            thread.take()  # Before it is the one that serves: it may be that the system gives no thread.
            self.current = thread
            return thread

    def forget(self, thread: EngineThread) -> None:
        """It takes no more leases; the lock is held."""
        thread.over = True
        if self.current is thread:
            self.current = None

    def at_exit(self) -> None:
        if self.current is not None:
            self.current.close_at_exit()

    def in_child(self) -> None:
        """Only the thread that forked lives on in a copy of this process; a lock that another held stays locked."""
        thread, self.current = self.current, None
        self.lock = threading.Lock()
        if thread is not None:
            thread.disown()


_registry = _Registry()
atexit.register(_registry.at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_registry.in_child)


def lease() -> EngineThread:
    """Give the thread that serves all sessions, started when nobody had it. Give it back with `release`.

    Raises:
        RuntimeError: The system gives no thread.
    """
    return _registry.lease()

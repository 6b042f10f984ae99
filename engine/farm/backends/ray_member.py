"""This process as a member of a Ray cluster that it joined or started."""

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

import trio

from engine.farm.backends.ray_library import not_started, unavailable

HERE: Final = "local"
"""The address of a cluster that is to be started."""

QUIETLY: Final = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
"""Ray's own words go to its log files."""


class Member:
    """This process as a member of a cluster, by a thread that lives as long as the membership.

    The nodes that Ray starts die with the *thread* that started them; and away from the main thread it leaves the
    process's signal handlers alone, where its own would raise in the middle of Trio.

    Args:
        ray: The library.
        how: What `ray.init` is told.
        ended: Called in the thread when we have left, and what was started has ended; told whether we ever were in.
    """

    def __init__(self, ray: Any, how: dict[str, Any], ended: Callable[[bool], object] = lambda _: None) -> None:
        self.ray = ray
        self.is_in = False
        self._how = how
        self._ended = ended
        self._error: BaseException | None = None
        self._leave = threading.Event()
        self._changed = trio.Event()
        self._left = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        self._thread = threading.Thread(target=self._live, name="ray-member", daemon=True)

    async def join(self) -> None:
        """Wait until we are in.

        Raises:
            BackendUnavailable: We were not let in.
        """
        self._thread.start()
        await self._changed.wait()
        if self._error is not None:
            address, complaint = self._how["address"], str(self._error)
            raise (not_started(complaint) if address == HERE else unavailable(address, complaint)) from self._error
        self.is_in = True

    async def leave(self) -> None:
        """Leave, and end what was started."""
        self._leave.set()
        if self._thread.ident is not None:
            await self._left.wait()

    def _live(self) -> None:
        try:
            self.ray.init(**self._how, **QUIETLY)
            _silence(self.ray)
        except BaseException as error:  # noqa: BLE001 - told where it is awaited; Ray raises SystemExit too
            self._error = error
        self._tell(self._changed)
        self._leave.wait()
        try:
            self.ray.shutdown()
        finally:
            self._ended(self._error is None)
            self._tell(self._left)

    def _tell(self, event: trio.Event) -> None:
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(event.set)


def _silence(ray: Any) -> None:
    """Have Ray print nothing: it would tear the live screen. It has no public switch for what its nodes report."""
    worker = ray._private.worker
    worker._worker_logs_enabled = False

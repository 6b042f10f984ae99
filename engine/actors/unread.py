"""Warns once when what the session has for the application waits, and nobody takes it."""

import logging
from collections.abc import Callable

import trio

from engine.inbox import Inbox

logger = logging.getLogger(__name__)

Arm = Callable[[str, float, Callable[[], None]], None]
"""Sets a deadline, as `Watchdog.set`: its name, when it is, what is done then."""

READER = "reader"
"""The deadline's name."""


def watch_reader(arm: Arm, inbox: Inbox, limit_s: float | None, session_id: str) -> None:
    """Look after the application's reader; a warning is logged when it takes nothing for too long.

    It costs a look each `limit_s`, and nothing for an event. A session is warned of once, whatever comes later.

    Args:
        arm: Sets the deadline `reader`, now and whenever it has passed.
        inbox: What is to be read.
        limit_s: How long events may wait while none is taken; None for ever.
        session_id: Names the session in the log.
    """
    if limit_s is not None:
        _Look(arm, inbox, limit_s, session_id)()


class _Look:
    """Looks after one reader, whenever it is called."""

    __slots__ = ("_arm", "_inbox", "_limit_s", "_session_id")

    def __init__(self, arm: Arm, inbox: Inbox, limit_s: float, session_id: str) -> None:
        self._arm = arm
        self._inbox = inbox
        self._limit_s = limit_s
        self._session_id = session_id

    def __call__(self) -> None:
        now, since = trio.current_time(), self._inbox.waiting_since
        if since is not None and now >= since + self._limit_s:
            _warn(self._inbox, now - since, self._session_id)
            return
        self._arm(READER, (now if since is None else since) + self._limit_s, self)


def _warn(inbox: Inbox, waited_s: float, session_id: str) -> None:
    waiting = inbox.statistics()
    logger.warning(
        "session %s: %d events of %d bytes wait, and nobody has taken any for %.1f s"
        " | call receive() all the time, or set engine.reader_deadline_s=None if that is as it should be",
        session_id,
        waiting.events,
        waiting.bytes,
        waited_s,
    )

"""A session's end: it comes once, with its reason, and whoever waits for what will never come is told."""

import logging
from collections.abc import Callable
from typing import cast

from engine.errors import SessionEnded
from engine.events import BidiConnectionCloseEvent, CloseReason
from engine.inbox import Inbox
from engine.protocol.effects import End
from engine.session.crash import places

logger = logging.getLogger(__name__)


class Ending:
    """Knows whether a session is over, and why.

    Args:
        connection_id: Names the session.
        inbox: Its last word is the end.
    """

    __slots__ = ("_connection_id", "_inbox", "_told", "end", "error")

    def __init__(self, connection_id: str, inbox: Inbox) -> None:
        self._connection_id = connection_id
        self._inbox = inbox
        self._told: list[Callable[[], None]] = []
        self.end: End | None = None
        """None until it has come."""
        self.error: BaseException | None = None
        """What ended the session, if an error did."""

    @property
    def reason(self) -> CloseReason:
        """Why the session is over. It must be."""
        return cast("End", self.end).reason

    def come(self, end: End, crash: BaseException | None = None) -> bool:
        """Take the end, as the application's last event; False when it has come before: only the first reason counts.

        Args:
            end: What the core, the links or the application say.
            crash: The bug of ours that it is.
        """
        if self.end is not None:
            return False
        self.end = end
        self.error = crash or end.error
        if self.error is None:
            self._inbox.close(last=BidiConnectionCloseEvent(self._connection_id, end.reason))
        else:
            self._inbox.close(self.error)
        return True

    def over(self) -> SessionEnded:
        """Make the error of one who waits for what will never come, or sends what nobody will hear."""
        error = SessionEnded(self.reason)
        error.__cause__ = self.error
        return error

    # --- who is told ------------------------------------------------------------------------------------------

    def when_over(self, do: Callable[[], None]) -> None:
        """Do this at the end, or at once when it has come. It must not raise; if it does, that is logged."""
        if self.end is not None:
            self.guard(do)
        else:
            self._told.append(do)

    def tell(self) -> None:
        """Tell all who wait for it."""
        told, self._told = self._told, []
        for do in told:
            self.guard(do)

    def guard(self, do: Callable[[], None]) -> None:
        """Nobody who waits for the end may be forgotten, nor the way down stopped, by another's bug."""
        try:
            do()
        except Exception as bug:  # noqa: BLE001 - whatever it is
            self._log_crash(bug)

    def crashed(self, bugs: BaseExceptionGroup[BaseException]) -> BaseException:
        """Log a bug of ours; give what whoever receives is to see of it."""
        self._log_crash(bugs)
        error: BaseException = bugs
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        return error

    def _log_crash(self, bug: BaseException) -> None:
        # Not what it says: that may quote what somebody said.
        logger.error("session %s crashed: %s", self._connection_id, "; ".join(places(bug)))

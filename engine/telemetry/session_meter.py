"""What a session is measured with: its turn log, and OpenTelemetry beside it where the program has set that up."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from engine.metering.turn_log import TurnLog
from engine.telemetry.sink import Telemetry, open_telemetry


class SessionMeter:
    """Follows one session from its start to its end.

    Args:
        model: The session's model.
        connection_id: Names the session.
    """

    __slots__ = ("_connection_id", "_is_linked", "_links", "_model", "_telemetry", "log", "observe", "sent")

    def __init__(self, model: str, connection_id: str) -> None:
        self._model = model
        self._connection_id = connection_id
        self._telemetry: Telemetry | None = None
        self._links = 0
        self._is_linked = False
        self.log = TurnLog()
        """The turn log."""
        # Each event goes straight to the log, unless there is telemetry too: that is decided once.
        self.observe: Callable[[Any, float], None] = self.log.observe
        """Takes a server event that arrived at a time."""
        self.sent: Callable[[Any, float], None] = self.log.sent
        """Takes a client event that was sent at a time; audio may be left out."""

    def started(self, now: float) -> None:
        """The session begins, in the task of whoever starts it."""
        self._telemetry = open_telemetry(self._model, self._connection_id, now)
        if self._telemetry is not None:
            self._join(self._telemetry)
            self._telemetry.session_started(now)

    def link_opened(self, now: float, url: str, number: int | None = None) -> None:
        """A connection carries the talk: the next one, or the one of this number."""
        self._links = self._links + 1 if number is None else number
        self._is_linked = True
        if self._telemetry is not None:
            address = urlsplit(url)
            port = address.port or (443 if address.scheme in {"wss", "https"} else 80)
            self._telemetry.link_opened(now, address.hostname, port, self._links)

    def link_closed(self, now: float, error: str | None = None) -> None:
        """The newest connection is gone, in order or by an error of this type: what ran on it will not end. Once."""
        if not self._is_linked:
            return
        self._is_linked = False
        self.log.link_ended(now)
        if self._telemetry is not None:
            self._telemetry.link_closed(now, error, self._links)

    def ended(self, now: float, reason: str, error: str | None = None) -> None:
        """The session is over.

        Args:
            now: When.
            reason: As in `BidiConnectionCloseEvent`.
            error: The type of the error that ended it, if one did.
        """
        if self._telemetry is not None:
            self._telemetry.session_ended(now, reason, error)

    def _join(self, telemetry: Telemetry) -> None:
        log = self.log
        log.listener = telemetry

        def observe(event: Any, now: float) -> None:
            log.observe(event, now)
            telemetry.observe(event, now)

        def sent(event: Any, now: float) -> None:
            log.sent(event, now)
            telemetry.sent(event, now)

        self.observe, self.sent = observe, sent

"""What an application is told of the connection under its session: made, about to change, made anew, ended."""

from typing import Any, ClassVar, Literal

import attrs

from engine.errors import EngineError
from engine.events.view import OfResponse
from engine.events.words import CloseReason

RestartReason = Literal["renewal", "connection_lost"]
"""Why a connection is made anew: its time was coming to its end, or it broke."""


@attrs.frozen
class BidiConnectionStartEvent(OfResponse):
    """The session is open. Always the first event."""

    type: ClassVar[str] = "bidi_connection_start"
    connection_id: str
    model: str

    def _fields(self) -> dict[str, Any]:
        return {"connection_id": self.connection_id, "model": self.model}


@attrs.frozen
class BidiConnectionWarningEvent(OfResponse):
    """The connection is about to be made anew, or was lost and is being made anew. The talk goes on meanwhile.

    A `BidiConnectionRestartEvent` follows when it is done; where it can't be done, `receive()` raises.

    Attributes:
        reason: Why.
        error: What broke it; None for a renewal, which nothing has broken.
        due_s: Seconds until it happens at the latest: until the talk moves on, or until the session gives up.
    """

    type: ClassVar[str] = "bidi_connection_warning"
    reason: RestartReason
    due_s: float
    error: EngineError | None = attrs.field(default=None, eq=False)

    def _fields(self) -> dict[str, Any]:
        return {"reason": self.reason, "due_s": self.due_s, "error": None if self.error is None else str(self.error)}


@attrs.frozen
class BidiConnectionRestartEvent(OfResponse):
    """The connection was made anew, and the talk goes on over it.

    Of transcriptions, items are turns: those that are said again, and those that were no longer kept.

    Attributes:
        timeout_error: What ended the one before: `BidiModelTimeoutError` for its lifetime, `ConnectionLost` where it
            broke, `ServerReported` where the service ended it.
        reason: Why.
        gap_ms: How long there was none: nothing could be sent, and what the microphone gave was held.
        replayed_items: Items of the talk that the new one was told.
        left_out_items: Items that it was not: older than the bounds allow, or without words, as images and speech that
            nobody wrote down.
        dropped_audio_ms: Microphone audio that found no room while there was none.
        asked_again: A turn had no answer yet, or not all of it: it was asked for again.
        attempts: How many it took.
    """

    type: ClassVar[str] = "bidi_connection_restart"
    timeout_error: EngineError = attrs.field(eq=False)
    reason: RestartReason = attrs.field(default="renewal", kw_only=True)
    gap_ms: float = attrs.field(default=0.0, kw_only=True)
    replayed_items: int = attrs.field(default=0, kw_only=True)
    left_out_items: int = attrs.field(default=0, kw_only=True)
    dropped_audio_ms: float = attrs.field(default=0.0, kw_only=True)
    asked_again: bool = attrs.field(default=False, kw_only=True)
    attempts: int = attrs.field(default=1, kw_only=True)

    def _fields(self) -> dict[str, Any]:
        return {"timeout_error": self.timeout_error}


@attrs.frozen
class BidiConnectionCloseEvent(OfResponse):
    """The session ended in order: the last event. An end that is a fault is raised instead."""

    type: ClassVar[str] = "bidi_connection_close"
    connection_id: str
    reason: CloseReason

    def _fields(self) -> dict[str, Any]:
        return {"connection_id": self.connection_id, "reason": self.reason}

"""What a conversation wants done: deliver an event, send a message, drop stale audio, end the session.

An output event of `engine.events` is itself the effect of delivering it.
"""

from collections.abc import Container

import attrs

from engine.errors import EngineError
from engine.events import BidiOutputEvent, CloseReason
from engine.events.listening import ListeningEvent
from engine.protocol.requests import Answered
from engine.wire.client import ClientEvent
from engine.wire.response import Response
from engine.wire.translation import TranslationClientEvent


@attrs.frozen
class Transmit:
    """Send this to the service.

    Attributes:
        event: What.
        again: Another connection was sent it before, and is no more.
    """

    event: ClientEvent | TranslationClientEvent
    again: bool = False


@attrs.frozen
class AllBut:
    """All responses but one."""

    response_id: str

    def __contains__(self, response_id: object) -> bool:
        return response_id != self.response_id


@attrs.frozen
class PurgeAudio:
    """Drop audio of these responses that the application has not received yet.

    Attributes:
        kept: Responses whose audio stays: those outside the conversation, which the user does not interrupt.
        by_user: The user has cut in; else it is a response that can't go on.
    """

    kept: Container[str] = frozenset()
    by_user: bool = True


@attrs.frozen
class AudioDone:
    """An item's audio is all there: no more of it comes."""

    item_id: str


@attrs.frozen
class Apart:
    """What a response out of band tells, for whoever asked for it alone.

    Attributes:
        response_id: Which response.
        told: The event.
    """

    response_id: str
    told: BidiOutputEvent | AudioDone


@attrs.frozen
class ResponseEnded:
    """A response that was asked for by itself is over.

    Attributes:
        response: Whole as the service tells it.
        error: Why it is not: its end could not be read.
    """

    response: Response
    error: EngineError | None = None


@attrs.frozen
class Rearm:
    """The conversation's deadline has changed: look at it anew."""


@attrs.frozen
class Opened:
    """The service has opened the session."""


@attrs.frozen
class LinkOver:
    """The connection is at its end, by the service's word; the session need not be.

    Attributes:
        error: What it said.
    """

    error: EngineError


@attrs.frozen
class End:
    """The session is over.

    Attributes:
        reason: What the close event says.
        error: What `receive()` raises instead of a close event.
    """

    reason: CloseReason
    error: EngineError | None = None


Effect = (
    BidiOutputEvent
    | ListeningEvent
    | Transmit
    | PurgeAudio
    | AudioDone
    | Answered
    | Apart
    | ResponseEnded
    | Rearm
    | Opened
    | LinkOver
    | End
)

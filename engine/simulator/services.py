"""What the parts of one simulated session share: its settings, ids, items, and the way out."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import attrs

from engine.simulator.conversation import Conversation, Entry
from engine.simulator.ids import IdMint
from engine.simulator.responder import Responder
from engine.simulator.settings import SimulatorSettings
from engine.simulator.usage import ContextPart, RateLimit

_PIECE: Final = re.compile(r"\s*(?:[\w'\u2019]+|[^\w\s])|\s+")


class Emit(Protocol):
    """Sends one server event; never waits."""

    def __call__(self, event_type: str, /, **fields: Any) -> None:
        """Send it, with an `event_id` of its own."""
        ...


class Player(Protocol):
    """Plays a call's audio, which does not go over the socket."""

    def play(self, response_id: str, entry: Entry, pcm: bytes) -> None:
        """Play PCM16 mono 24 kHz of an item after what is playing."""
        ...

    def no_more(self, response_id: str) -> None:
        """Note that a response made all its audio."""
        ...

    def cut(self) -> None:
        """Stop all that plays."""
        ...


@attrs.define
class Services:
    """The common ground of a session's parts.

    Attributes:
        settings: The server's.
        ids: Where ids come from.
        emit: Sends an event.
        room: Waits while the client reads too slowly.
        responder: Hears, answers, speaks.
        conversation: The items.
        rate_limit: The account's tokens.
        playback: Where a call's audio plays; None where audio goes over the socket.
        voice_locked: True once the assistant has spoken.
        last_context: The last response's input, which the next one has in the cache as far as it is the same.
    """

    settings: SimulatorSettings
    ids: IdMint
    emit: Emit
    room: Callable[[], Awaitable[None]]
    responder: Responder
    conversation: Conversation
    rate_limit: RateLimit
    playback: Player | None = None
    voice_locked: bool = False
    last_context: tuple[ContextPart, ...] = ()

    def emit_text_delta(self, event_type: str, delta: str, **fields: Any) -> None:
        """Send a piece of text with the padding that hides its length."""
        self.emit(event_type, **fields, delta=delta, obfuscation=self.ids.obfuscation(delta))


def pieces(text: str) -> list[str]:
    """Cut text as the service streams it: a word with the space before it, a sign of punctuation."""
    return _PIECE.findall(text)

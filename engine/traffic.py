"""What goes by on the wire: counted, shown to whoever listens to the raw events, and handed to the conversation."""

import contextlib
from collections.abc import Sequence

import trio

from engine.counting import NameCounts
from engine.errors import EngineError, RemoteViolation
from engine.protocol.conversation import Conversation
from engine.protocol.effects import Effect
from engine.raw import Raw, RawEvent
from engine.wire.codec import decode_client, event_type
from engine.wire.server import ResponseOutputAudioDelta, ServerEvent


class Traffic:
    """Stands between the actors and the conversation.

    Args:
        conversation: Takes the server's events.
        raw: Who listens.
    """

    def __init__(self, conversation: Conversation, raw: Raw) -> None:
        self._conversation = conversation
        self._raw = raw
        self.messages = 0
        """Server messages, those that could not be read included."""
        self.events = NameCounts()
        """Server events by type."""
        self.audio_chars = 0
        """Characters of base64 audio received."""

    def receive(self, event: ServerEvent, now: float, size: int) -> Sequence[Effect]:
        """Take a server event whose message had this many characters."""
        self.messages += 1
        self.events.add(event.tag or event_type(event))
        if isinstance(event, ResponseOutputAudioDelta):
            self.audio_chars += len(event.delta)
        if self._raw.listened_to:
            self._raw.observe(RawEvent("server", event, now), size)
        return self._conversation.receive(event, now)

    def violated(self, error: EngineError, problem: str, now: float) -> Sequence[Effect]:
        """Take note of a server message that can't be read."""
        self.messages += 1
        return self._conversation.violated(error, problem, now)

    def sent(self, text: str) -> None:
        """Take note of a message that is on the socket."""
        if not self._raw.listened_to:
            return
        # What an application sends by hand may hold anything; that it can't be shown must not stop the sender.
        with contextlib.suppress(RemoteViolation):
            self._raw.observe(RawEvent("client", decode_client(text), trio.current_time()), len(text))

"""Client events with ids of their own, so that an error can name the event that it answers."""

from engine.protocol.effects import Transmit
from engine.wire.client import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemTruncate,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from engine.wire.items import Item
from engine.wire.session import Session


class Composer:
    """Numbers and wraps what a conversation sends."""

    __slots__ = ("_sent",)

    def __init__(self) -> None:
        self._sent = 0

    def next_event_id(self) -> str:
        """Give an id that this session has not used."""
        self._sent += 1
        return f"client_{self._sent}"

    def configure(self, session: Session) -> Transmit:
        """Change the session's settings."""
        return Transmit(SessionUpdate(session=session, event_id=self.next_event_id()))

    def add(self, item: Item) -> Transmit:
        """Add an item at the conversation's end."""
        return Transmit(ConversationItemCreate(item=item, event_id=self.next_event_id()))

    def ask(self, event_id: str) -> Transmit:
        """Ask for a response."""
        return Transmit(ResponseCreate(event_id=event_id))

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> Transmit:
        """Cut an item's audio where the user stopped to hear it."""
        event = ConversationItemTruncate(
            item_id=item_id, content_index=content_index, audio_end_ms=audio_end_ms, event_id=self.next_event_id()
        )
        return Transmit(event)

    def delete(self, item_id: str) -> Transmit:
        """Remove an item."""
        return Transmit(ConversationItemDelete(item_id=item_id, event_id=self.next_event_id()))

    def cancel(self, response_id: str | None) -> Transmit:
        """Stop a response."""
        return Transmit(ResponseCancel(response_id=response_id, event_id=self.next_event_id()))

    def commit(self) -> Transmit:
        """Make an item of the input buffer."""
        return Transmit(InputAudioBufferCommit(event_id=self.next_event_id()))

    def clear(self) -> Transmit:
        """Throw the input buffer away."""
        return Transmit(InputAudioBufferClear(event_id=self.next_event_id()))

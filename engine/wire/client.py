"""The eleven events that a client may send."""

from typing import ClassVar

import attrs

from engine.wire.items import Item
from engine.wire.record import Record
from engine.wire.session import ResponseSettings, Session


@attrs.frozen(kw_only=True)
class ClientEventBase(Record):
    """What all client events share.

    Attributes:
        event_id: At most 512 characters; an error that answers this event names it.
    """

    event_id: str | None = None


@attrs.frozen(kw_only=True)
class SessionUpdate(ClientEventBase):
    """Change the session; only fields that are present change."""

    tag: ClassVar[str] = "session.update"
    session: Session


@attrs.frozen(kw_only=True)
class InputAudioBufferAppend(ClientEventBase):
    """Add audio to the input buffer: base64 text in the session's input format. Nothing answers it."""

    tag: ClassVar[str] = "input_audio_buffer.append"
    audio: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class InputAudioBufferCommit(ClientEventBase):
    """Make a user item of the input buffer."""

    tag: ClassVar[str] = "input_audio_buffer.commit"


@attrs.frozen(kw_only=True)
class InputAudioBufferClear(ClientEventBase):
    """Throw the input buffer away."""

    tag: ClassVar[str] = "input_audio_buffer.clear"


@attrs.frozen(kw_only=True)
class OutputAudioBufferClear(ClientEventBase):
    """Stop what is playing; only on WebRTC and SIP."""

    tag: ClassVar[str] = "output_audio_buffer.clear"


@attrs.frozen(kw_only=True)
class ConversationItemCreate(ClientEventBase):
    """Add an item: at the end, after `previous_item_id`, or first where that is `root`."""

    tag: ClassVar[str] = "conversation.item.create"
    item: Item
    previous_item_id: str | None = None


@attrs.frozen(kw_only=True)
class ConversationItemRetrieve(ClientEventBase):
    """Ask for an item with its audio."""

    tag: ClassVar[str] = "conversation.item.retrieve"
    item_id: str


@attrs.frozen(kw_only=True)
class ConversationItemTruncate(ClientEventBase):
    """Tell how much of the assistant's audio was heard, in ms."""

    tag: ClassVar[str] = "conversation.item.truncate"
    item_id: str
    content_index: int
    audio_end_ms: int


@attrs.frozen(kw_only=True)
class ConversationItemDelete(ClientEventBase):
    """Remove an item."""

    tag: ClassVar[str] = "conversation.item.delete"
    item_id: str


@attrs.frozen(kw_only=True)
class ResponseCreate(ClientEventBase):
    """Ask for a response."""

    tag: ClassVar[str] = "response.create"
    response: ResponseSettings | None = None


@attrs.frozen(kw_only=True)
class ResponseCancel(ClientEventBase):
    """Stop a response: that one, or the active one of the conversation."""

    tag: ClassVar[str] = "response.cancel"
    response_id: str | None = None


ClientEvent = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | OutputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemRetrieve
    | ConversationItemTruncate
    | ConversationItemDelete
    | ResponseCreate
    | ResponseCancel
)

CLIENT_CLASSES: dict[str, type[ClientEventBase]] = {
    cls.tag: cls
    for cls in (
        SessionUpdate,
        InputAudioBufferAppend,
        InputAudioBufferCommit,
        InputAudioBufferClear,
        OutputAudioBufferClear,
        ConversationItemCreate,
        ConversationItemRetrieve,
        ConversationItemTruncate,
        ConversationItemDelete,
        ResponseCreate,
        ResponseCancel,
    )
}

"""Changes of a running session's settings."""

from collections.abc import Mapping
from typing import Any, cast

from engine.config.changes import changes_to_wire, read_changes
from engine.protocol.conversation import Conversation
from engine.session.answers import Answers
from engine.wire.client import ClientEvent, SessionUpdate
from engine.wire.codec import encode
from engine.wire.session import Session as WireSession


async def update(conversation: Conversation, answers: Answers, changes: Mapping[str, Any]) -> WireSession:
    """Change settings, and wait for what the service says; see `Session.update`."""
    read_changes(changes)

    def make() -> ClientEvent:
        event = SessionUpdate(session=changes_to_wire(changes, conversation.standing))
        encode(event)  # What can't be written must not count as sent.
        return event

    return cast("WireSession", await answers.ask(make))

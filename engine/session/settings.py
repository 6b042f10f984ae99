"""Changes of a running session's settings."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from engine.config.changes import changes_to_wire, read_changes
from engine.protocol.conversation import Conversation
from engine.session.answers import Answers
from engine.wire.client import ClientEvent, SessionUpdate
from engine.wire.codec import encode
from engine.wire.session import Session as WireSession


async def update(
    conversation: Conversation,
    answers: Answers,
    changes: Mapping[str, Any],
    then: Callable[[Mapping[str, Any]], None],
) -> WireSession:
    """Change settings, and wait for what the service says; see `Session.update`.

    Args:
        conversation: Knows what can change now.
        answers: Sends.
        changes: Settings by the names of `SessionConfig`.
        then: Told of the changes, as they were read, once the service has made them and before it says anything else.
    """
    read = read_changes(changes)

    def make() -> ClientEvent:
        event = SessionUpdate(session=changes_to_wire(changes, conversation.standing))
        encode(event)  # What can't be written must not count as sent.
        return event

    def made(told: WireSession) -> WireSession:
        then(read)
        return told

    return cast("WireSession", await answers.ask(make, made))

"""`session.items`: the items of the conversation, each request answered by the service."""

import uuid
from collections.abc import Mapping
from typing import Any, Final, cast

import attrs

from engine.config import readers
from engine.config.checks import is_number
from engine.errors import ConfigError
from engine.limits import ID_MAX_CHARS
from engine.session.answers import Answers
from engine.wire.client import (
    ClientEvent,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
)
from engine.wire.codec import encode
from engine.wire.items import Content, Item, MessageItem

_CONTENT: Final[Mapping[str, str]] = {"user": "input_text", "system": "input_text", "assistant": "output_text"}
"""How text of each role is said to the service."""

FIRST: Final = "root"
"""As `after`: before all other items."""


class Items:
    """The conversation's items, as the service holds them. `session.history` mirrors them without asking.

    Args:
        answers: Waits for the service.
    """

    __slots__ = ("_answers",)

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def create(
        self,
        item: Item | Mapping[str, Any] | None = None,
        *,
        text: str | None = None,
        role: str = "user",
        after: str | None = None,
        id: str | None = None,
    ) -> Item:
        """Add an item. No response is asked for.

        Args:
            item: An item of `engine.wire.items`, or the mapping that JSON has; or give `text`.
            text: The words of a message.
            role: Who says them: `user`, `system` or `assistant`.
            after: Id of the item that it follows, or `root` to be the first; at the end when None.
            id: Its id, at most 32 characters; made when neither this nor the item names one.

        Returns:
            The item as the service added it, without audio.

        Raises:
            ConfigError: It is no item.
            UnsupportedContent: It can't be written as JSON.
            ServerReported: The service refused it.
            DeadlinePassed: No answer came within `engine.request_deadline_s`.
            SessionEnded: The session is over.
        """
        if item is not None and text is not None:
            raise ConfigError("text", "(given)", "either an item or a text")
        made = _named(_message(text, role) if item is None else readers.item("item", item), id)
        if after is not None and (not isinstance(after, str) or not after):
            raise ConfigError("after", after, "the id of an item, 'root', or None")
        event = ConversationItemCreate(item=made, previous_item_id=after)
        return cast("Item", await self._ask(event))

    async def delete(self, item_id: str) -> None:
        """Remove an item.

        Raises:
            ConfigError: It is no id.
            ServerReported: There is none (`item_delete_invalid_item_id`).
            DeadlinePassed: No answer came within `engine.request_deadline_s`.
            SessionEnded: The session is over.
        """
        await self._ask(ConversationItemDelete(item_id=_id("item_id", item_id)))

    async def retrieve(self, item_id: str) -> Item:
        """Ask for an item with its audio, as the service heard it: after noise reduction and turn detection.

        Raises:
            ConfigError: It is no id.
            ServerReported: There is none (`item_retrieve_invalid_item_id`).
            DeadlinePassed: No answer came within `engine.request_deadline_s`.
            SessionEnded: The session is over.
        """
        return cast("Item", await self._ask(ConversationItemRetrieve(item_id=_id("item_id", item_id))))

    async def truncate(self, item_id: str, audio_end_ms: int, content_index: int = 0) -> int:
        """Cut the model's speech where the user stopped to hear it; the service forgets the words of the item.

        An interruption does this by itself, by what `session.playback` says.

        Args:
            item_id: An item of the model's.
            audio_end_ms: What is kept, from the beginning.
            content_index: Which of its pieces of content.

        Returns:
            What the service kept, in ms.

        Raises:
            ConfigError: It is no id, or no length.
            ServerReported: There is no such item, or less audio than that.
            DeadlinePassed: No answer came within `engine.request_deadline_s`.
            SessionEnded: The session is over.
        """
        for name, value in (("audio_end_ms", audio_end_ms), ("content_index", content_index)):
            if not is_number(value, 0, float("inf"), whole=True):
                raise ConfigError(name, value, "a whole number, 0 or more")
        event = ConversationItemTruncate(
            item_id=_id("item_id", item_id), content_index=content_index, audio_end_ms=audio_end_ms
        )
        return cast("int", await self._ask(event))

    async def _ask(self, event: ClientEvent) -> Any:
        encode(event)  # What can't be written must not count as sent.
        return await self._answers.ask(lambda: event)


def _message(text: str | None, role: str) -> Item:
    if not isinstance(text, str):
        raise ConfigError("text", type(text).__name__, "the words of a message, or give an item")
    if role not in _CONTENT:
        raise ConfigError("role", role, ", ".join(map(repr, _CONTENT)))
    return MessageItem(role=role, content=(Content(type=_CONTENT[role], text=text),))


def _named(item: Item, item_id: str | None) -> Item:
    """Give the item an id: by it, its answer is known."""
    named = item_id if item_id is not None else item.id
    return attrs.evolve(item, id=new_id() if named is None else _id("id", named))


def _id(field: str, value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= ID_MAX_CHARS:
        raise ConfigError(field, value, f"text of 1 to {ID_MAX_CHARS} characters")
    return value


def new_id() -> str:
    """Make an id for an item."""
    return f"item_{uuid.uuid4().hex}"[:ID_MAX_CHARS]

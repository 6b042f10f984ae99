"""The items of the conversation: mirrored as the service tells them, and who waits for one is told."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from engine.protocol.effects import Effect
from engine.protocol.history import PLACED_FIRST, History
from engine.protocol.kept_speech import KeptSpeech
from engine.protocol.mcp_listener import MCP_ITEMS, McpListener
from engine.protocol.turns import Turns
from engine.wire import server as wire
from engine.wire.items import Item, MessageItem


class ItemListener:
    """Hears what becomes of items.

    Args:
        history: The mirror.
        turns: Told of items that have arrived, and of those that were cut.
        mcp: Told of items of MCP servers.
        kept: Told of items that are gone.
        is_echo: Tells of an event whether it only answers what this connection was told of the talk.
    """

    __slots__ = ("_asking", "_history", "_is_echo", "_kept", "_mcp", "_turns")

    def __init__(
        self,
        history: History,
        turns: Turns,
        mcp: McpListener,
        kept: KeptSpeech,
        is_echo: Callable[[Any], bool],
    ) -> None:
        self._kept = kept
        self._is_echo = is_echo
        self._history = history
        self._turns = turns
        self._asking = turns.asking
        self._mcp = mcp

    def _item(self, event: wire.PlacedItemEvent, now: float) -> Sequence[Effect]:
        if self._is_echo(event):
            return ()
        first = self._asking.put_first(event.item.id)
        self._history.put(event.item, PLACED_FIRST if first else event.previous_item_id)
        if not isinstance(event, wire.ConversationItemDone):
            self._turns.underway.seen(event.item.id, is_ours=_is_the_clients(event.item))
        return [*self._asking.answered(event, now), *self._mcp.item(event, event.item, None, now, done=False)]

    def _truncated(self, event: wire.ConversationItemTruncated, now: float) -> Sequence[Effect]:
        received_ms = self._turns.playback.received_ms(event.item_id)
        if received_ms > 0:
            self._history.received(event.item_id, received_ms)
        self._history.truncated(event.item_id, event.audio_end_ms)
        self._turns.interruptions.settled(event.item_id)
        return self._asking.answered(event, now)

    def _deleted(self, event: wire.ConversationItemDeleted, now: float) -> Sequence[Effect]:
        if self._is_echo(event):
            return ()
        self._history.deleted(event.item_id)
        self._kept.deleted(event.item_id)
        self._turns.interruptions.settled(event.item_id)
        return self._asking.answered(event, now)

    def _retrieved(self, event: wire.ConversationItemRetrieved, now: float) -> Sequence[Effect]:
        return self._asking.answered(event, now)

    HANDLES: ClassVar[Mapping[type, Callable[..., Sequence[Effect]]]] = {
        wire.ConversationItemAdded: _item,
        wire.ConversationItemDone: _item,
        wire.ConversationItemCreated: _item,
        wire.ConversationItemTruncated: _truncated,
        wire.ConversationItemDeleted: _deleted,
        wire.ConversationItemRetrieved: _retrieved,
    }
    """Methods by the class of events that they take; see `engine.dispatch`."""


def _is_the_clients(item: Item) -> bool:
    """Tell an item that a client added from one that the service makes, or that was spoken."""
    if isinstance(item, MCP_ITEMS):
        return False
    spoken = isinstance(item, MessageItem) and any(content.type == "input_audio" for content in item.content)
    return item.status != "in_progress" and not spoken

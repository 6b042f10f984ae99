"""What one response is to be: its settings, its context, who asked, and what it can do."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, cast

import attrs
import orjson

from engine.simulator.conversation import Entry
from engine.simulator.ear import Ear
from engine.simulator.mcp_calls import McpCalls
from engine.simulator.mcp_tools import McpTools
from engine.simulator.responder import Fail, Prompt
from engine.wire.codec import from_object
from engine.wire.items import ITEM_CLASSES, Item, UnknownItem
from engine.wire.session import Session

Json = dict[str, Any]
Trigger = Literal["client", "vad", "idle"]


@attrs.frozen
class Request:
    """What a response is to be.

    Attributes:
        session: The settings in force for it.
        trigger: Who asked.
        number: How many the session asked for before.
        entries: Its context.
        out_of_band: True outside the conversation.
        metadata: Echoed.
        failure: Why it can't be made, if it can't: it ends as `failed` before it begins to write.
    """

    session: Json = attrs.field(repr=False)
    trigger: Trigger
    number: int
    entries: Sequence[Entry] = attrs.field(repr=False)
    out_of_band: bool = False
    metadata: Json | None = attrs.field(default=None, repr=False)
    failure: Fail | None = None


@attrs.frozen
class Abilities:
    """What a response can do, beside the session's services.

    Attributes:
        ear: Who hears the spoken turns of the context.
        mcp_tools: Which MCP tools can be called.
        mcp_calls: Who runs them.
    """

    ear: Ear
    mcp_tools: McpTools
    mcp_calls: McpCalls


class _Audio(Mapping[str, bytes]):
    """Audio of items by id, copied only for whoever asks for it."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = {entry.id: entry for entry in entries if entry.audio}

    def __getitem__(self, item_id: str) -> bytes:
        return bytes(self._entries[item_id].audio)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@lru_cache(maxsize=64)
def _session(settings: bytes) -> Session:
    return from_object(orjson.loads(settings), Session)


def prompt_of(request: Request) -> Prompt:
    """Give a request as the responder reads it."""
    return Prompt(
        session=_session(orjson.dumps(request.session)),
        items=[entry.worked_out("typed", _typed) for entry in request.entries],
        audio=_Audio(request.entries),
        trigger=request.trigger,
        number=request.number,
        out_of_band=request.out_of_band,
    )


def _typed(entry: Entry) -> Item:
    """Give an item as the responder reads it: a spoken one with its transcript."""
    item = entry.snapshot()
    for part in item.get("content", ()):
        if part["type"] == "input_audio" and entry.heard:
            part["transcript"] = entry.heard
    return cast("Item", from_object(item, ITEM_CLASSES.get(item["type"], UnknownItem)))

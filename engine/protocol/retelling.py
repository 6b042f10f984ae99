"""How an item of the talk is told to a new connection: with the same words, as an item that a client may send."""

import json
import re
from collections.abc import Callable
from enum import StrEnum
from hashlib import blake2s
from typing import Final

import attrs

from engine.limits import ID_MAX_CHARS
from engine.protocol.history import HistoryItem
from engine.wire.items import Content, FunctionCallItem, FunctionCallOutputItem, Item, McpCallItem, MessageItem

Speech = Callable[[str], str | None]
"""Gives what the user said in an item, as base64 text in the session's input format, where it was kept."""

MADE_PREFIX: Final = "replay_"
"""Ids that are made here begin so."""

_TEXT_TYPES: Final = {"user": "input_text", "system": "input_text", "assistant": "output_text"}
"""How text of each role is said to the service. Speech of the assistant's can't be given back (API reference)."""

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")
_NAME_MAX_CHARS: Final = 64
"""What the service takes as a function's name; an MCP server calls its tools as it likes."""


class LeftOut(StrEnum):
    """Why a new connection is not told of an item."""

    OLDER = "older"
    """There is no more room for it."""
    TOO_LARGE = "too_large"
    """It alone is more than the bound."""
    NO_WORDS = "no_words"
    """Nothing of it was written, transcribed, heard or kept; so is a message of images alone."""
    UNFINISHED = "unfinished"
    """A call that was never made whole."""
    NO_CALL = "no_call"
    """The result of a call that is not there."""
    REFUSED = "refused"
    """The service does not take it."""
    UNTELLABLE = "untellable"
    """No client may send such an item: tools that an MCP server listed, approvals, unknown types and roles."""


@attrs.frozen
class Retold:
    """An item of the talk as a new connection is told of it.

    Attributes:
        id: The item of the talk.
        items: What stands for it, each with an id: an item, or the call and the result of an MCP call.
        images: How many were in it, which are left out.
    """

    id: str
    items: tuple[Item, ...]
    images: int = 0

    @property
    def renamed(self) -> bool:
        """Whether the service knows it under another id."""
        return self.items[0].id != self.id


def wire_id(item_id: str) -> str:
    """Give the id under which an item is told: its own, or one that is made of it where the service takes no such."""
    return item_id if 0 < len(item_id) <= ID_MAX_CHARS else _made(item_id)


def _made(of: str) -> str:
    """Make an id that is always the same for the same text."""
    digest_size = (ID_MAX_CHARS - len(MADE_PREFIX)) // 2
    return MADE_PREFIX + blake2s(of.encode(errors="replace"), digest_size=digest_size).hexdigest()


def retell(held: HistoryItem, speech: Speech) -> Retold | LeftOut:
    """Tell an item, with the words that were heard of it.

    A call is told whether it is whole or not: whoever asks knows whether it has its result.
    """
    item = held.item
    match item:
        case MessageItem():
            return _message(item, held, speech)
        case FunctionCallItem(call_id=str(call_id)):
            return _alone(held, _call(wire_id(held.id), call_id, item.name, item.arguments))
        case FunctionCallOutputItem():
            return _alone(held, FunctionCallOutputItem(id=wire_id(held.id), call_id=item.call_id, output=item.output))
        case McpCallItem() if item.output is not None or item.error is not None:
            return _mcp_call(item, held.id)
        case FunctionCallItem() | McpCallItem():
            return LeftOut.UNFINISHED
        case _:
            return LeftOut.UNTELLABLE


def _alone(held: HistoryItem, item: Item, images: int = 0) -> Retold:
    return Retold(held.id, (item,), images)


def _message(item: MessageItem, held: HistoryItem, speech: Speech) -> Retold | LeftOut:
    kind = _TEXT_TYPES.get(item.role)
    if kind is None:
        return LeftOut.UNTELLABLE
    content = tuple(Content(type=kind, text=text) for text in held.heard_words if text.strip())
    if not content and item.role == "user":
        audio = speech(held.id)
        content = (Content(type="input_audio", audio=audio),) if audio else ()
    if not content:
        return LeftOut.NO_WORDS
    images = sum(part.image_url is not None for part in item.content)
    return _alone(held, MessageItem(id=wire_id(held.id), role=item.role, content=content), images)


def _call(item_id: str, call_id: str, name: str, arguments: str) -> FunctionCallItem:
    return FunctionCallItem(id=item_id, status="completed", call_id=call_id, name=name, arguments=arguments)


def _mcp_call(item: McpCallItem, item_id: str) -> Retold:
    """The service's own call, told like one of a function, as a client has no other words for it."""
    call_id = _made(f"call of {item_id}")
    name = _NOT_IN_NAMES.sub("_", item.name)[:_NAME_MAX_CHARS]
    output = item.output if item.error is None else json.dumps(item.error, ensure_ascii=False)
    result = FunctionCallOutputItem(id=_made(f"result of {item_id}"), call_id=call_id, output=output or "")
    return Retold(item_id, (_call(wire_id(item_id), call_id, name, item.arguments), result))

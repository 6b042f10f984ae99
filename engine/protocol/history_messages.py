"""The mirrored conversation as messages in the contract's format, which `SessionConfig(history=...)` takes back."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from engine.contract import tool_output
from engine.errors import UnsupportedContent
from engine.wire.items import FunctionCallItem, FunctionCallOutputItem, Item, McpCallItem, MessageItem

Message = dict[str, Any]
"""`{"role", "content": [{"text"} | {"toolUse"} | {"toolResult"}]}`."""

_UNREADABLE: Final = object()


def messages(items: Iterable[tuple[Item, list[str]]]) -> list[Message]:
    """Turn items into messages, in order; what a message can't tell is left out.

    Args:
        items: Each with the words that it stands for, in pieces.
    """
    told: list[Message] = []
    called: set[str] = set()
    for item, words in items:
        for message in _told(item, words, called):
            _append(told, message)
    return told


def _append(told: list[Message], message: Message) -> None:
    """Join calls to calls and results to results. Words stay apart: the contract reads a message's words last."""
    kind = _kind(message)
    if told and kind != "text" and _kind(told[-1]) == kind and told[-1]["role"] == message["role"]:
        told[-1]["content"] += message["content"]
    else:
        told.append(message)


def _kind(message: Message) -> str:
    return str(next(iter(message["content"][0])))


def _told(item: Item, words: list[str], called: set[str]) -> Iterator[Message]:
    match item:
        case MessageItem(role=role) if words:
            yield {"role": role, "content": [{"text": text} for text in words]}
        case FunctionCallItem(call_id=str(call_id)):
            yield from _call(call_id, item.name, item.arguments, called)
        case FunctionCallOutputItem(call_id=call_id) if call_id in called:
            yield _result(call_id, _blocks(item.output), "success")
        case McpCallItem(id=str(call_id)) if item.output is not None or item.error is not None:
            yield from _mcp_call(item, call_id, called)
        case _:
            pass


def _mcp_call(item: McpCallItem, call_id: str, called: set[str]) -> Iterator[Message]:
    """The service's own call, told like one of the application's, as the contract has no other words for it."""
    calls = list(_call(call_id, item.name, item.arguments, called))
    if not calls:
        return
    yield from calls
    if item.error is not None:
        yield _result(call_id, [{"text": json.dumps(item.error, ensure_ascii=False)}], "error")
    else:
        yield _result(call_id, [{"text": item.output}], "success")


def _call(call_id: str, name: str, arguments: str, called: set[str]) -> Iterator[Message]:
    given = _parse(arguments)
    if given is not _UNREADABLE:
        called.add(call_id)
        yield {
            "role": "assistant",
            "content": [{"toolUse": {"toolUseId": call_id, "name": name, "input": given}}],
        }


def _result(call_id: str, blocks: list[Any] | None, status: str) -> Message:
    result = {"toolUseId": call_id, "status": status}
    return {"role": "user", "content": [{"toolResult": result if blocks is None else {**result, "content": blocks}}]}


def _blocks(output: str) -> list[Any] | None:
    """Give a result's blocks as the application gave them, or its text where it has another shape."""
    if not output:
        return None
    blocks = _parse(output)
    try:
        if isinstance(blocks, list) and tool_output(blocks, "") == output:
            return blocks
    except UnsupportedContent:
        pass
    return [{"text": output}]


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")

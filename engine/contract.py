"""The contract's plain dictionaries (tools, history messages, tool results) as wire records."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from engine.errors import ConfigError, RemoteViolation, UnsupportedContent
from engine.wire.codec import from_object
from engine.wire.items import Content, FunctionCallItem, FunctionCallOutputItem, Item, MessageItem
from engine.wire.session import Tool

WireId = Callable[[str], str]
"""Maps an application's call id to the one on the wire."""


def to_wire_tool(spec: Any, field: str = "tools") -> Tool:
    """Turn a tool's description into the service's flat form.

    Args:
        spec: `{"name", "description", "inputSchema": {"json": schema or JSON text} or schema}`, a flat
            `{"type": "function" | "mcp", ...}` as the service has it, or a `Tool`.
        field: How an error names it.

    Raises:
        ConfigError: It is none of these.
    """
    if isinstance(spec, Tool):
        return spec
    if not isinstance(spec, Mapping):
        raise ConfigError(field, type(spec).__name__, "a mapping with 'name', 'description' and 'inputSchema'")
    if "inputSchema" not in spec:
        return _flat_tool(spec, field)
    name = spec.get("name")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{field}.name", name, "text that is not empty")
    schema = _schema(spec["inputSchema"], field)
    return Tool(type="function", name=name, description=str(spec.get("description", "")), parameters=schema)


def _schema(given: Any, field: str) -> Any:
    inner = given.get("json", given) if isinstance(given, Mapping) else given
    if isinstance(inner, str):
        try:
            inner = json.loads(inner)
        except ValueError as error:
            raise ConfigError(f"{field}.inputSchema", inner, "a JSON Schema object, or its JSON text") from error
    if not isinstance(inner, Mapping):
        raise ConfigError(f"{field}.inputSchema", inner, "a JSON Schema object, or its JSON text")
    return inner


def _flat_tool(spec: Mapping[str, Any], field: str) -> Tool:
    if spec.get("type") not in {"function", "mcp"}:
        raise ConfigError(field, sorted(map(str, spec)), "a mapping with 'name', 'description' and 'inputSchema'")
    try:
        return from_object(spec, Tool)
    except RemoteViolation as error:
        raise ConfigError(f"{field}.{error.field}", "(see the cause)", "what the service's tools take") from error


def tool_output(content: Sequence[Mapping[str, Any]] | None, tool_use_id: str) -> str:
    """Give a tool result's content as the text that the model reads: the JSON text of the whole list.

    A result without content is empty text.

    Raises:
        UnsupportedContent: A block is neither text nor json, or can't be written as JSON.
    """
    if content is None:
        return ""
    blocks = content if isinstance(content, Sequence) else [content]
    wrong = [block for block in blocks if not (isinstance(block, Mapping) and ("text" in block or "json" in block))]
    if wrong:
        kind = sorted(map(str, wrong[0])) if isinstance(wrong[0], Mapping) else type(wrong[0]).__name__
        raise UnsupportedContent(
            f"Content type not supported by OpenAI Realtime API: {kind} in the result of {tool_use_id!r}; "
            f"a result takes a list of text and json blocks"
        )
    try:
        return json.dumps(list(blocks), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnsupportedContent(f"the result of {tool_use_id!r} can't be written as JSON: {error}") from error


def messages_to_items(messages: Sequence[Mapping[str, Any]], wire_id: WireId) -> list[Item]:
    """Turn history messages into the items that tell the service of them, in order.

    A tool result whose call is not in the history is left out: the service would refuse it.

    Args:
        messages: `{"role", "content": [{"text"} | {"toolUse"} | {"toolResult"}]}`.
        wire_id: Maps call ids.

    Raises:
        UnsupportedContent: A tool result holds what the service can't take, or a message has another shape.
    """
    called: set[str] = set()
    items: list[Item] = []
    for index, message in enumerate(messages):
        with _reading(index):
            called.update(block["toolUse"]["toolUseId"] for block in message.get("content", ()) if "toolUse" in block)
    for index, message in enumerate(messages):
        with _reading(index):
            items += _message_items(message, called, wire_id)
    return items


@contextmanager
def _reading(index: int) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        shape = "{'role', 'content': [{'text'} | {'toolUse'} | {'toolResult'}]}"
        raise UnsupportedContent(
            f"messages[{index}] | content not supported ({error!r}); a message is {shape}"
        ) from error


def _message_items(message: Mapping[str, Any], called: set[str], wire_id: WireId) -> Iterator[Item]:
    said: list[Content] = []
    kind = "output_text" if message["role"] == "assistant" else "input_text"
    for block in message.get("content", ()):
        if "text" in block:
            said.append(Content(type=kind, text=block["text"]))
        elif "toolUse" in block:
            use = block["toolUse"]
            arguments = json.dumps(use["input"], ensure_ascii=False)
            yield FunctionCallItem(call_id=wire_id(use["toolUseId"]), name=use["name"], arguments=arguments)
        elif "toolResult" in block:
            result = block["toolResult"]
            output = tool_output(result.get("content"), result["toolUseId"])
            if result["toolUseId"] in called:
                yield FunctionCallOutputItem(call_id=wire_id(result["toolUseId"]), output=output)
    if said:
        yield MessageItem(role=message["role"], content=tuple(said))

"""The contract's plain dictionaries (tools, history messages, tool results) as wire records."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from engine.errors import ConfigError, RemoteViolation, UnsupportedContent
from engine.wire.codec import from_object
from engine.wire.items import Content, FunctionCallItem, FunctionCallOutputItem, Item, MessageItem
from engine.wire.session import Tool

WireId = Callable[[str], str]
"""Maps an application's call id to the one on the wire."""

ROLES: Final = ("user", "assistant", "system")

_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MESSAGE_SHAPE: Final = "{'role', 'content': [{'text'} | {'toolUse'} | {'toolResult'}]}"


def to_wire_tool(spec: Any, field: str = "tools") -> Tool:
    """Turn a tool's description into the service's flat form.

    Args:
        spec: `{"name", "description", "inputSchema": {"json": schema or JSON text} or schema}`, a flat
            `{"type": "function" | "mcp", ...}` as the service has it, or a `Tool`.
        field: How an error names it.

    Raises:
        ConfigError: It is none of these.
    """
    tool = _read_tool(spec, field)
    if tool.type == "function":
        _tool_name(tool.name, field)
    return tool


def _read_tool(spec: Any, field: str) -> Tool:
    if isinstance(spec, Tool):
        return spec
    if not isinstance(spec, Mapping):
        raise ConfigError(field, type(spec).__name__, "a mapping with 'name', 'description' and 'inputSchema'")
    if "inputSchema" not in spec:
        return _flat_tool(spec, field)
    name = _tool_name(spec.get("name"), field)
    schema = _schema(spec["inputSchema"], field)
    return Tool(type="function", name=name, description=str(spec.get("description", "")), parameters=schema)


def _tool_name(name: Any, field: str) -> str:
    """Refuse a name that the service would, before anything is connected."""
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        raise ConfigError(f"{field}.name", name, "1 to 64 of the letters a to z and A to Z, digits, '_' and '-'")
    return name


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
        # NaN and the infinities are no JSON, though Python would write them.
        return json.dumps(list(blocks), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnsupportedContent(f"the result of {tool_use_id!r} can't be written as JSON: {error}") from error


def messages_to_items(messages: Sequence[Mapping[str, Any]], wire_id: WireId) -> list[Item]:
    """Turn history messages into the items that tell the service of them, in order.

    A tool result whose call is not in the history is left out: the service would refuse it.

    Args:
        messages: `{"role", "content": [{"text"} | {"toolUse"} | {"toolResult"}]}`.
        wire_id: Maps call ids.

    Raises:
        UnsupportedContent: A message holds what the service can't take, or has another shape; the text says which.
    """
    called: set[str] = set()
    items: list[Item] = []
    for index, message in enumerate(messages):
        with _reading(index):
            called.update(_text(block["toolUse"], "toolUseId") for block in _blocks(message) if "toolUse" in block)
    for index, message in enumerate(messages):
        with _reading(index):
            items += _message_items(message, called, wire_id)
    return items


@contextmanager
def _reading(index: int) -> Iterator[None]:
    try:
        yield
    except UnsupportedContent as error:
        raise UnsupportedContent(f"messages[{index}] | {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise UnsupportedContent(
            f"messages[{index}] | content not supported ({error!r}); a message is {_MESSAGE_SHAPE}"
        ) from error


def _blocks(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    blocks: Sequence[Mapping[str, Any]] = message.get("content", ())
    if not isinstance(blocks, (list, tuple)):
        raise TypeError(f"content is {type(blocks).__name__}, not a list")
    if wrong := [type(block).__name__ for block in blocks if not isinstance(block, Mapping)]:
        raise TypeError(f"content holds {wrong[0]}, not only mappings")
    return blocks


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given[key]
    if not isinstance(value, str):
        raise TypeError(f"{key!r} is {type(value).__name__}, not text")
    return value


def _role(message: Mapping[str, Any]) -> str:
    role = _text(message, "role")
    if role not in ROLES:
        raise ValueError(f"role is {role!r}, not one of {', '.join(map(repr, ROLES))}")
    return role


def _message_items(message: Mapping[str, Any], called: set[str], wire_id: WireId) -> Iterator[Item]:
    said: list[Content] = []
    role = _role(message)
    kind = "output_text" if role == "assistant" else "input_text"
    for block in _blocks(message):
        if "text" in block:
            said.append(Content(type=kind, text=_text(block, "text")))
        elif "toolUse" in block:
            yield _call_item(block["toolUse"], wire_id)
        elif "toolResult" in block:
            yield from _result_items(block["toolResult"], called, wire_id)
        else:
            raise UnsupportedContent(
                f"Content type not supported by OpenAI Realtime API: {sorted(map(str, block))}; "
                f"a message takes text, toolUse and toolResult blocks"
            )
    if said:
        yield MessageItem(role=role, content=tuple(said))


def _call_item(use: Mapping[str, Any], wire_id: WireId) -> Item:
    arguments = json.dumps(use["input"], ensure_ascii=False, allow_nan=False)
    return FunctionCallItem(call_id=wire_id(_text(use, "toolUseId")), name=_text(use, "name"), arguments=arguments)


def _result_items(result: Mapping[str, Any], called: set[str], wire_id: WireId) -> Iterator[Item]:
    call_id = _text(result, "toolUseId")
    output = tool_output(result.get("content"), call_id)
    if call_id in called:
        yield FunctionCallOutputItem(call_id=wire_id(call_id), output=output)

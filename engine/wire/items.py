"""Conversation items: messages, function calls and their outputs, MCP items."""

from typing import Any, ClassVar

import attrs

from engine.wire.record import Record


@attrs.frozen(kw_only=True)
class Content(Record):
    """One piece of a message: `input_text`, `input_audio`, `input_image`, `output_text` or `output_audio`.

    In `response.content_part.*` events the service uses the short names `text` and `audio`.

    Attributes:
        audio: Base64 text in the session's audio format.
        image_url: A `data:` URI with a PNG or JPEG.
    """

    type: str | None = None
    text: str | None = None
    audio: str | None = attrs.field(default=None, repr=False)
    transcript: str | None = None
    image_url: str | None = attrs.field(default=None, repr=False)
    detail: str | None = None


@attrs.frozen(kw_only=True)
class ItemBase(Record):
    """What all items share."""

    id: str | None = None
    object: str | None = None
    status: str | None = None


@attrs.frozen(kw_only=True)
class MessageItem(ItemBase):
    """Something that the system, the user or the assistant said."""

    tag: ClassVar[str] = "message"
    role: str
    content: tuple[Content, ...]
    phase: str | None = None


@attrs.frozen(kw_only=True)
class FunctionCallItem(ItemBase):
    """The model calls a function. `arguments` is JSON text, still growing while the item is in progress."""

    tag: ClassVar[str] = "function_call"
    name: str
    arguments: str
    call_id: str | None = None


@attrs.frozen(kw_only=True)
class FunctionCallOutputItem(ItemBase):
    """What the function gave, as text that the model reads."""

    tag: ClassVar[str] = "function_call_output"
    call_id: str
    output: str


@attrs.frozen(kw_only=True)
class McpListToolsItem(ItemBase):
    """The tools that an MCP server offers."""

    tag: ClassVar[str] = "mcp_list_tools"
    server_label: str
    tools: tuple[Any, ...]


@attrs.frozen(kw_only=True)
class McpCallItem(ItemBase):
    """The service called an MCP tool."""

    tag: ClassVar[str] = "mcp_call"
    server_label: str
    name: str
    arguments: str
    approval_request_id: str | None = None
    output: str | None = None
    error: Any = None


@attrs.frozen(kw_only=True)
class McpApprovalRequestItem(ItemBase):
    """The service asks whether it may call an MCP tool."""

    tag: ClassVar[str] = "mcp_approval_request"
    server_label: str
    name: str
    arguments: str


@attrs.frozen(kw_only=True)
class McpApprovalResponseItem(ItemBase):
    """The answer to an approval request."""

    tag: ClassVar[str] = "mcp_approval_response"
    approval_request_id: str
    approve: bool
    reason: str | None = None


@attrs.frozen(kw_only=True)
class ItemReference(ItemBase):
    """A pointer to an item of the conversation; only in the input of an out-of-band response."""

    tag: ClassVar[str] = "item_reference"


@attrs.frozen(kw_only=True)
class UnknownItem(ItemBase):
    """An item of a type that this version does not know, kept whole: its fields are in `extra`."""

    type: str | None = None


Item = (
    MessageItem
    | FunctionCallItem
    | FunctionCallOutputItem
    | McpListToolsItem
    | McpCallItem
    | McpApprovalRequestItem
    | McpApprovalResponseItem
    | ItemReference
    | UnknownItem
)

ITEM_CLASSES: dict[str, type[ItemBase]] = {
    cls.tag: cls
    for cls in (
        MessageItem,
        FunctionCallItem,
        FunctionCallOutputItem,
        McpListToolsItem,
        McpCallItem,
        McpApprovalRequestItem,
        McpApprovalResponseItem,
        ItemReference,
    )
}

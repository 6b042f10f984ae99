"""What an application receives of MCP servers; only sessions that have some tell it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import attrs

from engine.events.view import OfResponse


@attrs.frozen(kw_only=True)
class McpToolsEvent(OfResponse):
    """What an MCP server offers has changed.

    Attributes:
        server_label: The server; empty where a listing failed before the service said whose it was.
        tools: `{"name", "description", "input_schema", ...}` each.
        status: `in_progress` while they are listed and can't be called, `ready`, or `failed`.
    """

    type: ClassVar[str] = "mcp_tools"
    server_label: str
    tools: tuple[Mapping[str, Any], ...] = attrs.field(default=(), repr=False)
    status: Literal["in_progress", "ready", "failed"]

    def _fields(self) -> dict[str, Any]:
        return {"server_label": self.server_label, "tools": list(self.tools), "status": self.status}


@attrs.frozen(kw_only=True)
class McpCallEvent(OfResponse):
    """The service calls a tool of an MCP server by itself: told when it begins, and when it ends.

    Attributes:
        call_id: The call's item.
        server_label: The server.
        name: The tool.
        arguments: JSON text; it may still grow while the call is in progress.
        status: `in_progress`, `completed` or `failed`.
        output: What the tool gave, once the call completed.
        error: What went wrong, once it failed, as the service tells it: `{"type", "message", ...}`.
    """

    type: ClassVar[str] = "mcp_call"
    call_id: str
    server_label: str
    name: str
    arguments: str = attrs.field(default="", repr=False)
    status: Literal["in_progress", "completed", "failed"]
    output: str | None = attrs.field(default=None, repr=False)
    error: Any = attrs.field(default=None, repr=False)

    def _fields(self) -> dict[str, Any]:
        names = ("call_id", "server_label", "name", "arguments", "status", "output", "error")
        return {name: getattr(self, name) for name in names}


@attrs.frozen(kw_only=True)
class McpApprovalRequestEvent(OfResponse):
    """The service asks whether it may call a tool of an MCP server; `Session.mcp` has the answer's verb, `approve`.

    Attributes:
        request_id: What the answer names.
        server_label: The server.
        name: The tool.
        arguments: JSON text.
    """

    type: ClassVar[str] = "mcp_approval_request"
    request_id: str
    server_label: str
    name: str
    arguments: str = attrs.field(default="", repr=False)

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("request_id", "server_label", "name", "arguments")}

"""MCP servers that the simulated service can reach: their tools, what these answer, and who may call which."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal

import attrs

Json = dict[str, Any]


@attrs.frozen
class McpError:
    """Why a call of an MCP tool failed.

    Attributes:
        message: In the server's words.
        type: `tool_execution_error` by the tool itself, `protocol_error` of MCP, or `http_error`.
        code: Of the protocol or of HTTP; a tool's own errors have none.
    """

    message: str
    type: Literal["tool_execution_error", "protocol_error", "http_error"] = "tool_execution_error"
    code: int = 500

    def on_the_wire(self) -> Json:
        """Give the `error` of an `mcp_call` item."""
        coded = {} if self.type == "tool_execution_error" else {"code": self.code}
        return {"type": self.type, **coded, "message": self.message}


McpOutput = str | McpError
McpHandler = Callable[[str], Awaitable[McpOutput]]
"""Takes the arguments as JSON text."""


@attrs.frozen
class McpTool:
    """One tool of an MCP server.

    Attributes:
        name: Of the tool.
        output: What each call gives, or an async function that makes it of the arguments' JSON text.
        description: For the model.
        input_schema: JSON schema of its arguments.
        read_only: True for its `readOnlyHint`, which filters of allowed and approved tools go by.
    """

    name: str
    output: McpOutput | McpHandler = attrs.field(default="", repr=False)
    description: str | None = None
    input_schema: Mapping[str, Any] = attrs.field(factory=lambda: {"type": "object", "properties": {}}, repr=False)
    read_only: bool = False

    def on_the_wire(self) -> Json:
        """Give the tool as an `mcp_list_tools` item shows it."""
        hints = {"readOnlyHint": True} if self.read_only else None
        schema = dict(self.input_schema)
        return {"name": self.name, "description": self.description, "input_schema": schema, "annotations": hints}

    async def call(self, arguments: str) -> McpOutput:
        """Run the tool."""
        return await self.output(arguments) if callable(self.output) else self.output


def _tools(value: Iterable[McpTool]) -> tuple[McpTool, ...]:
    return tuple(value)


@attrs.frozen
class McpServer:
    """One MCP server; `SimulatorSettings.mcp_servers` names it by the label that clients use.

    Attributes:
        tools: What it offers.
        list_ms: How long it takes to list them.
        call_ms: How long each call takes, beside what its handler takes.
        list_fails: True when its tools can't be listed.
    """

    tools: tuple[McpTool, ...] = attrs.field(converter=_tools)
    list_ms: float = 50.0
    call_ms: float = 100.0
    list_fails: bool = False


def allowed(definition: Json, tool: McpTool) -> bool:
    """Tell whether a session's `mcp` tool lets the model call `tool`: `allowed_tools` names it or fits its hint."""
    asked = definition.get("allowed_tools")
    if asked is None:
        return True
    return tool.name in asked if isinstance(asked, list) else _fits(asked, tool)


def needs_approval(definition: Json, tool: McpTool) -> bool:
    """Tell whether a call has to be approved: by default always, and where `require_approval` does not say never."""
    asked = definition.get("require_approval") or "always"
    if isinstance(asked, str):
        return asked == "always"
    never, always = asked.get("never"), asked.get("always")
    return bool(always and _fits(always, tool)) or not (never and _fits(never, tool))


def _fits(asked: Json, tool: McpTool) -> bool:
    named, read_only = asked.get("tool_names"), asked.get("read_only")
    return (named is None or tool.name in named) and (read_only is None or read_only == tool.read_only)

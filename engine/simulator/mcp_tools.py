"""The MCP servers of one session: what the client defines, what was listed, what can be called."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import trio

from engine.simulator.catalogue import MCP_DUPLICATE_LABEL, MCP_TWO_ADDRESSES, MCP_TWO_KEYS, MISSING_PARAMETER, Refusal
from engine.simulator.conversation import Entry
from engine.simulator.mcp import McpServer, McpTool, allowed
from engine.simulator.services import Services

logger = logging.getLogger(__name__)

Json = dict[str, Any]

_ADDRESSES: Final = ("server_url", "connector_id", "tunnel_id")
_SECRETS: Final = ("authorization", "headers")


@attrs.frozen
class CallableTool:
    """A tool that the model may call now.

    Attributes:
        server: Whose it is.
        tool: What it does.
        definition: The session's `mcp` tool.
    """

    server: McpServer
    tool: McpTool
    definition: Json = attrs.field(repr=False)


class McpTools:
    """What a session knows of MCP servers.

    Args:
        services: The session's.
        nursery: For the listings.
    """

    def __init__(self, services: Services, nursery: trio.Nursery) -> None:
        self._services = services
        self._nursery = nursery
        self._definitions: dict[str, Json] = {}
        self._listed: dict[str, McpServer] = {}

    def resolve(self, tools: Sequence[Json], path: str) -> list[Json]:
        """Check the MCP servers among a session's or a response's tools, and complete those known by their label.

        Args:
            tools: As the client gave them, checked for their shape.
            path: Where they stand, for errors.

        Returns:
            The tools as the session shows them: without keys.

        Raises:
            Refusal: A definition contradicts itself, or says nothing of a server that was not defined before.
        """
        labels = [tool.get("server_label") for tool in tools]
        resolved = []
        for index, (tool, label) in enumerate(zip(tools, labels, strict=True)):
            where = f"{path}[{index}]"
            if label is not None and label in labels[:index]:
                raise Refusal(MCP_DUPLICATE_LABEL, param=f"{where}.server_label", label=label)
            resolved.append(tool if label is None else self._resolved(tool, where))
        return resolved

    def _resolved(self, tool: Json, path: str) -> Json:
        given = {key: value for key, value in tool.items() if value is not None}
        addresses = [key for key in _ADDRESSES if key in given]
        if len(addresses) > 1:
            raise Refusal(MCP_TWO_ADDRESSES, param=f"{path}.{addresses[1]}", first=addresses[0], second=addresses[1])
        if "authorization" in given and any(name.lower() == "authorization" for name in given.get("headers", {})):
            raise Refusal(MCP_TWO_KEYS, param=f"{path}.authorization")
        known = self._definitions.get(given["server_label"])
        if not addresses and known is None:
            raise Refusal(MISSING_PARAMETER, param=f"{path}.server_url")
        shown = {key: value for key, value in given.items() if key not in _SECRETS}
        return shown if addresses else {**(known or {}), **shown}

    def define(self, tools: Sequence[Json]) -> None:
        """Remember the MCP servers among resolved tools, and list the tools of those that are new or changed."""
        for tool in tools:
            if tool["type"] == "mcp":
                label = tool["server_label"]
                before, self._definitions[label] = self._definitions.get(label), tool
                if before is None or any(before.get(key) != tool.get(key) for key in _ADDRESSES):
                    self._listed.pop(label, None)
                    self._nursery.start_soon(self._list, label)

    async def _list(self, label: str) -> None:
        server, services = self._services.settings.mcp_servers.get(label), self._services
        item_id = services.ids.new("mcpl")
        services.emit("mcp_list_tools.in_progress", item_id=item_id)
        await trio.sleep((server.list_ms if server is not None else 0) / 1000)
        await services.room()
        if server is None or server.list_fails:
            services.emit("mcp_list_tools.failed", item_id=item_id)
            return
        definition = self._definitions[label]
        tools = [tool.on_the_wire() for tool in server.tools if allowed(definition, tool)]
        entry = Entry({"id": item_id, "type": "mcp_list_tools", "server_label": label, "tools": tools})
        previous = services.conversation.add(entry)
        for kind in ("conversation.item.added", "conversation.item.done"):
            services.emit(kind, previous_item_id=previous, item=entry.snapshot())
        self._listed[label] = server
        services.emit("mcp_list_tools.completed", item_id=item_id)

    def find(self, session: Mapping[str, Any], label: str, name: str) -> CallableTool | None:
        """Find a tool that the model may call: defined for this response, listed, allowed; None where it may not."""
        definition = next((tool for tool in session["tools"] if tool.get("server_label") == label), None)
        server = self._listed.get(label)
        if definition is None or server is None:
            logger.warning("MCP server %s is not there to be called: it is not defined, or not listed yet", label)
            return None
        tool = next((tool for tool in server.tools if tool.name == name and allowed(definition, tool)), None)
        if tool is None:
            logger.warning("MCP server %s has no tool %s that may be called", label, name)
        return None if tool is None else CallableTool(server, tool, definition)

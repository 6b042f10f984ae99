"""Calls of MCP tools, which the service makes itself: written by a response, approved where needed, run beside it."""

import logging
from typing import Any, Final

import attrs
import trio

from engine.simulator.catalogue import APPROVAL_UNKNOWN, Refusal
from engine.simulator.conversation import Entry
from engine.simulator.mcp import McpError, McpOutput, needs_approval
from engine.simulator.mcp_tools import CallableTool
from engine.simulator.output import OutputItem
from engine.simulator.services import Services
from engine.simulator.usage import Count, text_tokens

logger = logging.getLogger(__name__)

Json = dict[str, Any]

_CALL: Final = "response.mcp_call"


@attrs.define
class McpCallItem(OutputItem):
    """A call of an MCP tool: its arguments are streamed like a function's; it ends when its result is there.

    Attributes:
        ran: True once it was handed over to be run, or to be approved.
    """

    ran: bool = False

    def write(self, delta: str) -> None:
        """Add to the arguments."""
        self.entry.item["arguments"] += delta
        self.services.emit_text_delta(f"{_CALL}_arguments.delta", delta, **self.place())

    def close_stream(self) -> None:
        """Tell that the arguments are whole."""
        self.services.emit(f"{_CALL}_arguments.done", **self.place(), arguments=self.entry.item["arguments"])

    def close(self, status: str) -> None:  # noqa: ARG002 - the interface's; these items have no status
        """End it here, where the response was cut off before the call could run; else it ends by itself."""
        if not self.ran:
            self.close_stream()
            self.end()

    def tell(self, step: str) -> None:
        """Tell how far the call is: `in_progress`, `completed`, `failed`."""
        self.services.emit(f"{_CALL}.{step}", item_id=self.entry.id, output_index=self.index)

    def end(self) -> None:
        """Tell that the item is final."""
        if self.mirrored:
            self._emit_placed("conversation.item.done", self.services.conversation.previous_id(self.entry.id))
        self._emit_item("response.output_item.done")

    def tokens(self) -> Count:
        """Count the name and the arguments so far."""
        return Count(text=text_tokens(self.entry.item["name"]) + text_tokens(self.entry.item["arguments"]))


@attrs.frozen
class _Waiting:
    """A call that nobody has approved yet."""

    call: McpCallItem
    found: CallableTool


class McpCalls:
    """The calls of one session, beside its responses: a response may be over before its calls are.

    Args:
        services: The session's.
        nursery: For the calls.
    """

    def __init__(self, services: Services, nursery: trio.Nursery) -> None:
        self._services = services
        self._nursery = nursery
        self._waiting: dict[str, _Waiting] = {}

    def start(self, call: McpCallItem, found: CallableTool) -> trio.Event | None:
        """Run a call whose arguments are whole, or ask for approval.

        Returns:
            An event that is set when the call has ended; None when it waits for approval.
        """
        call.ran = True
        call.close_stream()
        if needs_approval(found.definition, found.tool):
            self._ask(call, found)
            return None
        return self._run_soon(call, found)

    def _ask(self, call: McpCallItem, found: CallableTool) -> None:
        services, item = self._services, call.entry.item
        request = Entry(
            {
                "id": services.ids.new("mcpr"),
                "type": "mcp_approval_request",
                "server_label": item["server_label"],
                "name": item["name"],
                "arguments": item["arguments"],
            }
        )
        item["approval_request_id"] = request.id
        self._waiting[request.id] = _Waiting(call, found)
        previous = services.conversation.add(request)
        for kind in ("conversation.item.added", "conversation.item.done"):
            services.emit(kind, previous_item_id=previous, item=request.snapshot())

    def check_approval(self, item: Json) -> None:
        """Refuse the answer to a request that is not there, or was answered."""
        if item["approval_request_id"] not in self._waiting:
            raise Refusal(APPROVAL_UNKNOWN, request_id=item["approval_request_id"])

    def approve(self, item: Json) -> None:
        """Run the call that waits for this answer, or end it where it says no."""
        waiting = self._waiting.pop(item["approval_request_id"])
        if item["approve"]:
            self._run_soon(waiting.call, waiting.found)
        else:
            # What the service tells of a refused call was not recorded; that it ends is what clients need.
            self._end(waiting.call, McpError(item.get("reason") or "The call was not approved."))

    def _run_soon(self, call: McpCallItem, found: CallableTool) -> trio.Event:
        ended = trio.Event()
        call.tell("in_progress")
        self._nursery.start_soon(self._run, call, found, ended)
        return ended

    async def _run(self, call: McpCallItem, found: CallableTool, ended: trio.Event) -> None:
        await trio.sleep(found.server.call_ms / 1000)
        output: McpOutput
        try:
            output = await found.tool.call(call.entry.item["arguments"])
        except Exception:
            logger.exception("the handler of MCP tool %s failed", found.tool.name)
            output = McpError("The tool failed.")
        await self._services.room()
        self._end(call, output)
        ended.set()

    def _end(self, call: McpCallItem, output: McpOutput) -> None:
        failed = isinstance(output, McpError)
        call.entry.item["error" if failed else "output"] = (
            output.on_the_wire() if isinstance(output, McpError) else output
        )
        call.tell("failed" if failed else "completed")
        call.end()


def mcp_call_entry(item_id: str, server_label: str, name: str) -> Entry:
    """Make a call that is about to be written."""
    return Entry(
        {
            "id": item_id,
            "type": "mcp_call",
            "server_label": server_label,
            "name": name,
            "arguments": "",
            "approval_request_id": None,
            "output": None,
            "error": None,
        }
    )

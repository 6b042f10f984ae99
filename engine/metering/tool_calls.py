"""The calls in the turn log: when a tool was called, and when its result came."""

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

import attrs

from engine.metering.book import TurnBook
from engine.metering.pending import Pending
from engine.metering.records import ResponseRecord, ToolRecord
from engine.wire import server as wire
from engine.wire.items import FunctionCallItem, Item, McpCallItem

Kind = Literal["function", "mcp"]


class ToolCalls:
    """Handles calls of functions and of MCP tools.

    Args:
        book: Where responses are kept.
        pending: Told of results, which the next response answers.
    """

    __slots__ = ("_book", "_pending")

    def __init__(self, book: TurnBook, pending: Pending) -> None:
        self._book = book
        self._pending = pending

    def item(self, response_id: str, item: Item, whole_at: float | None) -> None:
        """Take an item of a response.

        Args:
            response_id: The response.
            item: The item.
            whole_at: When it was whole; None while it grows.
        """
        response = self._book.response(response_id)
        if response is None:
            return
        if item.id is not None:
            self._book.add_item(response_id, item.id)
        if isinstance(item, FunctionCallItem) and item.call_id is not None:
            self._called(response_id, item.call_id, item.name, "function", whole_at)
        elif isinstance(item, McpCallItem) and item.id is not None:
            self._called(response_id, item.id, item.name, "mcp", None)

    def answered(self, call_id: str, now: float, *, failed: bool = False) -> None:
        """A call has its result; only the first one counts."""
        response = self._book.response_of_call(call_id)
        tool = _find(response, call_id)
        if response is None or tool is None or tool.answered_at is not None:
            return
        self._book.put_tool(response, attrs.evolve(tool, answered_at=now, failed=failed))
        turn = self._book.turn_of_response(response.response_id)
        if turn is not None:
            self._pending.tool_answered(turn.number, now)

    def _arguments_done(self, event: wire.ResponseFunctionCallArgumentsDone, now: float) -> None:
        self._called(event.response_id, event.call_id, event.name, "function", now)

    def _called(self, response_id: str, call_id: str, name: str | None, kind: Kind, at: float | None) -> None:
        response = self._book.response(response_id)
        if response is None:
            return
        known = _find(response, call_id)
        if known is None:
            self._book.put_tool(response, ToolRecord(call_id=call_id, kind=kind, name=name, called_at=at))
            return
        name, at = known.name or name, at if known.called_at is None else known.called_at
        if (name, at) != (known.name, known.called_at):  # Four events tell of each call.
            self._book.put_tool(response, attrs.evolve(known, name=name, called_at=at))

    def _mcp_called(self, event: wire.ResponseMcpCallInProgress, now: float) -> None:
        response = self._book.response_of_call(event.item_id)
        if response is not None:
            self._called(response.response_id, event.item_id, None, "mcp", now)

    def _mcp_answered(self, event: wire.ResponseMcpCallCompleted | wire.ResponseMcpCallFailed, now: float) -> None:
        self.answered(event.item_id, now, failed=isinstance(event, wire.ResponseMcpCallFailed))

    HANDLES: ClassVar[Mapping[type, Callable[..., None]]] = {
        wire.ResponseFunctionCallArgumentsDone: _arguments_done,
        wire.ResponseMcpCallInProgress: _mcp_called,
        wire.ResponseMcpCallCompleted: _mcp_answered,
        wire.ResponseMcpCallFailed: _mcp_answered,
    }
    """Methods by the class of events that they take; see `engine.dispatch`."""


def _find(response: ResponseRecord | None, call_id: str) -> ToolRecord | None:
    tools = response.tools if response is not None else ()
    return next((tool for tool in tools if tool.call_id == call_id), None)

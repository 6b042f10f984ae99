"""The wire's events of MCP servers: what each means for `Mcp`, and when a response is asked for that follows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import attrs

from engine.protocol.effects import Effect
from engine.protocol.mcp import Mcp, McpEvent
from engine.protocol.response_gate import ResponseGate
from engine.wire import server as wire
from engine.wire.items import Item, McpApprovalRequestItem, McpApprovalResponseItem, McpCallItem, McpListToolsItem

_WANTS_ANSWER = frozenset({None, "completed", "incomplete"})
"""How a response ends whose calls are to be answered. A cancelled one has the user's next words instead."""

MCP_ITEMS = (McpListToolsItem, McpCallItem, McpApprovalRequestItem)
"""Items of the service's own making."""

_LISTINGS: Final[Mapping[type, Any]] = {
    wire.McpListToolsInProgress: "in_progress",
    wire.McpListToolsCompleted: "ready",
    wire.McpListToolsFailed: "failed",
}
"""How far the list of a server's tools is, by what tells so."""


class McpListener:
    """Hears what the service says of MCP servers.

    Args:
        gate: Told when a response is owed.
        settle: Asks for it, when the way is free.
    """

    __slots__ = ("_gate", "_settle", "mcp")

    def __init__(self, gate: ResponseGate, settle: Callable[[float], Sequence[Effect]]) -> None:
        self._gate = gate
        self._settle = settle
        self.mcp = Mcp()
        """What is on offer, what runs, what waits."""

    def _listing(self, event: Any, now: float) -> Sequence[Effect]:
        return _with_identity(self.mcp.listing(event.item_id, _LISTINGS[type(event)]), event, now)

    def _arguments_done(self, event: wire.ResponseMcpCallArgumentsDone, _: float) -> Sequence[Effect]:
        self.mcp.arguments(event.item_id, event.arguments)
        return ()

    def _call_ended(
        self, event: wire.ResponseMcpCallCompleted | wire.ResponseMcpCallFailed, now: float
    ) -> list[Effect]:
        self.mcp.ended(event.item_id)
        return self._follow([], now)

    def item(self, event: Any, item: Item, response_id: str | None, now: float, *, done: bool) -> list[Effect]:
        """Take an item: one of the conversation, or of a response, as it begins or as it is `done`."""
        told: list[McpEvent] = []
        match item:
            case McpListToolsItem():
                told = self.mcp.listed(item)
            case McpCallItem():
                told = self.mcp.call(item, response_id, done=done)
            case McpApprovalRequestItem():
                told = self.mcp.approval_wanted(item, response_id)
            case McpApprovalResponseItem():
                self.mcp.answered(item.approval_request_id, approve=item.approve)
            case _:
                return []
        return self._follow(_with_identity(told, event, now), now)

    def ended(self, event: wire.ResponseDone, now: float, *, aside: bool) -> list[Effect]:
        """A response is over; one that stands `aside` is followed by none."""
        response = event.response
        told = [
            self.mcp.call(item, response.id, done=item.output is not None or item.error is not None)
            for item in response.output or ()
            if isinstance(item, McpCallItem)
        ]
        wants_answer = response.status in _WANTS_ANSWER and not aside
        self.mcp.response_done(response.id or "", wants_answer=wants_answer)
        return self._follow(_with_identity([each for events in told for each in events], event, now), now)

    def link_down(self, now: float) -> list[Effect]:
        """The connection is gone."""
        told, wants_answer = self.mcp.link_down()
        if wants_answer:
            self._gate.want()
        return [attrs.evolve(each, received_at=now) for each in told]

    @property
    def is_busy(self) -> bool:
        """Tell whether a call runs, or an approval is waited for."""
        return self.mcp.is_busy

    def _follow(self, told: list[Effect], now: float) -> list[Effect]:
        if self.mcp.follow_up():
            self._gate.want()
            return [*told, *self._settle(now)]
        return told

    HANDLES: ClassVar[Mapping[type, Callable[..., Sequence[Effect]]]] = {
        wire.McpListToolsInProgress: _listing,
        wire.McpListToolsCompleted: _listing,
        wire.McpListToolsFailed: _listing,
        wire.ResponseMcpCallArgumentsDone: _arguments_done,
        wire.ResponseMcpCallCompleted: _call_ended,
        wire.ResponseMcpCallFailed: _call_ended,
    }
    """Methods by the class of events that they take; see `engine.dispatch`."""


def _with_identity(told: Sequence[McpEvent], event: Any, now: float) -> list[Effect]:
    return [attrs.evolve(each, event_id=event.event_id, received_at=now) for each in told]

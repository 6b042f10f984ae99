"""MCP: tools that the service itself calls, on servers that it lists: on offer, running, waiting for a yes.

The service never answers the results of such calls by itself. So a response that made some is followed by another one,
once it is done and the last of its calls has ended, which may be long after `response.done`. A call that needs an
approval begins with the request for it, and ends with its result or with the answer no.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar

import attrs

from engine.events import McpApprovalRequestEvent, McpCallEvent, McpToolsEvent
from engine.wire.items import McpApprovalRequestItem, McpCallItem, McpListToolsItem

ToolsStatus = Literal["in_progress", "ready", "failed"]
McpEvent = McpToolsEvent | McpCallEvent | McpApprovalRequestEvent
V = TypeVar("V")

REMEMBERED: Final = 1024
"""Servers, lists, calls, approvals and responses that are followed at once; the oldest is forgotten past it."""


@attrs.frozen(kw_only=True)
class McpTools:
    """What an MCP server offers.

    Attributes:
        status: `in_progress` while the service lists its tools, which can't be called yet; `ready`, or `failed`.
        tools: `{"name", "description", "input_schema", ...}` each, as the service tells them.
    """

    status: ToolsStatus
    tools: tuple[Mapping[str, Any], ...] = ()


@attrs.define
class _Call:
    """A call that has not been told as ended.

    Attributes:
        item: As it was told last.
        response_id: Whose it is.
        over: The service has said that it ended; what it gave is still to come.
    """

    item: McpCallItem
    response_id: str | None
    over: bool = False


@attrs.define
class _Work:
    """What a response has left to be done.

    Attributes:
        open: Its calls that run and its approvals without an answer, by item.
        done: It has ended, and its results want an answer.
    """

    open: set[str] = attrs.Factory(set)
    done: bool = False


class Mcp:
    """Follows the MCP servers of one session. What is given back are the events to tell."""

    __slots__ = ("_approvals", "_approved", "_calls", "_latest", "_lists", "_servers", "_told", "_work")

    def __init__(self) -> None:
        self._servers: dict[str, McpTools] = {}
        self._lists: dict[str, tuple[str | None, ToolsStatus]] = {}
        self._calls: dict[str, _Call] = {}
        self._told: dict[str, None] = {}
        self._approvals: dict[str, McpApprovalRequestItem] = {}
        self._approved: dict[str, McpApprovalRequestItem] = {}
        self._work: dict[str, _Work] = {}
        self._latest = ""

    @property
    def servers(self) -> Mapping[str, McpTools]:
        """What is on offer, by server label."""
        return dict(self._servers)

    @property
    def is_busy(self) -> bool:
        """Tell whether a call runs, or an approval is waited for."""
        return bool(self._calls or self._approvals or self._approved)

    @property
    def approvals(self) -> frozenset[str]:
        """Requests for approval that wait for their answer."""
        return frozenset(self._approvals)

    # --- from one connection to the next ------------------------------------------------------------------------

    def link_down(self) -> tuple[list[McpEvent], bool]:
        """The connection is gone, and all that was under way on it: calls have failed, approvals can't be given.

        What is on offer stands until the next connection has listed it anew.

        Returns:
            What to tell, and whether results that were waited for were to be answered.
        """
        told: list[McpEvent] = [_call_event(held.item, "failed", held.response_id) for held in self._calls.values()]
        wants_answer = any(work.done for work in self._work.values())
        for held in self._calls.values():
            _keep(self._told, held.item.id or "", None)
        for kept in (self._lists, self._calls, self._approvals, self._approved, self._work):
            kept.clear()
        return told, wants_answer

    # --- what is on offer ---------------------------------------------------------------------------------------

    def listing(self, item_id: str, status: ToolsStatus) -> list[McpEvent]:
        """The service lists a server's tools, has listed them, or could not."""
        label, _ = self._lists.get(item_id, (None, status))
        _keep(self._lists, item_id, (label, status))
        if label is not None:
            return self._offer(label, status, self._tools(label), item_id)
        # Whose tools they are is only told with the item, which a listing that failed may never have.
        return [McpToolsEvent(server_label="", status=status, item_id=item_id)] if status == "failed" else []

    def listed(self, item: McpListToolsItem) -> list[McpEvent]:
        """The item with a server's tools."""
        item_id = item.id or ""
        _, status = self._lists.get(item_id, (None, "in_progress"))
        _keep(self._lists, item_id, (item.server_label, status))
        return self._offer(item.server_label, status, item.tools, item_id)

    def _tools(self, label: str) -> tuple[Any, ...]:
        known = self._servers.get(label)
        return () if known is None else known.tools

    def _offer(self, label: str, status: ToolsStatus, tools: tuple[Any, ...], item_id: str) -> list[McpEvent]:
        before = self._servers.get(label)
        _keep(self._servers, label, McpTools(status=status, tools=tools))
        if before == self._servers[label] or (before is not None and before.status == status == "in_progress"):
            return []
        return [McpToolsEvent(server_label=label, tools=tools, status=status, item_id=item_id)]

    # --- calls --------------------------------------------------------------------------------------------------

    def call(self, item: McpCallItem, response_id: str | None, *, done: bool) -> list[McpEvent]:
        """A call's item: as it begins, and as it ends (`done`)."""
        item_id = item.id or ""
        if item_id in self._told:
            return []
        told: list[McpEvent] = []
        if item_id not in self._calls:
            told.append(_call_event(item, "in_progress", self._begin(item, response_id)))
        held = self._calls[item_id]
        held.item = item
        if done or item.output is not None or item.error is not None:
            told.append(self._end(held))
        return told

    def arguments(self, item_id: str, arguments: str) -> None:
        """The arguments of a call are whole."""
        held = self._calls.get(item_id)
        if held is not None:
            held.item = attrs.evolve(held.item, arguments=arguments)

    def ended(self, item_id: str) -> None:
        """A call has ended, by its event; the item says what it gave."""
        held = self._calls.get(item_id)
        if held is not None:
            held.over = True
            self._close(held)

    def _begin(self, item: McpCallItem, response_id: str | None) -> str:
        item_id, owner = item.id or "", response_id or self._latest
        _keep(self._calls, item_id, _Call(item, owner))
        self._open(owner, item_id)
        self._close_approval(item)
        return owner

    def _end(self, held: _Call) -> McpEvent:
        item_id = held.item.id or ""
        del self._calls[item_id]
        _keep(self._told, item_id, None)
        self._close(held)
        failed = held.item.error is not None
        return _call_event(held.item, "failed" if failed else "completed", held.response_id)

    def _close(self, held: _Call) -> None:
        for work in self._work.values():
            work.open.discard(held.item.id or "")
        self._close_approval(held.item)

    def _close_approval(self, item: McpCallItem) -> None:
        """A call that was approved is there: it stands for the request from now on."""
        for request_id, request in list(self._approved.items()):
            if item.approval_request_id == request_id or _is_for(request, item):
                del self._approved[request_id]
                self._discard(request_id)

    def _discard(self, item_id: str) -> None:
        for work in self._work.values():
            work.open.discard(item_id)

    def _open(self, response_id: str, item_id: str) -> None:
        """A response has this left to be done; past the bound it is not waited for."""
        work = self._work.get(response_id)
        if work is None:
            work = _Work()
            _keep(self._work, response_id, work)
        if len(work.open) < REMEMBERED:
            work.open.add(item_id)

    # --- approvals ----------------------------------------------------------------------------------------------

    def approval_wanted(self, item: McpApprovalRequestItem, response_id: str | None) -> list[McpEvent]:
        """The service asks whether it may make a call."""
        request_id, owner = item.id or "", response_id or self._latest
        if request_id in self._approvals or request_id in self._told:
            return []
        _keep(self._approvals, request_id, item)
        _keep(self._told, request_id, None)
        self._open(owner, request_id)
        told = McpApprovalRequestEvent(
            request_id=request_id,
            server_label=item.server_label,
            name=item.name,
            arguments=item.arguments,
            response_id=owner or None,
            item_id=request_id,
        )
        return [told]

    def answered(self, request_id: str, *, approve: bool) -> None:
        """The request has its answer. After a no, nothing is waited for: what the service tells then is not known."""
        request = self._approvals.pop(request_id, None)
        if request is None:
            return
        running = [held for held in self._calls.values() if _is_for(request, held.item)]
        if not approve or running:
            self._discard(request_id)
        else:
            _keep(self._approved, request_id, request)
        for held in running[:1]:
            if not approve:
                self._discard(held.item.id or "")

    # --- what follows -------------------------------------------------------------------------------------------

    def response_began(self, response_id: str) -> None:
        """A response of the conversation began: what names no response belongs to it."""
        self._latest = response_id

    def response_done(self, response_id: str, *, wants_answer: bool) -> None:
        """A response is over; what it called may still run. One that was cut off wants no answer to its calls."""
        work = self._work.get(response_id)
        if work is None:
            return
        if wants_answer:
            work.done = True
        else:
            del self._work[response_id]

    def follow_up(self) -> bool:
        """Tell, once, that a response is to be asked for: all that one of them has called has ended."""
        over = [response_id for response_id, work in self._work.items() if work.done and not work.open]
        for response_id in over:
            del self._work[response_id]
        return bool(over)


def _is_for(request: McpApprovalRequestItem, call: McpCallItem) -> bool:
    return (request.server_label, request.name, request.arguments) == (call.server_label, call.name, call.arguments)


def _call_event(
    item: McpCallItem, status: Literal["in_progress", "completed", "failed"], response_id: str | None
) -> McpCallEvent:
    return McpCallEvent(
        call_id=item.id or "",
        server_label=item.server_label,
        name=item.name,
        arguments=item.arguments,
        status=status,
        output=item.output,
        error=item.error,
        response_id=response_id or None,
        item_id=item.id,
    )


def _keep(kept: dict[str, V], key: str, value: V) -> None:
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > REMEMBERED:
        del kept[next(iter(kept))]

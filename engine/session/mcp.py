"""`session.mcp`: the MCP servers of a session, whose tools the service calls by itself."""

from collections.abc import Mapping

import trio

from engine.actors.watchdog import deadline
from engine.errors import ConfigError, LocalMisuse
from engine.events import McpToolsEvent
from engine.protocol.mcp import Mcp, McpTools
from engine.session.answers import Answers
from engine.session.items import new_id
from engine.session.supervisor import Supervisor
from engine.waiting.sleepers import Sleepers
from engine.wire.client import ConversationItemCreate
from engine.wire.items import McpApprovalResponseItem

LISTED_DEADLINE_S = 30.0
"""How long `McpServers.listed` waits when it is not told; a list comes over the network from a third party."""


class McpServers:
    """What the session's MCP servers offer, and the answers to what the service asks about them.

    Args:
        mcp: Follows them.
        answers: Waits for the service.
        supervisor: Runs the session.
    """

    __slots__ = ("_answering", "_answers", "_mcp", "_supervisor", "_waiting")

    def __init__(self, mcp: Mcp, answers: Answers, supervisor: Supervisor) -> None:
        self._mcp = mcp
        self._answers = answers
        self._supervisor = supervisor
        self._answering: frozenset[str] = frozenset()
        self._waiting = Sleepers()
        supervisor.when_over(self._over)

    @property
    def tools(self) -> Mapping[str, McpTools]:
        """What is on offer, by server label: `status` and `tools`."""
        return self._mcp.servers

    @property
    def approvals(self) -> frozenset[str]:
        """Requests for approval that wait for an answer."""
        return self._mcp.approvals

    async def listed(self, server_label: str, deadline_s: float = LISTED_DEADLINE_S) -> McpTools:
        """Wait until the service has listed a server's tools. Until then the model can't call them.

        Args:
            server_label: Which server.
            deadline_s: How long to wait.

        Returns:
            What it offers; `status` is `failed` when the service could not reach it.

        Raises:
            DeadlinePassed: It is not listed yet.
            SessionEnded: The session is over.
        """
        await trio.lowlevel.checkpoint()
        with deadline("mcp.listed", deadline_s):
            while not self._is_listed(server_label):
                self._supervisor.check_live()
                await self._waiting.sleep()
        return self._mcp.servers[server_label]

    def _is_listed(self, server_label: str) -> bool:
        known = self._mcp.servers.get(server_label)
        return known is not None and known.status != "in_progress"

    async def approve(self, request_id: str, *, approve: bool = True, reason: str | None = None) -> None:
        """Answer a request for approval; returns when the service has taken the answer.

        Args:
            request_id: As in `McpApprovalRequestEvent`.
            approve: Let the call be made, or not.
            reason: Why, for the model.

        Raises:
            ConfigError: The reason is no text.
            LocalMisuse: There is no such request, or it has its answer.
            ServerReported: The service refused.
            DeadlinePassed: No answer came within `engine.request_deadline_s`.
            SessionEnded: The session is over.
        """
        if reason is not None and not isinstance(reason, str):
            raise ConfigError("reason", type(reason).__name__, "text, or None")
        self._supervisor.check_live()
        if request_id not in self._mcp.approvals or request_id in self._answering:
            raise LocalMisuse(f"no request for approval {request_id!r} waits | each takes one answer")
        item = McpApprovalResponseItem(id=new_id(), approval_request_id=request_id, approve=approve, reason=reason)
        self._answering |= {request_id}
        try:
            await self._answers.ask(lambda: ConversationItemCreate(item=item))
        finally:
            self._answering -= {request_id}

    def _over(self) -> None:
        self._waiting.wake_all()

    def changed(self, event: McpToolsEvent) -> None:
        """What is on offer has changed."""
        self._waiting.wake_all()
        self._supervisor.deliver(event)

"""Stand-ins for the parts of a session: its items, turns by hand, MCP servers, playback and history."""

from collections.abc import Iterator
from functools import partial

from engine.hosts.stand_in import StandIn, crossed, hopped, seen
from engine.protocol.history import History, HistoryItem
from engine.session.input import SpokenInput
from engine.session.items import Items
from engine.session.mcp import McpServers
from engine.session.playback import SessionPlayback
from engine.trio_thread import CLOCK


class HostedItems(StandIn[Items]):
    """Stands in for `engine.session.items.Items`."""

    create = crossed(Items.create)
    delete = crossed(Items.delete)
    retrieve = crossed(Items.retrieve)
    truncate = crossed(Items.truncate)


class HostedInput(StandIn[SpokenInput]):
    """Stands in for `engine.session.input.SpokenInput`."""

    commit = crossed(SpokenInput.commit)
    clear = crossed(SpokenInput.clear)


class HostedMcp(StandIn[McpServers]):
    """Stands in for `engine.session.mcp.McpServers`."""

    tools = seen("tools", dict)
    approvals = seen("approvals", frozenset)
    listed = crossed(McpServers.listed)
    approve = crossed(McpServers.approve)


class HostedPlayback(StandIn[SessionPlayback]):
    """Stands in for `engine.session.playback.SessionPlayback`."""

    received_ms = hopped(SessionPlayback.received_ms)
    heard_out = crossed(SessionPlayback.heard_out)

    # By the thread's clock, not the run's: there is none when the session is over.

    @property
    def playing(self) -> bool:
        """Tell whether anything that came is still to be heard."""
        return self._home.hop(lambda: self._it._clock.playing(CLOCK.current_time()))

    def heard_ms(self, item_id: str) -> float:
        """Tell how much of an item was heard; see `SessionPlayback.heard_ms`."""
        return self._home.hop(lambda: self._it._clock.heard_ms(item_id, CLOCK.current_time()))

    def report(self, item_id: str, played_ms: float) -> None:
        """Say how much of an item the application has played; see `SessionPlayback.report`."""
        thread = self._home.thread
        if thread is not None and played_ms >= 0 and self._it.received_ms(item_id):
            # Players report twenty times a second, and nothing can be wrong with it: they need not wait.
            thread.post(self._report, item_id, played_ms)
        else:
            self._home.hop(partial(self._report, item_id, played_ms))

    def _report(self, item_id: str, played_ms: float) -> None:
        self._it._clock.report(item_id, played_ms, CLOCK.current_time())


class HostedHistory(StandIn[History]):
    """Stands in for `engine.protocol.history.History`: a mirror of the server's items."""

    forgotten = seen("forgotten")
    get = hopped(History.get)
    messages = hopped(History.messages)

    def __len__(self) -> int:
        return self._home.hop(partial(len, self._it))

    def __iter__(self) -> Iterator[HistoryItem]:
        return iter(self._home.hop(partial(list, self._it)))

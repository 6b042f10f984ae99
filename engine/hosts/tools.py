"""Tools of a session that is used from an event loop: their functions run in that loop, as the application's own."""

import contextvars
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from engine.errors import LocalMisuse
from engine.events import ToolResultEvent
from engine.hosts.errand import Errand
from engine.hosts.home import Home, inside
from engine.session.tools import SessionTools, Toolbox, ToolSide


class HostedTools:
    """A set of tools whose functions run in an event loop.

    Args:
        tools: The set.
        home: Where the session lives.
        session: What a tool finds as its session.
    """

    def __init__(self, tools: Toolbox, home: Home, session: Any) -> None:
        self.tools = tools
        self._home = home
        self._session = session
        self._context = contextvars.copy_context()
        self._context.run(inside.set, home)

    @property
    def specs(self) -> Sequence[Mapping[str, Any]]:
        """How the service is told of them."""
        return self.tools.specs

    def __contains__(self, name: object) -> bool:
        return name in self.tools

    def runner(self, host: SessionTools) -> ToolSide:
        """Begin to run in a session."""
        stand_in: Any = HostedToolHost(host, self._session, self)
        return self.tools.runner(stand_in)

    async def invoke(self, function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        """Await a function in the loop; called in the thread."""
        loop = self._home.loop
        if loop is None:
            raise LocalMisuse("the session is over")
        return await Errand(loop, self._context.copy(), partial(function, *args, **kwargs)).run()

    def notify(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function in the loop; called in the thread."""
        if self._home.loop is not None:
            self._home.loop.post(function, *args)


class HostedToolHost:
    """A session as its tools see it, with its stand-in in its place.

    Args:
        host: The session's own.
        session: What a tool finds as its session.
        tools: Knows where the application's functions run.
    """

    def __init__(self, host: SessionTools, session: Any, tools: HostedTools) -> None:
        self._host = host
        self.session = session
        self.invoke = tools.invoke
        self.notify = tools.notify
        self.spawn = host.spawn
        self.tell = host.tell
        self.heard_out = host.heard_out
        self.end = host.end

    async def send(self, result: ToolResultEvent) -> None:
        """Answer a call."""
        await self._host.send(result)

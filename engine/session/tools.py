"""`session.run(tools)`: the model's calls are taken the moment they arrive, in the session's own nursery."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import trio

from engine.config.changes import changes_to_wire
from engine.counting import ToolStatistics
from engine.errors import EngineError, LocalMisuse
from engine.events import BidiErrorEvent, BidiResponseCompleteEvent, ToolResultEvent, ToolUseStreamEvent
from engine.protocol.conversation import Conversation
from engine.protocol.effects import End
from engine.session.answers import Answers
from engine.session.supervisor import Supervisor
from engine.wire.client import SessionUpdate
from engine.wire.session import Session as WireSession
from engine.wire.session import Tool

if TYPE_CHECKING:
    from engine.session.session import Session

_LOOK_S: Final = 0.05
"""How often it is looked whether the model has said its piece."""


class ToolSide(Protocol):
    """Tools that run in a session, as `engine.tools.ToolRunner`. Nothing here waits."""

    def call(self, event: ToolUseStreamEvent) -> None:
        """Take a call."""
        ...

    def response_done(self, response_id: str) -> None:
        """Take note that no more calls of a response come."""
        ...

    def interrupted(self, response_ids: Collection[str] | None = None) -> None:
        """Take note that the user cut in."""
        ...

    def statistics(self) -> ToolStatistics:
        """Give a snapshot."""
        ...


class Toolbox(Protocol):
    """Tools that the model may call, as `engine.tools.Tools`."""

    @property
    def specs(self) -> Sequence[Mapping[str, Any]]:
        """How the service is told of them."""
        ...

    def __contains__(self, name: object, /) -> bool:
        """Tell whether there is a tool of that name."""
        ...

    def runner(self, host: "SessionTools") -> ToolSide:
        """Begin to run in a session."""
        ...


class SessionTools:
    """A session as its tools see it; see `engine.tools.host.ToolHost`.

    Args:
        session: The session.
        conversation: Its core.
        supervisor: Runs it.
        answers: Sends its requests.
    """

    __slots__ = ("_added", "_answers", "_conversation", "_declared", "_side", "_supervisor", "_tools", "session")

    def __init__(
        self, session: "Session", conversation: Conversation, supervisor: Supervisor, answers: Answers
    ) -> None:
        self.session = session
        self._conversation = conversation
        self._supervisor = supervisor
        self._answers = answers
        self._tools: Toolbox | None = None
        self._side: ToolSide | None = None
        self._declared: Sequence[Tool] = session.config.tools
        self._added: WireSession | None = None

    def attach(self, tools: Toolbox) -> None:
        """Take the model's calls from now on, and tell the service of tools that it does not know.

        The service hears of them before it hears of anything that is sent after this.

        Raises:
            LocalMisuse: Other tools run in this session.
            SessionEnded: The session is over.
            NotStarted: It is not open yet.
        """
        self._supervisor.check_live()
        if self._tools is not None and self._tools is not tools:
            raise LocalMisuse("other tools run in this session | add yours to that set, and run it again")
        if self._side is None:
            self._tools, self._side = tools, tools.runner(self)
            self._catch_up(self._side)
        names = {tool.name for tool in self._declared}
        more = [spec for spec in tools.specs if spec["name"] not in names]
        if more:
            self._declare([*self._declared, *more])

    def _catch_up(self, side: ToolSide) -> None:
        """Take the calls that came before, and that the application has not seen: it may have sent a text first."""
        for event in self.session.inbox.waiting():
            if isinstance(event, ToolUseStreamEvent) and not self._is_by_hand(event):
                side.call(event)
            elif isinstance(event, BidiResponseCompleteEvent):
                side.response_done(event.response_id)

    def changed(self, settings: Mapping[str, Any]) -> None:
        """Take note of settings that the application has changed: tools among them stand in place of all others."""
        if "tools" in settings:
            self._declared, self._added = settings["tools"], None

    def _declare(self, tools: Sequence[Any]) -> None:
        settings = changes_to_wire({"tools": tools}, self._conversation.standing)
        if settings != self._added:
            answer = self._answers.ask_nowait(SessionUpdate(session=settings))
            self._added = settings
            self.spawn(partial(self._hear, answer), "engine tools' declaration")

    def statistics(self) -> ToolStatistics | None:
        """Give a snapshot; None where none run."""
        return self._side.statistics() if self._side is not None else None

    async def _hear(self, answer: Callable[[], Awaitable[Any]]) -> None:
        try:
            await answer()
        except EngineError as error:
            self._added = None
            if not self._supervisor.ended:
                self._supervisor.deliver(BidiErrorEvent(error, received_at=trio.current_time()))

    # --- what the session tells -------------------------------------------------------------------------------

    def call(self, event: ToolUseStreamEvent) -> None:
        """Take a call before the application sees it, which may be much later."""
        if self._side is not None and not self._supervisor.ended and not self._is_by_hand(event):
            self._side.call(event)
        self._supervisor.deliver(event)

    def _is_by_hand(self, event: ToolUseStreamEvent) -> bool:
        """Tell whether the application has told the service of a tool, but has no function for it in its set."""
        name = event.current_tool_use["name"]
        is_known = any(tool.name == name for tool in self._declared)
        return is_known and self._tools is not None and name not in self._tools

    def response_done(self, event: BidiResponseCompleteEvent) -> None:
        """Take note of a response's end."""
        if self._side is not None and not self._supervisor.ended:
            self._side.response_done(event.response_id)
        self._supervisor.deliver(event)

    def interrupted(self) -> None:
        """Take note that the user cut in."""
        if self._side is not None:
            self._side.interrupted()

    # --- what the tools ask -----------------------------------------------------------------------------------

    def spawn(self, task: Callable[[], Awaitable[None]], name: str) -> None:
        """Start a task in the session's nursery."""
        self._supervisor.spawn(task, name)

    async def invoke(self, function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        """Await a function of the application's: it runs here."""
        return await function(*args, **kwargs)

    def notify(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function of the application's that nobody waits for."""
        function(*args)

    async def send(self, result: ToolResultEvent) -> None:
        """Answer a call."""
        await self.session.send(result)

    async def tell(self, text: str) -> None:
        """Add a message to the conversation, and ask for a response."""
        await self._supervisor.submit(lambda now: self._conversation.tell(text, now))

    async def heard_out(self) -> None:
        """Wait until the model has nothing more to say, and was heard to its end."""
        await trio.lowlevel.checkpoint()
        while not self._conversation.at_rest or self.session.playback.playing:  # noqa: ASYNC110 - time passes
            await trio.sleep(_LOOK_S)

    async def end(self) -> None:
        """End the session in order."""
        self._supervisor.finish(End("user_request"))
        await trio.lowlevel.checkpoint()

"""One session as an agent sees it: what it has not taken yet, which tools run, how it ended."""

from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, Protocol

from engine.errors import BidiModelTimeoutError, ConnectionLost
from engine.events import (
    BidiConnectionCloseEvent,
    BidiConnectionStartEvent,
    BidiOutputEvent,
    ToolUseStreamEvent,
)

OPEN_CALLS_MAX: Final = 1024
"""Calls without a result that are kept in mind, as many as the engine keeps; past it the oldest is forgotten."""

STOPPED_HERE: Final = "client_disconnect"
"""How the engine calls the end that `stop` brings; an agent's loop ends at its own word for it, `user_request`."""


class Words(Protocol):
    """A version's words for what the engine tells and takes."""

    def told(self, event: BidiOutputEvent) -> Sequence[Any]:
        """Give the events that an agent knows for one of the engine's, in order."""

    def timeout(self, error: BidiModelTimeoutError) -> Exception:
        """Give the error that makes an agent start the session anew."""


class Talk:
    """One session, from `start` to `stop`.

    Args:
        words: The version's.
        calls: Of the session before: their tools give their results to this one.
    """

    def __init__(self, words: Words, calls: Sequence[Mapping[str, Any]] = ()) -> None:
        self.words = words
        self.connection_id: str | None = None
        self.calls: dict[str, Mapping[str, Any]] = {}
        """Calls that were told, and have no result yet."""
        self.waiting: deque[Any] = deque()
        self.end: Exception | None = None
        for call in calls:
            self.called(call)

    def take(self, event: BidiOutputEvent) -> None:
        """Put in what the engine tells."""
        match event:
            case BidiConnectionStartEvent():
                self.connection_id = event.connection_id
            case ToolUseStreamEvent():
                self.called(event.current_tool_use)
            case BidiConnectionCloseEvent() if event.reason != STOPPED_HERE:
                # A loop that is told nothing more waits for ever.
                self.end = ConnectionLost(f"the service ended the session ({event.reason})", reason=event.reason)
            case _:
                pass
        self.waiting += self.words.told(event)

    def called(self, call: Mapping[str, Any]) -> None:
        """Note that a tool runs."""
        self.calls[call["toolUseId"]] = call
        if len(self.calls) > OPEN_CALLS_MAX:
            del self.calls[next(iter(self.calls))]

    def timed_out(self, error: BidiModelTimeoutError) -> Exception:
        """Give the error to raise, which says how to go on: tools that run give their results to the next session."""
        error.restart_config["open_calls"] = list(self.calls.values())
        return self.words.timeout(error)


class Events(AsyncIterator[Any]):
    """A session's events in an agent's words. It may be left at any point, and a cancelled wait loses nothing.

    Args:
        talk: The session that it reads, and no other.
        source: The engine's events.
    """

    def __init__(self, talk: Talk, source: AsyncIterator[BidiOutputEvent]) -> None:
        self._talk = talk
        self._source = source

    async def __anext__(self) -> Any:
        waiting = self._talk.waiting
        while not waiting:
            if self._talk.end is not None:
                raise self._talk.end.with_traceback(None)  # Without the frames of those who got it before.
            try:
                self._talk.take(await anext(self._source))
            except BidiModelTimeoutError as error:
                raise self._talk.timed_out(error) from error
        return waiting.popleft()

    async def aclose(self) -> None:
        """Nothing is held that would need it."""

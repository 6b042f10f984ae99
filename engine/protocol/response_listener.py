"""Responses as the whole conversation hears them: beginnings, items and ends, told to each part that they concern.

`turns` has what a response is; here is what else changes with it: what the user said has its answer, the history has a
call before anybody is told of it, and the service's own calls are its affair.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from engine.protocol.effects import Effect
from engine.protocol.history import History
from engine.protocol.kept_speech import KeptSpeech
from engine.protocol.mcp_listener import MCP_ITEMS, McpListener
from engine.protocol.session_listener import SessionListener
from engine.protocol.speech_listener import SpeechListener
from engine.protocol.turns import Turns
from engine.wire import server as wire
from engine.wire.items import FunctionCallItem, Item


class ResponseListener:
    """Hears the events of responses that concern several parts.

    Args:
        turns: The model's side.
        speech: The user's: answered by a response of the conversation.
        kept: What the user said, until it is understood.
        history: Told of calls.
        mcp: Told of what the service calls.
        session: Told why a response has failed.
    """

    __slots__ = ("_history", "_kept", "_mcp", "_session", "_speech", "_turns")

    def __init__(
        self,
        turns: Turns,
        *,
        speech: SpeechListener,
        kept: KeptSpeech,
        history: History,
        mcp: McpListener,
        session: SessionListener,
    ) -> None:
        self._turns = turns
        self._speech = speech
        self._kept = kept
        self._history = history
        self._mcp = mcp
        self._session = session

    def _created(self, event: wire.ResponseCreated, now: float) -> Sequence[Effect]:
        told = self._turns.created(event, now)
        if not self._turns.is_aside(event.response.id):
            self._speech.answered()
            self._kept.answering()
            self._mcp.mcp.response_began(event.response.id or "")
        return told

    def _item(self, event: wire.ResponseOutputItemAdded | wire.ResponseOutputItemDone, now: float) -> Sequence[Effect]:
        if isinstance(event.item, MCP_ITEMS):
            done = isinstance(event, wire.ResponseOutputItemDone)
            return self._mcp.item(event, event.item, event.response_id, now, done=done)
        if isinstance(event, wire.ResponseOutputItemDone) and not self._turns.is_aside(event.response_id):
            self._called(event.item)
        return self._turns.item(event, now)

    def _called(self, item: Item) -> None:
        """A call is told from here on, so the mirror must have it, even where the connection breaks before its item."""
        if isinstance(item, FunctionCallItem):
            self._history.put(item, None, begins=False)

    def _done(self, event: wire.ResponseDone, now: float) -> Sequence[Effect]:
        told = self._turns.done(event, now)
        aside = self._turns.is_aside(event.response.id)
        if not aside and event.response.status == "completed":
            self._kept.answered()
        return [*told, *self._mcp.ended(event, now, aside=aside), *self._session.response_failed(event)]

    HANDLES: ClassVar[Mapping[type, Callable[..., Sequence[Effect]]]] = {
        wire.ResponseCreated: _created,
        wire.ResponseOutputItemAdded: _item,
        wire.ResponseOutputItemDone: _item,
        wire.ResponseDone: _done,
    }
    """Methods by the class of events that they take; see `engine.dispatch`."""

"""The turn log: each turn of the talk with its times, made from what goes by on the wire in both directions."""

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

import attrs

from engine.counting import NameCounts
from engine.dispatch import Dispatch
from engine.errors import ConfigError
from engine.metering.book import TurnBook, TurnListener
from engine.metering.model_side import ModelSide
from engine.metering.pending import Pending
from engine.metering.records import ResponseRecord, TurnRecord, TurnTotals
from engine.metering.tokens import TokenMeter
from engine.metering.tool_calls import ToolCalls
from engine.metering.user_side import UserSide
from engine.wire.client import ClientEvent, ConversationItemCreate
from engine.wire.items import FunctionCallOutputItem, MessageItem
from engine.wire.server import ErrorReported, RateLimit, RateLimitsUpdated, ServerEvent

TURN_LOG_MAX_TURNS: Final = 1000
"""Turns, and as many responses outside the conversation, that the log holds; older ones are forgotten and counted. An
hour of talk is a few hundred."""


class TurnLog:
    """Watches the wire. Whatever comes, in any order, raises nothing.

    Args:
        max_turns: Turns to hold, at least 1; older ones are forgotten, but stay in the totals.
        listener: Told of latencies and interruptions as they become known.

    Raises:
        ConfigError: `max_turns` is less than 1.
    """

    __slots__ = ("_book", "_calls", "_errors", "_handlers", "_meter", "_model", "_pending", "_user", "rate_limits")

    def __init__(self, max_turns: int = TURN_LOG_MAX_TURNS, listener: TurnListener | None = None) -> None:
        if max_turns < 1:
            raise ConfigError("max_turns", max_turns, "1 or more")
        self._book = TurnBook(max_turns, listener)
        self._errors = NameCounts()
        self.rate_limits: tuple[RateLimit, ...] = ()
        """What is left of the account's limits, as the service told last."""
        self._pending = Pending()
        self._meter = TokenMeter()
        self._calls = ToolCalls(self._book, self._pending)
        self._user = UserSide(self._book, self._pending)
        self._model = ModelSide(self._book, self._pending, self._meter, self._calls)
        self._handlers = Dispatch(self, self._user, self._model, self._calls)

    @property
    def listener(self) -> TurnListener | None:
        """Who is told of latencies and interruptions as they become known."""
        return self._book.listener

    @listener.setter
    def listener(self, listener: TurnListener | None) -> None:
        self._book.listener = listener

    # --- what it is told --------------------------------------------------------------------------------------

    def observe(self, event: ServerEvent, now: float) -> None:
        """Take a server event that arrived at `now`."""
        handler = self._handlers[type(event)]
        if handler is not None:
            handler(event, now)

    def sent(self, event: ClientEvent, now: float) -> None:
        """Take a client event that was sent at `now`. Microphone audio may be left out."""
        handler = self._handlers[type(event)]
        if handler is not None:
            handler(event, now)

    def interruption_delivered(self, received_at: float | None, now: float) -> None:
        """The application took an interruption event that has this `received_at`."""
        if received_at is not None:
            self._user.interruption_delivered(received_at, now)

    def heard(self, item_id: str, now: float) -> None:
        """The first sample of an item was played to the user."""
        self._model.heard(item_id, now)

    def link_ended(self, now: float) -> None:
        """The connection is gone: responses that ran on it are lost; what they answered waits on the next one."""
        self._pending.link_ended()
        self._user.link_ended()
        self._model.link_ended(now)

    def _error(self, event: ErrorReported, _: float) -> None:
        self._errors.add(event.error.code or event.error.type or "unknown")

    def _limits(self, event: RateLimitsUpdated, _: float) -> None:
        self.rate_limits = event.rate_limits

    def _item_sent(self, event: ConversationItemCreate, now: float) -> None:
        if isinstance(event.item, MessageItem):
            self._user.message_sent(event.item, now)
        elif isinstance(event.item, FunctionCallOutputItem):
            self._calls.answered(event.item.call_id, now)

    HANDLES: ClassVar[Mapping[type, Callable[..., None]]] = {
        ErrorReported: _error,
        RateLimitsUpdated: _limits,
        ConversationItemCreate: _item_sent,
    }
    """Methods by the class of events that they take; see `engine.dispatch`."""

    # --- what it tells ----------------------------------------------------------------------------------------

    @property
    def turns(self) -> tuple[TurnRecord, ...]:
        """The newest turns, oldest first."""
        return self._book.turns

    @property
    def aside(self) -> tuple[ResponseRecord, ...]:
        """The newest responses outside the conversation, oldest first."""
        return self._book.asides

    @property
    def totals(self) -> TurnTotals:
        """Sums over all turns."""
        return attrs.evolve(
            self._book.totals,
            errors=self._errors.snapshot(),
            tokens=self._meter.tokens,
            transcribed=self._meter.transcribed,
        )

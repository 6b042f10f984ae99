"""Requests and their answers: which event of the service, or which error, answers which client event.

The service answers by other events, not by replies. Some name what they answer (an item, a response's metadata), some
do not (`session.updated`), and an error often leaves out the client event that caused it. So a request is found by its
own id first, then by what it is about, then by order among those of its kind, for one connection is served in order.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import attrs

from engine.errors import DeadlinePassed, EngineError
from engine.protocol import server_errors
from engine.protocol.pairs import ANSWERS, SHARED, changed_fields, guess, is_out_of_band
from engine.wire import client, server
from engine.wire.client import ClientEvent
from engine.wire.response import ErrorDetails


@attrs.frozen
class Answered:
    """A request is over: an effect.

    Attributes:
        ticket: Which request.
        value: What the service answered.
        error: What it refused it with, or why no answer will come.
    """

    ticket: int
    value: Any = None
    error: EngineError | None = None


@attrs.define(eq=False)
class _Pending:
    """A request without an answer.

    Attributes:
        event: What is sent, or was.
        ticket: None when it only takes its answer away, so that it is not taken for another's.
        limit_s: How long an answer may take.
        sent_at: None while it waits for its turn.
        abandoned: Nobody waits for it any more.
    """

    event: ClientEvent
    ticket: int | None
    limit_s: float
    sent_at: float | None = None
    abandoned: bool = False

    @property
    def fields(self) -> frozenset[str]:
        """Settings that it changes."""
        return changed_fields(self.event.session) if isinstance(self.event, client.SessionUpdate) else frozenset()

    @property
    def outlives_its_link(self) -> bool:
        """A change of the settings, or an item; anything else as long as somebody waits for it."""
        if self.abandoned and not isinstance(self.event, client.SessionUpdate | client.ConversationItemCreate):
            return False
        return self.ticket is not None or isinstance(self.event, client.SessionUpdate)

    def over(self, now: float) -> bool:
        return self.sent_at is not None and now >= self.sent_at + self.limit_s


GIVEN_UP_MAX: Final = 64
"""Responses out of band that nobody waits for any more, and that may begin all the same; the oldest is forgotten."""


class Requests:
    """Requests in the order they were made, until each has its answer.

    Args:
        deadline_s: How long an answer may take.
        response_deadline_s: How long the beginning of a response may take.
    """

    __slots__ = ("_deadline_s", "_given_up", "_is_down", "_pending", "_response_deadline_s", "_tickets", "on_update")

    def __init__(self, deadline_s: float, response_deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._response_deadline_s = response_deadline_s
        self._pending: list[_Pending] = []
        self._given_up: dict[str, None] = {}
        self._tickets = 0
        self._is_down = False
        self.on_update: Callable[[client.SessionUpdate], None] = lambda _: None
        """Told of each change of settings that the service has taken."""

    def __len__(self) -> int:
        return sum(pending.ticket is not None for pending in self._pending)

    @property
    def deadline(self) -> float | None:
        """When a request has waited too long for its answer."""
        owned = (each for each in self._pending if each.ticket is not None)
        return min((each.sent_at + each.limit_s for each in owned if each.sent_at is not None), default=None)

    # --- asking -------------------------------------------------------------------------------------------------

    def ask(self, event: ClientEvent) -> int:
        """Take a request; `due` tells when to send it. Gives its ticket."""
        self._tickets += 1
        self._pending.append(self._make(event, self._tickets))
        return self._tickets

    def note(self, event: ClientEvent, now: float) -> None:
        """Take note of a request that went out without anybody waiting for its answer: that answer is not another's."""
        if type(event) in _NOTED or (isinstance(event, client.ConversationItemCreate) and event.item.id is not None):
            self._forget_noted(now)
            pending = self._make(event, None)
            pending.sent_at = None if self._is_down else now
            self._pending.append(pending)

    def _make(self, event: ClientEvent, ticket: int | None) -> _Pending:
        is_response = isinstance(event, client.ResponseCreate)
        limit_s = self._response_deadline_s if is_response else self._deadline_s
        return _Pending(event, ticket, limit_s)

    def due(self, now: float) -> list[ClientEvent]:
        """Give what is to be sent now, and count it as sent.

        An update waits while one of the same setting is unanswered. Responses of the conversation are not given: the
        gate has their order.
        """
        if self._is_down:
            return []
        self._forget_noted(now)
        going: list[ClientEvent] = []
        for index, pending in enumerate(self._pending):
            if pending.sent_at is None and not _passes_the_gate(pending.event) and not self._waits(index):
                pending.sent_at = now
                going.append(pending.event)
        return going

    def _forget_noted(self, now: float) -> None:
        self._pending = [each for each in self._pending if each.ticket is not None or not each.over(now)]

    def _waits(self, index: int) -> bool:
        fields = self._pending[index].fields
        before = (each for each in self._pending[:index] if each.ticket is not None)
        return bool(fields) and any(each.fields & fields for each in before)

    def sent(self, event_id: str | None, now: float) -> ClientEvent | None:
        """Note that the gate lets a request out; give it."""
        pending = self._find(event_id)
        if pending is None:
            return None
        pending.sent_at = now
        return pending.event

    def held_again(self, event_id: str | None) -> bool:
        """Note that a request lost a race and waits anew: no deadline runs. False when nobody waits for it any more."""
        pending = self._find(event_id)
        if pending is None or pending.abandoned:
            self._over([pending] if pending is not None else [], lambda _: (None, None))
            return False
        pending.sent_at = None
        return True

    def withdraw(self, ticket: int) -> bool:
        """Wait for an answer no longer. Tells whether the request has not been sent; then it never will be."""
        for pending in self._pending:
            if pending.ticket == ticket:
                pending.abandoned = True
                if pending.sent_at is None:
                    self._pending.remove(pending)
                    return True
        return False

    def find(self, ticket: int) -> ClientEvent | None:
        """Give a request that has no answer yet."""
        return next((each.event for each in self._pending if each.ticket == ticket), None)

    def create_of(self, item_id: str | None) -> client.ConversationItemCreate | None:
        """Give the request that adds an item, until it is answered."""
        events = (each.event for each in self._pending)
        creates = (event for event in events if isinstance(event, client.ConversationItemCreate))
        return next((event for event in creates if event.item.id == item_id), None)

    def is_abandoned(self, event_id: str | None) -> bool:
        """Tell whether nobody waits any more for the answer to a client event."""
        pending = self._find(event_id)
        return event_id in self._given_up if pending is None else pending.abandoned

    def is_out_of_band(self, event_id: str | None) -> bool:
        """Tell whether a client event has asked for a response out of band that has not begun."""
        pending = self._find(event_id)
        event = pending.event if pending is not None else None
        return event_id in self._given_up or (isinstance(event, client.ResponseCreate) and is_out_of_band(event))

    # --- answers ------------------------------------------------------------------------------------------------

    def answered(self, event: server.ServerEventBase) -> list[Answered]:
        """Take an event of the service; tell what it answers."""
        row = ANSWERS.get(type(event))
        if row is None or not self._pending:
            return []
        kind, matches, value = row
        found = [each for each in self._sent(kind) if matches(each.event, event)]
        going = found if kind in SHARED else found[:1]
        answers = self._over(going, lambda _: (value(event), None))
        if isinstance(event, server.SessionUpdated):
            for each in going:
                self.on_update(cast("client.SessionUpdate", each.event))
        if isinstance(event, server.ResponseDone):
            self._stopped(going, event.response.id)
        return answers

    def _stopped(self, cancels: list[_Pending], response_id: str | None) -> None:
        """Keep in mind what was to be stopped: who came too late still gets an error, which is about that one only."""
        for each in cancels:
            each.ticket = None
            each.event = client.ResponseCancel(response_id=response_id, event_id=each.event.event_id)
            self._pending.append(each)

    def about(self, details: ErrorDetails) -> ClientEvent | None:
        """Tell which request an error is about, if any."""
        pending = self._about(details)
        return None if pending is None else pending.event

    def refused(self, details: ErrorDetails) -> list[Answered]:
        """Take an error of the service; tell what it answers. Where nobody waits for it, that is nothing."""
        pending = self._about(details)
        if pending is None:
            return []
        not_active = details.code == server_errors.CANCEL_NOT_ACTIVE
        outcome = (False, None) if not_active else (None, server_errors.reported(details))
        answers = self._over([pending], lambda _: outcome)
        return [] if pending.abandoned else answers

    def is_stopped(self, response_id: str | None, but: ClientEvent | None) -> bool:
        """Tell whether a response is being stopped by another request than this one: its end is still to come."""
        events = (each.event for each in self._sent(client.ResponseCancel) if each.event is not but)
        cancels = (event for event in events if isinstance(event, client.ResponseCancel))
        return any(event.response_id in {None, response_id} for event in cancels)

    def _about(self, details: ErrorDetails) -> _Pending | None:
        if details.event_id is not None:
            return self._find(details.event_id)
        kind = guess(details)
        found = sorted(self._sent(kind), key=lambda each: each.ticket is None) if kind is not None else []
        named = [each for each in found if _is_named(each.event, details.message or "")]
        return next(iter(named or found), None)

    def expired(self, now: float) -> list[Answered]:
        """Give up those whose answer is late."""
        late = [each for each in self._pending if each.over(now)]
        for each in late:
            self._give_up(each.event)
        return self._over(late, lambda each: (None, DeadlinePassed(each.event.tag or "request", each.limit_s)))

    def _give_up(self, event: ClientEvent) -> None:
        if isinstance(event, client.ResponseCreate) and is_out_of_band(event):
            self._given_up[event.event_id or ""] = None
        if len(self._given_up) > GIVEN_UP_MAX:
            del self._given_up[next(iter(self._given_up))]

    # --- from one connection to the next ----------------------------------------------------------------------

    def link_down(self) -> tuple[list[ClientEvent], list[Answered]]:
        """The connection is gone: what can be asked on another waits for it.

        Returns:
            What can't: for whoever does by himself what the service may not have done any more; and its answers.
        """
        self._is_down = True
        moot = [each for each in self._pending if type(each.event) in _MOOT and each.sent_at is not None]
        kept = [each for each in self._pending if each not in moot and each.outlives_its_link]
        for each in kept:
            each.sent_at = None
        self._pending = kept
        return [each.event for each in moot], _moot_answers(moot)

    def moot(self, is_known: Callable[[str | None], bool]) -> tuple[list[ClientEvent], list[Answered]]:
        """Take out what was asked for while there was no connection, and is of no use on the next one.

        Args:
            is_known: Tells of an item whether it is one of the conversation: what is asked of others, the service
                refuses. Asked of None for what is about a response.

        Returns:
            As `link_down`.
        """
        waiting = [each for each in self._pending if type(each.event) in _MOOT and each.sent_at is None]
        moot = [each for each in waiting if is_known(getattr(each.event, "item_id", None))]
        self._pending = [each for each in self._pending if each not in moot]
        return [each.event for each in moot], _moot_answers(moot)

    def link_up(self, now: float, updates: Sequence[client.SessionUpdate] = ()) -> None:
        """There is a connection again. It is told all items on their way by whoever follows those.

        Args:
            now: When.
            updates: Changes of the settings that it is told before all that is `due`.
        """
        self._is_down = False
        told = [self._make(event, None) for event in updates]
        for each in told:
            each.sent_at = now
        self._pending = [*told, *self._pending]
        for each in self._pending:
            if isinstance(each.event, client.ConversationItemCreate):
                each.sent_at = now

    def close(self, error: Callable[[], EngineError]) -> list[Answered]:
        """Give up all that is left; each gets an error of its own."""
        return self._over(list(self._pending), lambda _: (None, error()))

    def _over(
        self, over: list[_Pending], outcome: Callable[[_Pending], tuple[Any, EngineError | None]]
    ) -> list[Answered]:
        for pending in over:
            self._pending.remove(pending)
        return [Answered(each.ticket, *outcome(each)) for each in over if each.ticket is not None]

    def _sent(self, kind: type) -> Iterator[_Pending]:
        return (each for each in self._pending if isinstance(each.event, kind) and each.sent_at is not None)

    def _find(self, event_id: str | None) -> _Pending | None:
        return next((each for each in self._pending if event_id is not None and each.event.event_id == event_id), None)


_MOOT: Final[Mapping[type, Callable[[Any], Any]]] = {
    client.ResponseCancel: lambda _: False,
    client.ConversationItemTruncate: lambda event: event.audio_end_ms,
    client.ConversationItemDelete: lambda _: None,
}
"""What is of no use on another connection, which is told the talk as it is meant to be; and how each is answered."""

_NOTED: Final = frozenset(
    {
        client.SessionUpdate,
        client.ConversationItemDelete,
        client.ConversationItemRetrieve,
        client.ConversationItemTruncate,
        client.ResponseCancel,
    }
)
"""Requests whose answer, or whose error without a name, could be taken for another's."""


def _moot_answers(moot: Sequence[_Pending]) -> list[Answered]:
    return [Answered(each.ticket, _MOOT[type(each.event)](each.event)) for each in moot if each.ticket is not None]


def _passes_the_gate(event: ClientEvent) -> bool:
    return isinstance(event, client.ResponseCreate) and not is_out_of_band(event)


def _is_named(event: ClientEvent, words: str) -> bool:
    """Tell whether a message quotes the item or the response that a request is about."""
    about = getattr(event, "item_id", None) or getattr(event, "response_id", None)
    return bool(about) and f"'{about}'" in words

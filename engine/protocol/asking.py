"""What the application asks the service for by itself, and is answered: settings, items, responses.

Responses out of band have listeners of their own: what they tell is set apart from the conversation's events.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from engine.config.asked import METADATA_ID_KEY
from engine.errors import EngineError
from engine.events import BidiOutputEvent
from engine.protocol.composer import Composer
from engine.protocol.effects import Apart, AudioDone, Effect, Rearm, ResponseEnded, Transmit
from engine.protocol.history import PLACED_FIRST
from engine.protocol.outcomes import NO_ID
from engine.protocol.pairs import guess, is_aside, is_out_of_band, signature
from engine.protocol.requests import Requests
from engine.protocol.response_gate import ResponseGate
from engine.protocol.underway import Underway
from engine.wire import server as wire
from engine.wire.client import ClientEvent, ConversationItemCreate, ResponseCancel, ResponseCreate
from engine.wire.items import FunctionCallOutputItem
from engine.wire.response import ErrorDetails, Response
from engine.wire.session import ResponseSettings

FOLLOWED_MAX: Final = 256
"""Responses that were asked for by themselves and are followed at once; past it, the oldest is followed no more."""

_TOLD_APART: Final = (BidiOutputEvent, AudioDone)


@attrs.frozen
class Asked:
    """A request was taken.

    Attributes:
        ticket: Names it; `effects.Answered` does so again.
        effects: What is to be done now.
    """

    ticket: int
    effects: Sequence[Effect]


class Asking:
    """The application's requests.

    Args:
        composer: Numbers client events.
        gate: Has the order of the conversation's responses.
        requests: Finds what an answer answers.
        underway: Follows items.
    """

    __slots__ = ("_composer", "_followed", "_gate", "_requests", "_underway", "apart")

    def __init__(self, composer: Composer, gate: ResponseGate, requests: Requests, underway: Underway) -> None:
        self._composer = composer
        self._gate = gate
        self._requests = requests
        self._underway = underway
        self._followed: dict[str, None] = {}
        self.apart: dict[str, None] = {}
        """Responses out of band whose events are set apart."""

    # --- the application's side -------------------------------------------------------------------------------

    def ask(self, event: ClientEvent, now: float) -> Asked:
        """Take a request. A response of the conversation waits in line at the gate."""
        event_id = self._composer.next_event_id()
        event = attrs.evolve(event, event_id=event_id)
        match event:
            case ResponseCreate(response=settings):
                event = attrs.evolve(event, response=_signed(settings or ResponseSettings(), event_id))
                if not is_out_of_band(event):
                    self._gate.ask(event_id)
            case ResponseCancel(response_id=None):
                # By name: else it could stop the next one, which may begin before this arrives.
                event = attrs.evolve(event, response_id=self.active_id)
            case ConversationItemCreate():
                self.item_sent(event)
        ticket = self._requests.ask(event)
        return Asked(ticket, [*self.due(now), Rearm()])

    @property
    def active_id(self) -> str | None:
        """The active response of the conversation, where it has a name."""
        active = self._gate.active_id
        return None if active == NO_ID else active

    def item_sent(self, event: ConversationItemCreate) -> None:
        """Take note of an item on its way."""
        self._underway.sent(event)
        if isinstance(event.item, FunctionCallOutputItem):
            opened = self._gate.calls.is_open(event.item.call_id)
            (self._gate.call_answered if opened else self._gate.calls.answered_unseen)(event.item.call_id)

    def withdraw(self, ticket: int, now: float) -> list[Effect]:
        """Nobody waits for this answer any more; what has not been sent never will be, and holds nothing up."""
        event = self._requests.find(ticket)
        if event is None or not self._requests.withdraw(ticket):
            return []
        self._gate.withdraw(event.event_id or "")
        return self.due(now)

    def due(self, now: float) -> list[Effect]:
        """Send what waits for nothing any more."""
        return [Transmit(event) for event in self._requests.due(now)]

    # --- the service's side -----------------------------------------------------------------------------------

    def answered(self, event: wire.ServerEventBase, now: float) -> list[Effect]:
        """Take an event that may be an answer."""
        answers = self._requests.answered(event)
        return [*answers, *self.due(now)] if answers else []

    def put_first(self, item_id: str | None) -> bool:
        """Tell whether an item was asked for that stands before all others; the service says so by a null."""
        found = self._requests.create_of(item_id)
        return found is not None and found.previous_item_id == PLACED_FIRST

    def is_aside(self, response: Response) -> bool:
        """Tell whether a response that begins stands outside the conversation: it says so, or was asked for so."""
        return is_aside(response) or self._requests.is_out_of_band(signature(response))

    def began(self, response: Response, now: float) -> list[Effect]:
        """Take a response that began; nothing when it is not one of these."""
        abandoned = self._requests.is_abandoned(signature(response))
        aside = self.is_aside(response)
        answers: list[Effect] = [*self._requests.answered(wire.ResponseCreated(response=response))]
        if not answers and not abandoned:
            return []
        response_id = response.id or ""
        _remember(self._followed, response_id)
        if aside:
            _remember(self.apart, response_id)
            answers += self._stop(response_id, now) if abandoned else []
        return answers

    def _stop(self, response_id: str, now: float) -> list[Effect]:
        cancel = ResponseCancel(response_id=response_id, event_id=self._composer.next_event_id())
        self._requests.note(cancel, now)
        return [Transmit(cancel)]

    def ended(self, event: wire.ResponseDone, now: float) -> list[Effect]:
        """Take the end of a response."""
        told: list[Effect] = self.answered(event, now)
        if (event.response.id or "") in self._followed:
            del self._followed[event.response.id or ""]
            told.append(ResponseEnded(event.response))
        return told

    def end_unread(self, response_id: str | None, error: EngineError) -> list[Effect]:
        """A response has ended, and what the service said of its end could not be read."""
        if response_id not in self._followed:
            return []
        del self._followed[response_id]
        return [ResponseEnded(Response(id=response_id), error)]

    def set_apart(self, event: wire.ServerEventBase, effects: Sequence[Effect]) -> Sequence[Effect]:
        """Mark what an event of a response out of band tells; there is one."""
        response = getattr(event, "response", None)
        response_id = getattr(event, "response_id", None) if response is None else response.id
        if response_id not in self.apart:
            return effects
        if isinstance(event, wire.ResponseDone):
            del self.apart[response_id]
        return [Apart(response_id, each) if isinstance(each, _TOLD_APART) else each for each in effects]

    def link_down(self, error: EngineError) -> list[Effect]:
        """The connection is gone, and with it each response that was asked for by itself and had begun."""
        ended: list[Effect] = [ResponseEnded(Response(id=response_id), error) for response_id in self._followed]
        self._followed.clear()
        self.apart.clear()
        return ended

    def refused(self, details: ErrorDetails, now: float) -> list[Effect]:
        """Take an error; tells nothing when nobody waits for it."""
        event = self._requests.about(details)
        match event:
            case ResponseCreate():
                self._gate.refused(event.event_id, because_active=False)
            case ConversationItemCreate():
                self._underway.refused(event.event_id)
            case None if details.event_id is not None or guess(details) is ConversationItemCreate:
                self._underway.refused(details.event_id)
        answers = self._requests.refused(details)
        return [*answers, *self.due(now)] if event is not None else []

    def lost_race(self, event_id: str) -> None:
        """A response was asked for while another one began: it waits in line again, if anybody waits for it."""
        if not self._requests.held_again(event_id):
            self._gate.withdraw(event_id)


def _signed(settings: ResponseSettings, event_id: str) -> ResponseSettings:
    return attrs.evolve(settings, metadata={**(settings.metadata or {}), METADATA_ID_KEY: event_id})


def _remember(ids: dict[str, None], response_id: str) -> None:
    ids[response_id] = None
    if len(ids) > FOLLOWED_MAX:
        del ids[next(iter(ids))]

"""A conversation and a service that keeps the protocol's rules, with messages in flight both ways.

The service here is a model of a few rules: one response at a time in the conversation, a second request refused,
responses of its own when a spoken turn ends. The messages take their time, so every race can happen. At the end the
service must have answered all that it was told, and no request may have been lost or sent into another.
"""

from collections import deque
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from transcripts import Talk, call, created, done, error

from engine.events import BidiErrorEvent, ToolResultEvent, ToolUseStreamEvent
from engine.protocol.effects import Transmit
from engine.wire.client import ConversationItemCreate, ResponseCreate
from engine.wire.items import FunctionCallOutputItem

STEPS = [
    "text",
    "result",
    "to_service",
    "to_service",
    "to_client",
    "to_client",
    "spoken_turn",
    "finish",
    "call",
    "cancel",
]


@attrs.define
class Running:
    """A response: what of the conversation it saw, and the calls that it made."""

    name: str
    saw: int
    calls: list[str] = attrs.field(factory=list)


class Service:
    """The rules of the real one that decide when a response may begin."""

    def __init__(self, *, names_requests: bool) -> None:
        self.names_requests = names_requests
        self.running: Running | None = None
        self.responses = 0
        self.calls = 0
        self.items = 0
        self.seen = 0
        """Items that a finished or running response has seen."""
        self.conflicts = 0
        self.out: deque[Any] = deque()

    def take(self, event: Any) -> None:
        if isinstance(event, ConversationItemCreate):
            self.items += 1
        elif self.running is not None:
            self.conflicts += 1
            answers = {"answers": event.event_id} if self.names_requests else {}
            self.out.append(error("conversation_already_has_active_response", answers))
        else:
            self.begin()

    def begin(self) -> None:
        self.responses += 1
        self.running = Running(f"resp_{self.responses}", self.items)
        self.seen = self.items
        self.out.append(created(self.running.name, {}))

    def call(self) -> None:
        if self.running is not None:
            self.calls += 1
            self.running.calls.append(f"call_{self.calls}")
            self.out.append(call(self.running.name, f"call_{self.calls}", {}))

    def finish(self, status: str) -> None:
        if self.running is not None:
            self.out.append(done(self.running.name, {"status": status}))
            self.running = None


class World:
    """An application, a conversation, a service, and the wire between."""

    def __init__(self, *, names_requests: bool) -> None:
        self.talk = Talk()
        self.service = Service(names_requests=names_requests)
        self.to_service: deque[Any] = deque()
        self.waiting_calls: list[str] = []
        self.requests = 0
        self.wants = 0
        self.races = 0
        self.raced = False
        """The service had more to say of its own responses while the request that is on its way was sent, or since."""

    def apply(self, effects: Any) -> None:
        for effect in effects:
            assert not isinstance(effect, BidiErrorEvent), "a race was told as an error"
            if isinstance(effect, ToolUseStreamEvent):
                self.waiting_calls.append(effect.current_tool_use["toolUseId"])
            elif isinstance(effect, Transmit):
                if isinstance(effect.event, ResponseCreate):
                    self.requests += 1
                    self.raced = self.raced or bool(self.service.out)
                self.to_service.append(effect.event)

    def step(self, name: str) -> None:
        match name:
            case "text":
                self.wants += 1
                self.apply(self.talk.says("app text hello"))
            case "result" if self.waiting_calls:
                self.wants += 1
                result = {"toolUseId": self.waiting_calls.pop(0), "content": [{"text": "a"}]}
                self.apply(self.talk.conversation.submit(ToolResultEvent(result), self.talk.now))
            case "to_service" if self.to_service:
                self.service.take(self.to_service.popleft())
                self.raced = self.raced and self.asked()
            case "to_client" if self.service.out:
                self.apply(self.talk.conversation.receive(self.service.out.popleft(), self.talk.now))
            case "spoken_turn" if self.service.running is None and self.can_race():
                self.races += 1
                self.raced = self.asked()
                self.service.items += 1
                self.service.begin()
            case "finish":
                self.service.finish("completed")
            case "cancel":
                self.service.finish("cancelled")
            case "call":
                self.service.call()

    def asked(self) -> bool:
        """Tell whether a request is on its way."""
        return any(isinstance(event, ResponseCreate) for event in self.to_service)

    def can_race(self) -> bool:
        """Only one response of the service's own begins and ends while one request is on its way.

        With two, nobody can tell whose request the first one answered; a spoken turn takes longer than a message.
        """
        return not (self.raced or self.service.out)

    def settle(self) -> None:
        """Let everything arrive, answer all calls, end all responses, until nothing moves any more."""
        for _ in range(1000):
            if not (self.to_service or self.service.out or self.waiting_calls or self.service.running):
                return
            for name in ("to_service", "to_client", "result", "finish"):
                self.step(name)
        raise AssertionError("the talk never ends")


@settings(max_examples=max(300, settings.default.max_examples))
@given(st.lists(st.sampled_from(STEPS), max_size=60), st.booleans())
def test_whatever_races_the_service_answers_all_that_it_was_told(names, names_requests):
    world = World(names_requests=names_requests)
    for name in names:
        world.step(name)
    world.settle()

    gate = world.talk.conversation.statistics().gate
    assert world.service.seen == world.service.items, "the last thing said was never answered"
    assert (gate.state, gate.owed, gate.open_calls) == ("free", False, 0)
    assert world.service.conflicts <= world.races, "a request was refused without a race"
    assert gate.refused == world.service.conflicts
    assert world.requests == gate.requested <= world.wants + world.service.conflicts


@given(st.lists(st.sampled_from([step for step in STEPS if step != "spoken_turn"]), max_size=60))
def test_where_the_service_starts_nothing_by_itself_no_request_is_ever_refused(names):
    world = World(names_requests=True)
    for name in names:
        world.step(name)
    world.settle()

    assert world.service.conflicts == 0


def test_a_result_is_an_item_like_any_other():
    """The model above counts items; this is what it counts."""
    world = World(names_requests=True)
    for name in ("spoken_turn", "call", "to_client", "to_client", "result"):
        world.step(name)

    (sent,) = world.to_service
    assert isinstance(sent.item, FunctionCallOutputItem)

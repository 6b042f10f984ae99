"""A connection that breaks at any moment: nothing is lost, nothing comes twice, and the way is free in the end.

First against any events in any order, then against a model of the service that keeps the protocol's rules, with
messages in flight both ways that are lost with their connection.
"""

import json
from collections import Counter, deque

import test_conversation_any_order as any_order
from asking_talk import create, update
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_talk import VAD, MovingTalk
from transcripts import call, done, error, server

from engine.config import EngineSettings
from engine.errors import ConnectionLost
from engine.events import BidiResponseCompleteEvent, BidiTextInputEvent, ToolResultEvent, ToolUseStreamEvent
from engine.protocol.effects import Transmit
from engine.protocol.requests import Answered
from engine.wire import client
from engine.wire.codec import encode
from engine.wire.items import Content, FunctionCallItem, FunctionCallOutputItem, MessageItem

ANY_ENGINE = EngineSettings(
    ping_interval_s=None, response_stall_deadline_s=20.0, idle_deadline_s=60.0, tool_result_deadline_s=30.0
)

# --- any events -------------------------------------------------------------------------------------------------------


class MovingJudge(any_order.Judge):
    """Plays steps on one connection after the other."""

    def __init__(self):
        super().__init__()
        self.talk = MovingTalk(engine=ANY_ENGINE)
        self.conversation = self.talk.conversation
        self.now = self.talk.now
        self.is_down = False
        self.ready = None
        self.items = set()
        self.tickets = []
        self.answered_tickets = Counter()

    def play(self, step):
        if callable(step):
            self.talk.now = self.now
            effects = step(self) or []
            self.check(step, effects)
            return effects
        return super().play(step)

    def check(self, step, effects):
        for effect in effects:
            if isinstance(effect, Answered):
                self.answered_tickets[effect.ticket] += 1
            if not isinstance(effect, Transmit):
                continue
            assert not (self.is_down and isinstance(effect.event, client.ResponseCreate) and effect.event != step)
            if isinstance(effect.event, client.ConversationItemCreate):
                self.items.add(effect.event.event_id)
        super().check(step, effects)
        assert max(self.answered_tickets.values(), default=1) == 1
        self.conversation.succession.at_boundary(self.now)

    def prepare(self):
        self.ready = self.talk.succession.handover()

    def lose(self):
        self.requests = []
        effects = self.talk.succession.link_down(self.now, ConnectionLost("gone"))
        self.is_down = True
        return effects

    def back(self):
        effects = self.lose()
        self.check(None, effects)
        ready, self.ready = self.ready or self.talk.succession.handover(), None
        underway = [event.event_id for event in self.conversation._turns.underway.again(lambda _: None)]
        takeover = self.talk.succession.link_up(*ready, self.now, broken=True)
        self.is_down = False
        resent = [each.event for each in takeover.effects if isinstance(each, Transmit) and each.again]
        assert self.over or [event.event_id for event in resent] == underway
        assert set(underway) <= self.items | {None}
        asked = [each for each in takeover.effects if isinstance(each, Transmit) and not each.again]
        assert sum(isinstance(each.event, client.ResponseCreate) and not _aside(each.event) for each in asked) <= 1
        return [each for each in takeover.effects if each not in asked or not _aside(each.event)]

    def asks(self, event):
        if self.over:
            return []
        asked = self.conversation.ask(event, self.now)
        self.tickets.append(asked.ticket)
        return [each for each in asked.effects if not (isinstance(each, Transmit) and _aside(each.event))]


def _aside(event):
    return isinstance(event, client.ResponseCreate) and event.response is not None


moves = st.sampled_from([MovingJudge.prepare, MovingJudge.lose, MovingJudge.back, MovingJudge.back])
wishes = st.builds(
    lambda event: lambda judge: judge.asks(event),
    st.sampled_from([create("none"), update(instructions="a"), client.ResponseCancel()])
    | st.builds(client.ConversationItemDelete, item_id=any_order.ITEMS)
    | st.builds(client.ConversationItemRetrieve, item_id=any_order.ITEMS),
)


@any_order.a_search
@given(any_order.steps(any_order.answered_by_hand, any_order.ending, moves, moves, moves, wishes))
def test_whenever_the_connection_breaks_nothing_raises_and_nothing_is_told_twice(sequence):
    judge = MovingJudge()
    for step in sequence:
        judge.play(step)
    judge.play(MovingJudge.back)
    judge.play(ConnectionLost("gone", code=1006))

    assert judge.over
    assert sorted(judge.answered_tickets) == judge.tickets, "each request has its answer, at the latest now"


# --- a service that keeps the rules -----------------------------------------------------------------------------------


class Service:
    """One connection of it: its conversation, one response at a time, and what it has still to say."""

    def __init__(self, names):
        self.names = names
        self.items = {}
        self.running = None
        self.said = None
        self.out = deque()
        self.refused = []

    def take(self, event):
        match event:
            case client.ConversationItemCreate(item=item):
                self.add(item, event.previous_item_id, event.event_id)
            case client.ConversationItemDelete(item_id=item_id) if item_id in self.items:
                del self.items[item_id]
                self.out.append(server("conversation.item.deleted", item_id=item_id))
            case client.ConversationItemDelete():
                self.refuse("item_delete_invalid_item_id", event)
            case client.ConversationItemRetrieve(item_id=item_id) if item_id in self.items:
                told = shown_on_the_wire(item_id, self.items[item_id])
                self.out.append(server("conversation.item.retrieved", item=told))
            case client.ConversationItemRetrieve():
                self.refuse("item_retrieve_invalid_item_id", event)
            case client.SessionUpdate():
                self.out.append(server("session.updated", session=VAD))
            case client.ResponseCreate() if self.running is None:
                self.begin(event.response.metadata if event.response is not None else None)
            case client.ResponseCreate():
                self.refuse("conversation_already_has_active_response", event)
            case client.ResponseCancel() if self.running is not None:
                self.finish("cancelled")
            case client.ResponseCancel():
                self.refuse("response_cancel_not_active", event)

    def refuse(self, code, event):
        self.refused.append(code)
        self.out.append(error(code, {"answers": event.event_id}))

    def add(self, item, after, event_id=None):
        item_id = item.id or self.names("item")
        ids = list(self.items)
        if item_id in ids or (after not in {None, "root"} and after not in ids):
            raise AssertionError(f"the service would refuse {item} after {after} in {ids}")
        place = {None: len(ids), "root": 0, **{each: number for number, each in enumerate(ids, 1)}}[after]
        words = words_of(item)
        self.items = dict([*list(self.items.items())[:place], (item_id, words), *list(self.items.items())[place:]])
        told = shown_on_the_wire(item_id, words)
        for kind in ("added", "done"):
            self.out.append(
                server(f"conversation.item.{kind}", item=told, previous_item_id=ids[place - 1] if place else None)
            )

    def begin(self, metadata=None):
        self.running = self.names("resp")
        self.said = None
        begun = {"id": self.running, "status": "in_progress", "conversation_id": "conv_1", "output": []}
        self.out.append(server("response.created", response={**begun, "metadata": metadata}))

    def speak(self):
        """Say something: an item of the answer begins, and some of its words come."""
        if self.running is not None and self.said is None:
            self.said = f"{self.running}_says"
            item = {"type": "message", "id": self.said, "role": "assistant", "status": "in_progress", "content": []}
            previous = next(reversed(self.items), None)
            self.items[self.said] = ("assistant", "well")
            self.out.append(server("conversation.item.added", item=item, previous_item_id=previous))
            place = {"response_id": self.running, "item_id": self.said, "output_index": 0, "content_index": 0}
            self.out.append(server("response.output_text.delta", **place, delta="well"))

    def call(self):
        if self.running is not None:
            call_id, previous = self.names("call"), next(reversed(self.items), None)
            self.items[f"item_{call_id}"] = ("call", call_id)
            told = shown_on_the_wire(f"item_{call_id}", ("call", call_id))
            begun = {**told, "status": "in_progress", "arguments": ""}
            place = {"response_id": self.running, "output_index": 0}
            self.out.append(server("response.output_item.added", **place, item=begun))
            for kind, status in (("added", "in_progress"), ("done", "completed")):
                item = {**told, "status": status}
                self.out.append(server(f"conversation.item.{kind}", item=item, previous_item_id=previous))
            self.out.append(call(self.running, call_id, {}))

    def finish(self, status="completed"):
        if self.running is not None:
            if self.said is not None:
                told = shown_on_the_wire(self.said, self.items[self.said]) | {"status": "completed"}
                self.out.append(server("conversation.item.done", item=told, previous_item_id=None))
            self.out.append(done(self.running, {"status": status}))
            self.running = None


def words_of(item):
    match item:
        case MessageItem(role=role, content=content):
            return role, " ".join(part.text for part in content)
        case FunctionCallItem(call_id=call_id):
            return "call", call_id
        case FunctionCallOutputItem(call_id=call_id):
            return "output", call_id


def shown_on_the_wire(item_id, words):
    kind, text = words
    match kind:
        case "call":
            return {"type": "function_call", "id": item_id, "call_id": text, "name": "tool", "arguments": "{}"}
        case "output":
            return {"type": "function_call_output", "id": item_id, "call_id": text, "output": "a"}
        case role:
            part = {"type": "output_text" if role == "assistant" else "input_text", "text": text}
            return {"type": "message", "id": item_id, "role": role, "status": "completed", "content": [part]}


class World:
    """An application, a conversation, one service after the other, and the wire between."""

    def __init__(self):
        self.count = 0
        self.talk = MovingTalk(output_modalities=["text"], engine=EngineSettings(ping_interval_s=None))
        self.conversation = self.talk.conversation
        self.service = Service(self.name)
        self.next = None
        self.to_service = deque()
        self.is_down = False
        self.typed = []
        self.unanswered = []
        self.sees = {}
        self.calls = []
        self.tickets = []
        self.answered = Counter()
        self.completed = Counter()

    def name(self, kind):
        self.count += 1
        return f"{kind}_{self.count}"

    def apply(self, effects):
        for effect in effects:
            match effect:
                case Transmit(event=event) if not self.is_down:
                    encode(event)
                    self.to_service.append(event)
                case Answered():
                    self.answered[effect.ticket] += 1
                case ToolUseStreamEvent():
                    self.calls.append(effect.current_tool_use["toolUseId"])
                case BidiResponseCompleteEvent():
                    self.completed[effect.response_id] += 1

    def step(self, name, choice):
        self.talk.now += 0.001
        getattr(self, name)(choice)

    # --- the application ---

    def text(self, _):
        words = self.name("words")
        self.typed.append(words)
        self.unanswered.append(words)
        self.apply(self.conversation.submit(BidiTextInputEvent(words), self.talk.now))

    def note(self, _):
        words = self.name("words")
        self.typed.append(words)
        self.apply(self.conversation.submit(BidiTextInputEvent(words, "assistant"), self.talk.now))

    def result(self, _):
        if self.calls:
            result = {"toolUseId": self.calls.pop(0), "content": [{"text": "a"}]}
            self.apply(self.conversation.submit(ToolResultEvent(result), self.talk.now))

    def ask(self, choice):
        ids = [held.id for held in self.conversation.history] or ["nothing"]
        item_id = ids[choice % len(ids)]
        mine = MessageItem(id=self.name("mine"), role="system", content=(Content(type="input_text", text="note"),))
        after = item_id if choice % 3 and item_id in self.service.items and not self.to_service else "root"
        wishes = [
            create(instructions="a"),
            update(instructions=f"{choice}"),
            client.ConversationItemRetrieve(item_id=item_id),
            client.ConversationItemCreate(item=mine, previous_item_id=after),
            client.ResponseCancel(),
        ]
        asked = self.conversation.ask(wishes[choice % len(wishes)], self.talk.now)
        self.tickets.append(asked.ticket)
        self.apply(asked.effects)

    def interrupt(self, _):
        self.apply(self.conversation.interrupt(self.talk.now))

    # --- the service and the wire ---

    def to_there(self, _):
        if self.to_service and not self.is_down:
            event = self.to_service.popleft()
            self.service.take(event)
            self.look()

    def look(self):
        if self.service.running is not None and self.service.running not in self.sees:
            self.sees[self.service.running] = {words for _, words in self.service.items.values()}

    def to_here(self, _):
        if self.service.out and not self.is_down:
            event = self.service.out.popleft()
            self.apply(self.conversation.receive(event, self.talk.now))
            if event.tag == "response.done":
                self.unanswered = [each for each in self.unanswered if each not in self.sees[event.response.id]]

    def speak(self, _):
        self.service.speak()

    def call(self, _):
        self.service.call()

    def finish(self, _):
        self.service.finish()

    # --- connections ---

    def prepare(self, _=0):
        handover, replay = self.talk.succession.handover()
        service = Service(self.name)
        for event in handover.begin():
            service.take(event)
        for event in [server("session.created", session=VAD), *service.out]:
            handover.receive(event, self.talk.now)
            replay.hear(event)
        service.out.clear()
        assert handover.ready
        self.next = handover, replay, service

    def lose(self, _=0):
        if not self.is_down:
            self.apply(self.talk.succession.link_down(self.talk.now, ConnectionLost("gone")))
            self.is_down = True
            self.to_service.clear()

    def back(self, _=0):
        if self.next is None:
            self.prepare()
        self.lose()
        handover, replay, self.service = self.next
        self.next = None
        takeover = self.talk.succession.link_up(handover, replay, self.talk.now, broken=True)
        self.is_down = False
        self.to_service.extend(takeover.events)
        self.apply(takeover.effects)
        known = [held.id for held in self.conversation.history if replay.is_replayed(held.id)]
        assert known == [held.id for held in self.conversation.history if held.heard_words or "call" in held.id]

    def settle(self):
        """Let everything arrive, answer all calls, end all responses, until nothing moves any more."""
        if self.is_down:
            self.back()
        for _ in range(1000):
            if not (self.to_service or self.service.out or self.calls or self.service.running):
                return
            for name in ("to_there", "to_here", "result", "finish"):
                self.step(name, 0)
        raise AssertionError("the talk never ends")


STEPS = ["text", "note", "result", "ask", "interrupt", "speak", "call", "finish", "prepare", "lose", "back"]
STEPS += ["to_there", "to_here", "text", "speak", "finish"] + ["to_there", "to_here"] * 3


@settings(max_examples=max(300, settings.default.max_examples))
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 59)), max_size=60))
def test_whenever_a_connection_breaks_all_that_was_said_is_there_once_and_answered(steps):
    world = World()
    for name, choice in steps:
        world.step(name, choice)
    world.settle()

    gate = world.conversation.statistics().gate
    assert (gate.state, gate.owed, gate.in_line, gate.open_calls) == ("free", False, 0, 0)
    assert world.unanswered == [], "what was typed was never answered"
    assert [world.answered[ticket] for ticket in world.tickets] == [1] * len(world.tickets)
    assert set(world.completed.values()) <= {1}, "each response ends once"
    said = [words for kind, words in world.service.items.values() if words.startswith("words_")]
    assert said == world.typed
    outputs = Counter(words for kind, words in world.service.items.values() if kind == "output")
    assert outputs == Counter(words for kind, words in world.service.items.values() if kind == "call")
    mirror = {held.id: held.heard_transcript for held in world.conversation.history}
    assert list(mirror) == list(world.service.items)
    assert all(mirror[each] == words for each, (kind, words) in world.service.items.items() if kind == "user")
    assert len(world.conversation._turns.underway) == 0
    assert set(world.service.refused) <= {"response_cancel_not_active", "item_retrieve_invalid_item_id"}


def test_the_model_tells_the_talk_in_full():
    """What the search above is about does happen in it: an answer breaks off, and comes on the next connection."""
    world = World()
    for name in (
        "text",
        "to_there",
        "to_there",
        "to_here",
        "to_here",
        "to_here",
        "speak",
        "to_here",
        "to_here",
        "lose",
    ):
        world.step(name, 0)
    assert list(world.completed) == ["resp_3"]
    assert world.unanswered == ["words_1"]
    world.settle()

    assert [kind for kind, _ in world.service.items.values()] == ["user", "assistant"]
    assert json.dumps(world.unanswered) == "[]"

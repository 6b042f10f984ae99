"""A talk that grows at random, and a simulated session, without a socket, that is told of it."""

import json

import trio
from hypothesis import strategies as st

from engine.protocol.history import PLACED_FIRST, History
from engine.simulator.account import Account
from engine.simulator.admission import Admitted
from engine.simulator.ids import IdMint
from engine.simulator.opening import Opening
from engine.simulator.outbox import Outbox
from engine.simulator.script import ScriptedResponder
from engine.simulator.settings import SimulatorSettings
from engine.wire import server as wire
from engine.wire.codec import decode_server, encode
from engine.wire.items import (
    Content,
    FunctionCallItem,
    FunctionCallOutputItem,
    McpApprovalRequestItem,
    McpCallItem,
    McpListToolsItem,
    MessageItem,
    UnknownItem,
)

LONG = "a_very_long_id_as_other_services_make_them_"

AUDIO = "AAAAAAAA"
"""Four samples of silence, as PCM16 in base64."""


def message(item_id, role, *contents, status="completed"):
    return MessageItem(id=item_id, role=role, content=contents, status=status)


def text(words, role="user"):
    return Content(type="output_text" if role == "assistant" else "input_text", text=words)


def said(words=None, role="user"):
    return Content(type="output_audio" if role == "assistant" else "input_audio", transcript=words)


def call(item_id, call_id, status="completed", arguments='{"city": "Paris"}'):
    return FunctionCallItem(id=item_id, name="weather", call_id=call_id, arguments=arguments, status=status)


def result(item_id, call_id, output="sunny"):
    return FunctionCallOutputItem(id=item_id, call_id=call_id, output=output)


def mcp_call(item_id, **ended):
    return McpCallItem(id=item_id, server_label="docs", name="docs.search", arguments="{}", **ended)


def talk_of(*items):
    """A mirror of these items, one after the other."""
    history = History(10_000)
    for item in items:
        history.put(item, None)
    return history


def nothing(_):
    """No speech was kept."""
    return


class RandomTalk:
    """A talk as a service might tell it, in any order that it might take."""

    def __init__(self):
        self.history = History(10_000)
        self.made = 0

    def do(self, kind, choice, words):
        """Let one thing happen; `choice` decides to which item, or where."""
        getattr(self, kind)(choice, words)

    def _add(self, choice, make):
        self.made += 1
        item_id = f"{LONG if choice % 13 == 12 else ''}item_{self.made}"
        ids = [held.id for held in self.history]
        places = [None] * 8 + [PLACED_FIRST, *ids]
        self.history.put(make(item_id), places[choice % len(places)])

    def _one(self, choice, kind):
        found = [held for held in self.history if isinstance(held.item, kind)]
        return found[choice % len(found)].item if found else None

    def writes(self, choice, words):
        role = ("user", "assistant", "system", "developer")[choice % 4]
        self._add(choice, lambda item_id: message(item_id, role, text(words, role), text("more", role)))

    def speaks(self, choice, _):
        self._add(choice, lambda item_id: message(item_id, "user", said()))

    def shows(self, choice, words):
        image = Content(type="input_image", image_url="data:image/png;base64,AAAA")
        contents = (image, text(words)) if choice % 2 else (image,)
        self._add(choice, lambda item_id: message(item_id, "user", *contents))

    def answers(self, choice, _):
        self._add(choice, lambda item_id: message(item_id, "assistant", status="in_progress"))

    def has_answered(self, choice, words):
        item = self._one(choice, MessageItem)
        if item is not None and item.role == "assistant":
            self.history.put(message(item.id, "assistant", said(words, "assistant")), None)
            self.history.received(item.id, 1000.0)

    def is_written_down(self, choice, words):
        item = self._one(choice, MessageItem)
        if item is not None:
            self.history.said(item.id, words)

    def is_cut(self, choice, _):
        item = self._one(choice, MessageItem)
        if item is not None and item.role == "assistant":
            self.history.truncated(item.id, choice % 1200)

    def calls(self, choice, _):
        status = ("completed", "in_progress", "incomplete")[choice % 3]
        self._add(choice, lambda item_id: call(item_id, f"call_{self.made}", status))

    def has_called(self, choice, words):
        item = self._one(choice, FunctionCallItem)
        if item is not None:
            self.history.put(call(item.id, item.call_id, "completed", words), None)

    def gives_a_result(self, choice, words):
        item = self._one(choice, FunctionCallItem)
        call_id = item.call_id if item is not None else "call_of_another_talk"
        self._add(choice, lambda item_id: result(item_id, call_id, words))

    def calls_an_mcp_tool(self, choice, words):
        endings = ({}, {"output": words}, {"error": {"message": words}})
        self._add(choice, lambda item_id: mcp_call(item_id, **endings[choice % 3]))

    def has_called_an_mcp_tool(self, choice, words):
        item = self._one(choice, McpCallItem)
        if item is not None:
            self.history.put(mcp_call(item.id, output=words), None)

    def lists_tools(self, choice, _):
        self._add(choice, lambda item_id: McpListToolsItem(id=item_id, server_label="docs", tools=()))

    def wants_approval(self, choice, _):
        self._add(
            choice, lambda item_id: McpApprovalRequestItem(id=item_id, server_label="docs", name="do", arguments="{}")
        )

    def says_what_is_new(self, choice, _):
        self._add(choice, lambda item_id: UnknownItem(id=item_id, type="something_new"))

    def forgets(self, choice, _):
        ids = [held.id for held in self.history]
        if ids:
            self.history.deleted(ids[choice % len(ids)])


KINDS = [name for name in vars(RandomTalk) if not name.startswith("_") and name != "do"]

words = st.text("ab é字", min_size=0, max_size=60)
steps = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 10_000), words), max_size=25)


class NewConnection:
    """A session that has just begun, its answers as events, and a mirror of them."""

    def __init__(self, nursery):
        self.events = []
        self.mirror = History(10_000)
        account = Account(SimulatorSettings(), ScriptedResponder)
        opening = Opening(account, IdMint.seeded(1, 0), self._emit, Outbox(2**30), lambda *_: None)
        admitted = Admitted(kind="realtime", model="gpt-realtime")
        self._session, _ = opening.open(admitted, nursery)
        self._session.begin()

    def _emit(self, event_type, /, **fields):
        event = decode_server(json.dumps({"type": event_type, **fields}))
        self.events.append(event)
        match event:
            case wire.ConversationItemAdded() | wire.ConversationItemDone():
                self.mirror.put(event.item, event.previous_item_id or PLACED_FIRST)
            case wire.ConversationItemDeleted():
                self.mirror.deleted(event.item_id)

    def take(self, events):
        """Take client events; give the answers."""
        before = len(self.events)
        for event in events:
            self._session.receive(encode(event))
        return self.events[before:]

    @property
    def errors(self):
        return [event.error for event in self.events if isinstance(event, wire.ErrorReported)]

    @property
    def items(self):
        return [(held.id, shown(held.item)) for held in self.mirror]


def shown(item):
    """What an item says: of speech, that there is some."""
    match item:
        case MessageItem():
            return (item.role, *(part.text if part.type.endswith("_text") else part.type for part in item.content))
        case FunctionCallItem():
            return ("call", item.call_id, item.name, item.arguments)
        case FunctionCallOutputItem():
            return ("result", item.call_id, item.output)


def with_new_connections(use, count=1):
    """Call `use` with that many connections, in a Trio run of its own."""

    async def main():
        async with trio.open_nursery() as nursery:
            use(*(NewConnection(nursery) for _ in range(count)))
            nursery.cancel_scope.cancel()

    trio.run(main)

"""A conversation of which things are asked: what goes in by name, what comes out as it is."""

from transcripts import config, server

from engine.errors import ConnectionLost
from engine.protocol.conversation import Conversation
from engine.protocol.effects import Rearm, Transmit
from engine.wire import client
from engine.wire.items import Content, MessageItem
from engine.wire.session import ResponseSettings, Session


class Talk:
    """A conversation that is live, and its clock."""

    def __init__(self, **settings):
        self.conversation = Conversation(config(**settings), "connection_1")
        self.now = 100.0
        self.conversation.begin()
        self.hears("session.created", session={"type": "realtime"})
        self.hears("session.updated", session={"type": "realtime"})

    def asks(self, event):
        asked = self.conversation.ask(event, self.now)
        return asked.ticket, without_clocks(asked.effects)

    def hears(self, kind, **fields):
        self.now += 0.001
        return without_clocks(self.conversation.receive(server(kind, **fields), self.now))

    def waits(self, seconds):
        self.now += seconds
        return without_clocks(self.conversation.tick(self.now))

    def gone(self):
        return ConnectionLost("gone", code=1006)

    def noted(self):
        """Give how many requests are followed, with those that nobody waits for."""
        return len(self.conversation._turns.requests._pending)

    def response(self, kind, response_id, *, event=None, aside=False, **fields):
        """A response's beginning or end; of the one that `event` asked for."""
        metadata = None if event is None else event.response.metadata
        conversation_id = None if aside else "conv_1"
        response = {"id": response_id, "conversation_id": conversation_id, "metadata": metadata, **fields}
        return self.hears(f"response.{kind}", response=response)

    def fails(self, code, **fields):
        details = {"type": "invalid_request_error", "code": code, "message": "told", "param": None, "event_id": None}
        return self.hears("error", error={**details, **fields})


def without_clocks(effects):
    return [effect for effect in effects if not isinstance(effect, Rearm)]


def only(effects, cls):
    return [effect for effect in effects if isinstance(effect, cls)]


def sent(effects):
    return [effect.event for effect in only(effects, Transmit)]


def create(conversation=None, **settings):
    return client.ResponseCreate(response=ResponseSettings(conversation=conversation, **settings))


def update(**settings):
    return client.SessionUpdate(session=Session(type="realtime", **settings))


def message(item_id="item_1"):
    item = MessageItem(id=item_id, role="user", content=(Content(type="input_text", text="hi"),))
    return client.ConversationItemCreate(item=item)


def speaks(talk, response_id, kind="response.output_audio.delta"):
    fields = {} if kind.endswith("done") else {"delta": "AAAA"}
    place = {"item_id": "item_" + response_id, "output_index": 0, "content_index": 0}
    return talk.hears(kind, response_id=response_id, **place, **fields)

"""A conversation that moves from connection to connection, and a service that takes whatever it is told."""

import base64
import json

import attrs
from asking_talk import Talk, without_clocks
from transcripts import server

from engine.config import EngineSettings
from engine.protocol.effects import Transmit
from engine.wire.client import ConversationItemCreate, ConversationItemDelete, SessionUpdate
from engine.wire.items import MessageItem

VAD = {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad"}, "transcription": {}}}}


class Known:
    """The items that one connection of the service has, in order."""

    def __init__(self):
        self.items = []

    def take(self, event):
        """Take a client event; what the service would refuse is a mistake."""
        ids = [item_id for item_id, _ in self.items]
        if isinstance(event, ConversationItemDelete):
            del self.items[ids.index(event.item_id)]
        elif isinstance(event, ConversationItemCreate):
            assert event.item.id is None or event.item.id not in ids, "an item is told twice"
            place = {None: len(ids), "root": 0}
            place |= {item_id: number for number, item_id in enumerate(ids, 1)}
            self.items.insert(place[event.previous_item_id], (event.item.id, shown(event)))

    @property
    def words(self):
        """What they say."""
        return [words for _, words in self.items]


@attrs.frozen
class Moved:
    """What a takeover gave."""

    takeover: object
    effects: list

    known: Known

    @property
    def told(self):
        """What the connection was told of the talk: its items."""
        return self.known.words

    @property
    def sent(self):
        """What was sent after that, in order, by type or by words."""
        return [shown(effect.event) for effect in self.effects if isinstance(effect, Transmit)]


class MovingTalk(Talk):
    """A talk with turn detection that may lose its connection, and get another."""

    def __init__(self, *, engine=None, session=VAD, **settings):
        super().__init__(engine=engine or EngineSettings(ping_interval_s=None), **settings)
        self.hears("session.updated", session=session)
        self.session = session
        self.known = Known()
        """What the last connection that was prepared has."""

    @property
    def succession(self):
        return self.conversation.succession

    @property
    def gate(self):
        return self.conversation.statistics().gate

    @property
    def words(self):
        """What the mirror holds, as it was heard."""
        return [held.heard_transcript for held in self.conversation.history]

    def prepares(self, *, refuses=()):
        """Make the next connection, which takes all that it is told but for some items."""
        handover, replay = self.succession.handover()
        self.known = Known()
        for event in [server("session.created", session=self.session), *self._answers(handover.begin(), refuses)]:
            handover.receive(event, self.now)
            replay.hear(event)
        assert handover.ready
        return handover, replay

    def _answers(self, events, refuses=()):
        for event in events:
            match event:
                case SessionUpdate():
                    yield server("session.updated", session=self.session)
                case ConversationItemDelete():
                    self.known.take(event)
                    yield server("conversation.item.deleted", item_id=event.item_id)
                case ConversationItemCreate(item=item) if item.id in refuses:
                    wrong = {"type": "invalid_request_error", "code": "invalid_value", "message": "no"}
                    yield server("error", error={**wrong, "param": None, "event_id": event.event_id})
                case _:
                    self.known.take(event)
                    yield from self._added(event.item)

    def _added(self, item):
        told = {"type": type(item).tag, "id": item.id or f"item_{self.now}", "status": "completed"}
        names = {"role", "call_id", "output", "name", "arguments"}
        told |= {name: getattr(item, name) for name in names if hasattr(item, name)}
        if isinstance(item, MessageItem):
            told["content"] = [{"type": part.type, "text": part.text} for part in item.content]
        for kind in ("added", "done"):
            yield server(f"conversation.item.{kind}", item=told, previous_item_id=None)

    def loses(self):
        """The connection is gone."""
        return without_clocks(self.succession.link_down(self.now, self.gone()))

    def moves(self, ready=None, *, broken=True):
        """Let the next connection take over; it takes what it is told first."""
        handover, replay = ready or self.prepares()
        takeover = self.succession.link_up(handover, replay, self.now, broken=broken)
        for event in self._answers(takeover.events):
            assert without_clocks(self.conversation.receive(event, self.now)) == []
        return Moved(takeover, without_clocks(takeover.effects), self.known)

    def reconnects(self):
        """Lose the connection, and get another."""
        told = self.loses()
        return told, self.moves()

    def adds(self, event):
        """The service adds an item."""
        self.now += 0.001
        for told in self._added(event.item):
            self.conversation.receive(told, self.now)

    def says(self, text, item_id=None):
        """A message of the user's that the service has added."""
        item = {"type": "message", "id": item_id or f"item_{text}", "role": "user", "status": "completed"}
        item["content"] = [{"type": "input_text", "text": text}]
        for kind in ("added", "done"):
            self.hears(f"conversation.item.{kind}", item=item, previous_item_id=None)

    def answers(self, response_id="resp_1", *, words="one two three four", heard_ms=None, ms=1000):
        """The model begins to speak: audio, of which the application has played some, and its words."""
        self.response("created", response_id)
        item_id = f"item_of_{response_id}"
        place = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
        begun = {"type": "message", "id": item_id, "role": "assistant", "status": "in_progress", "content": []}
        self.hears("conversation.item.added", item=begun, previous_item_id=None)
        if ms:
            self.hears("response.output_audio_transcript.delta", **place, delta=words)
            delta = base64.b64encode(bytes(48 * ms)).decode()
            self.hears("response.output_audio.delta", **place, delta=delta)
            self.conversation.playback.delivered(item_id, 24 * ms, self.now)
        if heard_ms is not None:
            self.conversation.playback.report(item_id, heard_ms, self.now)
        return item_id

    def ends(self, response_id="resp_1", status="completed", **fields):
        """The model has spoken."""
        item = {"type": "message", "id": f"item_of_{response_id}", "role": "assistant", "status": "completed"}
        item["content"] = [{"type": "output_audio", "transcript": "one two three four"}]
        self.hears("conversation.item.done", item=item, previous_item_id=None)
        return self.response("done", response_id, status=status, **fields)

    def calls(self, response_id="resp_1", call_id="call_1", *, mirrored=True):
        """The model calls a function."""
        call = {"type": "function_call", "id": f"item_{call_id}", "call_id": call_id, "name": "tool"}
        call |= {"arguments": "{}", "status": "completed"}
        if mirrored:
            begun = {**call, "status": "in_progress"}
            self.hears("conversation.item.added", item=begun, previous_item_id=None)
        return self.hears("response.output_item.done", response_id=response_id, output_index=0, item=call)

    def feeds(self, ms=100, level=0):
        """A message of the microphone is on the socket."""
        audio = base64.b64encode(level.to_bytes(2, "little", signed=True) * 24 * ms).decode()
        text = json.dumps({"type": "input_audio_buffer.append", "audio": audio})
        self.conversation.speech_sent("append", text, float(ms), self.now)
        return text

    def speaks(self, item_id="turn_1", *, commits=True, stops=True, ms=500):
        """The user says something, up to the turn's end or to its commit."""
        text = self.feeds(ms)
        self.hears("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=0)
        if stops:
            self.hears("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=ms)
        if commits:
            self.hears("input_audio_buffer.committed", item_id=item_id, previous_item_id=None)
        return text


def shown(event):
    """Show a client event: an item by its words, anything else by its type."""
    match event:
        case ConversationItemCreate(item=MessageItem(content=content)):
            return " ".join(part.text or part.type for part in content)
        case ConversationItemCreate(item=item):
            return f"{type(item).tag} {item.call_id}"
        case ConversationItemDelete(item_id=item_id):
            return f"delete {item_id}"
        case _:
            return type(event).tag

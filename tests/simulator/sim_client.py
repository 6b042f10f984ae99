"""A bare WebSocket client for tests of the simulator, and the check of all it sent against openai-python."""

import json
import typing
from contextlib import asynccontextmanager

import openai.types.realtime as openai_types
import pybase64
import trio
from trio_websocket import ConnectionClosed, wrap_client_stream

from engine.audio.pcm import silence, tone
from engine.simulator import Script, SimulatorSettings, serve

CONVERSATION = "/v1/realtime?model=gpt-realtime"
TRANSCRIPTION = "/v1/realtime?intent=transcription"
TRANSLATION = "/v1/realtime/translations?model=gpt-realtime-translate"
DTMF = "input_audio_buffer.dtmf_event_received"  # the one event without an id
KEY = (b"authorization", b"Bearer sk-test")


def models_by_type(union):
    """Give openai-python's classes of a union by the type that they have on the wire."""
    classes = typing.get_args(typing.get_args(union)[0])
    return {typing.get_args(cls.model_fields["type"].annotation)[0]: cls for cls in classes}


SERVER_TYPES = models_by_type(openai_types.RealtimeServerEvent)
TRANSLATION_TYPES = models_by_type(openai_types.RealtimeTranslationServerEvent)


def assert_faithful(server):
    """Each event that any session sent fits openai-python's type for it, and no session crashed."""
    for ledger in server.sessions:
        assert ledger.crash is None
        events = [message.event for message in ledger.sent]
        ids = [event["event_id"] for event in events if event["type"] != DTMF]
        assert len(ids) == len(set(ids))
        translates = any(event.get("session", {}).get("type") == "translation" for event in events)
        for event in events:
            (TRANSLATION_TYPES if translates else SERVER_TYPES)[event["type"]].model_validate(event)


def base64(pcm):
    return pybase64.b64encode_as_string(pcm)


def speech(ms, *, before=300, after=500):
    """Make base64 PCM of silence, a tone that counts as speech, silence."""
    return base64(silence(before) + tone(220, ms) + silence(after))


class Client:
    """Sends events, and keeps those that come."""

    def __init__(self, socket):
        self.socket = socket
        self.events = []

    async def send(self, event_type, **fields):
        await self.send_raw(json.dumps({"type": event_type, **fields}))

    async def send_raw(self, message):
        await self.socket.send_message(message)

    async def next(self):
        event = json.loads(await self.socket.get_message())
        self.events.append(event)
        return event

    async def until(self, event_type, **fields):
        """Read up to and including the first event of this type with these fields."""
        while True:
            event = await self.next()
            if event["type"] == event_type and fields.items() <= event.items():
                return event

    async def rest(self, seconds=2.0):
        """Read whatever comes within some seconds."""
        read = []
        with trio.move_on_after(seconds):
            while True:
                read.append(await self.next())
        return read

    async def closed(self):
        """Read to the end."""
        try:
            while True:
                await self.next()
        except ConnectionClosed as closed:
            return closed.reason

    async def say(self, text):
        """Add a user message, and read its two echoes."""
        await self.send("conversation.item.create", item=user(text))
        return (await self.until("conversation.item.done"))["item"]

    async def ask(self, **response):
        """Ask for a response and read it to its end."""
        await self.send("response.create", **({"response": response} if response else {}))
        return (await self.until("response.done"))["response"]

    async def update(self, **session):
        await self.send("session.update", session={"type": "realtime", **session})
        return (await self.until("session.updated"))["session"]

    async def no_vad(self):
        await self.update(audio={"input": {"turn_detection": None}})

    async def hear(self, audio):
        await self.send("input_audio_buffer.append", audio=audio)

    async def error(self):
        return (await self.until("error"))["error"]

    def of(self, *event_types):
        return [event for event in self.events if event["type"] in event_types]

    def joined(self, event_type):
        return "".join(event["delta"] for event in self.of(event_type))


def user(text):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def types(events, *, without=()):
    """Name the events, runs of the same delta as one."""
    names = []
    for event in events:
        name = event["type"]
        if name not in without and not (name.endswith(".delta") and names and names[-1] == name):
            names.append(name)
    return names


@asynccontextmanager
async def in_memory(server, url=CONVERSATION, *, headers=(KEY,), subprotocols=(), lockstep=False, greeted=True):
    """Connect a client to a server over a stream in memory, past its first event."""
    async with trio.open_nursery() as nursery:
        socket = await wrap_client_stream(
            nursery,
            server.connect_stream(lockstep=lockstep),
            "simulator",
            url,
            subprotocols=subprotocols,
            extra_headers=list(headers),
            max_message_size=2**26,
        )
        client = Client(socket)
        if greeted:
            assert (await client.next())["type"] == "session.created"
        yield client
        with trio.move_on_after(10):
            await socket.aclose()
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def talk(*answers, script=None, settings=None, url=CONVERSATION, responder=None, **options):
    """Serve in memory, and connect one client; all that was sent is checked at the end."""
    factory = responder or (script or Script.of(*answers)).responder
    async with serve(settings or SimulatorSettings(), factory, host=None) as server:
        async with in_memory(server, url, **options) as client:
            client.server = server
            yield client
        assert_faithful(server)

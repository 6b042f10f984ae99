"""openai 3.54.0: `AsyncOpenAI().realtime.connect`, its typed events, its typed client events."""

from openai import AsyncOpenAI
from openai.types.realtime import (
    ConversationItemCreateEvent,
    InputAudioBufferAppendEvent,
    RealtimeConversationItemFunctionCallOutput,
    RealtimeConversationItemUserMessage,
    ResponseCreateEvent,
    SessionUpdateEvent,
)

from peers.plain import KEY, MODEL, SESSION, Owed, context, decode, encode, message

BACKEND = "asyncio"
SHARED = {}
"""The process' one API client, by address."""

# What is sent is sent as typed events: the methods, as `input_audio_buffer.append`, take dictionaries, and search the
# union of all events for the one that fits, which costs several times as much.
UPDATE = SessionUpdateEvent.model_validate({"type": "session.update", "session": SESSION})
CREATE = ResponseCreateEvent(type="response.create")


def api(url):
    if url not in SHARED:
        SHARED[url] = AsyncOpenAI(api_key=KEY, websocket_base_url=url)
    return SHARED[url]


def created(item):
    return ConversationItemCreateEvent(type="conversation.item.create", item=item)


class Client:
    """One connection."""

    def __init__(self, url, **options):
        ca = options.get("ca")
        tls = {"websocket_connection_options": {"ssl": context(ca)}} if ca else {}
        self._manager = api(url).realtime.connect(model=MODEL, **tls)
        self._owed = Owed()

    async def open(self):
        self._connection = await self._manager.enter()
        await self._connection.send(UPDATE)

    async def ask(self, text):
        await self._connection.send(created(RealtimeConversationItemUserMessage(**message(text))))
        await self._connection.send(CREATE)

    async def speak(self, pcm):
        await self._connection.send(InputAudioBufferAppendEvent(type="input_audio_buffer.append", audio=encode(pcm)))

    async def give(self, call_id, output):
        kind = "function_call_output"
        item = RealtimeConversationItemFunctionCallOutput(type=kind, call_id=call_id, output=output)
        await self._connection.send(created(item))
        if self._owed.answered(call_id):
            await self._connection.send(CREATE)

    async def events(self):
        async for event in self._connection:
            kind = event.type
            if kind == "response.output_audio.delta":
                yield "audio", decode(event.delta)
            elif kind in ("response.output_audio_transcript.delta", "response.output_text.delta"):
                yield "text", event.delta
            elif kind == "input_audio_buffer.speech_started":
                yield "interrupted", None
            elif kind == "response.output_item.done" and event.item.type == "function_call":
                self._owed.called(event.item.call_id)
                yield "call", (event.item.call_id, event.item.name)
            elif kind == "response.done":
                if self._owed.ended():
                    await self._connection.send(CREATE)
                yield "done", None
            else:
                if kind == "response.created":
                    self._owed.began()
                yield "other", None

    async def close(self):
        await self._connection.close()

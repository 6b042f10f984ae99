"""livekit-agents 1.8.9: its OpenAI plugin's session, driven as the framework's `AgentSession` drives it.

Audio, text and calls come in streams of one response; barge-in, in a callback past them.
"""

import asyncio
import contextlib

import aiohttp
from livekit import rtc
from livekit.agents import llm
from livekit.plugins.openai.realtime import RealtimeModel
from openai.types import realtime as types

from peers.plain import INSTRUCTIONS, KEY, MODEL, TURN_DETECTION, Mailbox, context

BACKEND = "asyncio"
SHARED = {}
"""The process' one HTTP session and one model a server: its own HTTP session refuses the 101st connection."""


@llm.function_tool
async def look_up(key: str = "") -> str:
    """Look up what is known under a key."""
    return key


def model(url, ca):
    if url not in SHARED:
        tls = context(ca) if ca else True
        http = SHARED["http"] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=tls))
        SHARED[url] = RealtimeModel(
            model=MODEL,
            voice="alloy",
            api_key=KEY,
            base_url=url.replace("ws", "http", 1),
            http_session=http,
            input_audio_transcription=None,
            turn_detection=types.realtime_audio_input_turn_detection.ServerVad(**TURN_DETECTION),
        )
    return SHARED[url]


async def finish():
    """Let go of what the process' sessions shared."""
    http = SHARED.pop("http", None)
    SHARED.clear()
    if http is not None:
        await http.close()


class Client:
    """One session of the plugin."""

    def __init__(self, url, **options):
        self._url = url
        self._ca = options.get("ca")
        self._mailbox = Mailbox()
        self._tasks = set()
        self._calls = set()
        self._outputs = []
        self._calls_over = asyncio.Event()
        self._spoken = self._cut = None
        self._session = None

    async def open(self):
        session = self._session = model(self._url, self._ca).session()
        session.on("generation_created", self._generation)
        session.on("input_speech_started", self._speech_started)
        session.on("error", self._failed)
        ready = asyncio.get_running_loop().create_future()
        session.on("openai_server_event_received", lambda event: ready.done() or ready.set_result(event))
        await session.update_instructions(INSTRUCTIONS)
        await session.update_tools([look_up])
        await ready

    def _start(self, coroutine):
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _speech_started(self, _):
        self._cut = self._spoken
        self._mailbox.interrupt()

    def _failed(self, event):
        if not event.recoverable:
            self._mailbox.close()

    def _generation(self, generation):
        self._start(self._messages(generation))

    async def _messages(self, generation):
        put = self._mailbox.put
        put(("other", None))
        self._spoken = generation
        calls = asyncio.create_task(self._functions(generation.function_stream))
        async for message in generation.message_stream:
            words = asyncio.create_task(self._words(message.text_stream))
            async for frame in message.audio_stream:
                if self._cut is generation:
                    break
                put(("audio", frame))
            await words
        await calls
        put(("done", None))

    async def _words(self, stream):
        async for text in stream:
            self._mailbox.put(("text", text))

    async def _functions(self, stream):
        self._calls_over.clear()
        async for call in stream:
            self._calls.add(call.call_id)
            self._mailbox.put(("call", (call.call_id, call.name)))
        self._calls_over.set()

    async def ask(self, text):
        chat = self._session.chat_ctx.copy()
        chat.add_message(role="user", content=text)
        await self._session.update_chat_ctx(chat)
        self._reply()

    def _reply(self):
        # Its future ends with an error when the session is closed before the response begins.
        self._session.generate_reply().add_done_callback(lambda future: future.cancelled() or future.exception())

    async def speak(self, pcm):
        self._session.push_audio(rtc.AudioFrame(pcm, 24000, 1, len(pcm) // 2))

    async def give(self, call_id, output):
        self._outputs.append(llm.FunctionCallOutput(call_id=call_id, name="look_up", output=output, is_error=False))
        self._calls.discard(call_id)
        if not self._calls:
            self._start(self._answer())

    async def _answer(self):
        await self._calls_over.wait()
        if self._calls or not self._outputs:
            return
        outputs, self._outputs = self._outputs, []
        chat = self._session.chat_ctx.copy()
        chat.items.extend(outputs)
        await self._session.update_chat_ctx(chat)
        self._reply()

    async def events(self):
        async for kind, what in self._mailbox:
            yield kind, bytes(what.data) if kind == "audio" else what

    async def close(self):
        await self._session.aclose()
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._mailbox.close()

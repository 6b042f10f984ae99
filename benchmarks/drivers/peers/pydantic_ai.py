"""pydantic-ai 2.68.0: `Agent.realtime(model).session()`, which runs the tools and keeps the history."""

import asyncio
import functools

from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    PartDeltaEvent,
    RealtimeInputSpeechStartEvent,
    RealtimeTurnCompleteEvent,
    SpeechPartDelta,
    TextPartDelta,
)
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime.openai import OpenAIRealtimeModel

from peers.plain import INSTRUCTIONS, KEY, MODEL, TURN_DETECTION, Answers, trust

BACKEND = "asyncio"
SETTINGS = {"openai_turn_detection": TURN_DETECTION, "openai_voice": "alloy", "input_transcription_model": None}

agent = Agent(instructions=INSTRUCTIONS, deps_type=Answers)


@agent.tool
async def look_up(ctx: RunContext[Answers], key: str = "") -> str:  # noqa: ARG001 - told to the model
    """Look up what is known under a key."""
    return await ctx.deps.wait(ctx.tool_call_id)


@functools.cache
def model(url):
    """Make the process' one model: it holds the address and no session."""
    address = url.replace("ws", "http", 1)
    return OpenAIRealtimeModel(MODEL, provider=OpenAIProvider(base_url=address, api_key=KEY), settings=SETTINGS)


class Client:
    """One session; TLS is OpenSSL's default."""

    def __init__(self, url, **options):
        trust(options.get("ca"))
        self._url = url
        self._answers = Answers()
        self._over = asyncio.Event()
        self._session = self._stream = self._task = None

    async def open(self):
        # Its block is to be left by the task that entered it, and scenarios close where they like.
        opened = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(opened))
        await asyncio.wait([opened, self._task], return_when=asyncio.FIRST_COMPLETED)
        if not opened.done():
            await self._task

    async def _hold(self, opened):
        async with agent.realtime(model(self._url), deps=self._answers).session() as session:
            self._session = session
            self._stream = aiter(session)
            opened.set_result(None)
            await self._over.wait()

    async def ask(self, text):
        await self._session.send(text)

    async def speak(self, pcm):
        await self._session.send_audio(pcm)

    async def give(self, call_id, output):
        self._answers.give(call_id, output)

    async def events(self):
        try:
            async for event in self._iterated():
                yield event
        except asyncio.CancelledError:
            self._stream = aiter(self._session)
            raise

    async def _iterated(self):
        # A second iterator is refused while the first lives, so a loop that was left leaves it for the next one.
        async for event in self._stream:
            if isinstance(event, PartDeltaEvent):
                for told in self._parts(event.delta):
                    yield told
            elif isinstance(event, RealtimeTurnCompleteEvent):
                yield "done", None
            elif isinstance(event, RealtimeInputSpeechStartEvent):
                yield "interrupted", None
            elif isinstance(event, FunctionToolCallEvent):
                yield "call", (event.part.tool_call_id, event.part.tool_name)
            else:
                yield "other", None

    def _parts(self, delta):
        if isinstance(delta, SpeechPartDelta):
            if delta.audio_chunk:
                yield "audio", delta.audio_chunk
            if delta.transcript_delta and delta.speaker == "assistant":
                yield "text", delta.transcript_delta
        elif isinstance(delta, TextPartDelta):
            yield "text", delta.content_delta
        else:
            yield "other", None

    async def close(self):
        self._over.set()
        await self._task

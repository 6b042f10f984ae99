"""openai-agents 0.24.0: `RealtimeRunner` and its session, which runs the tools and keeps the history."""

from agents import function_tool, set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeRunner
from agents.tool_context import ToolContext

from peers.plain import INSTRUCTIONS, KEY, MODEL, TURN_DETECTION, Answers, trust

BACKEND = "asyncio"
set_tracing_disabled(True)

SETTINGS = {
    "modalities": ["audio"],
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "turn_detection": {**TURN_DETECTION, "interrupt_response": True},
    "tracing": None,
}


@function_tool
async def look_up(ctx: ToolContext[Answers], key: str = "") -> str:  # noqa: ARG001 - told to the model
    """Look up what is known under a key."""
    return await ctx.context.wait(ctx.tool_call_id)


AGENT = RealtimeAgent(name="benchmark", instructions=INSTRUCTIONS, tools=[look_up])


class Client:
    """One session; TLS is OpenSSL's default."""

    def __init__(self, url, **options):
        trust(options.get("ca"))
        self._answers = Answers()
        self._runner = RealtimeRunner(AGENT)  # It holds one connection.
        address = f"{url}/realtime?model={MODEL}"
        self._config = {"url": address, "api_key": KEY, "initial_model_settings": SETTINGS}
        self._session = None

    async def open(self):
        self._session = await self._runner.run(context=self._answers, model_config=self._config)
        await self._session.enter()

    async def ask(self, text):
        await self._session.send_message(text)

    async def speak(self, pcm):
        await self._session.send_audio(pcm)

    async def give(self, call_id, output):
        self._answers.give(call_id, output)

    async def events(self):
        async for event in self._session:
            kind = event.type
            if kind == "audio":
                yield "audio", event.audio.data
            elif kind == "raw_model_event":
                yield self._told(event.data)
            else:
                yield "other", None

    def _told(self, event):
        kind = event.type
        if kind in ("transcript_delta", "output_text_delta"):
            return "text", event.delta
        if kind == "turn_ended":
            return "done", None
        if kind == "function_call":
            return "call", (event.call_id, event.name)
        if kind == "raw_server_event" and event.data["type"] == "input_audio_buffer.speech_started":
            return "interrupted", None
        return "other", None

    async def close(self):
        await self._session.close()

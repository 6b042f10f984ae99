"""strands-agents 1.40.0: its model alone, driven as its own agent drives it."""

from strands.experimental.bidi import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
)
from strands.experimental.bidi.models import openai_realtime
from strands.types._events import ToolResultEvent, ToolUseStreamEvent

from peers.plain import INSTRUCTIONS, KEY, TOOLS, decode, encode, trust

BACKEND = "asyncio"
TOOL_SPECS = [
    {"name": t["name"], "description": t["description"], "inputSchema": {"json": t["parameters"]}} for t in TOOLS
]


def told(event):
    """Turn one of its events into the scenarios' words."""
    if isinstance(event, BidiAudioStreamEvent):
        return "audio", decode(event.audio)
    if isinstance(event, BidiTranscriptStreamEvent):
        return "text", event.text
    if isinstance(event, BidiResponseCompleteEvent):
        return "done", None
    if isinstance(event, BidiInterruptionEvent):
        return "interrupted", None
    if isinstance(event, ToolUseStreamEvent):
        use = event["current_tool_use"]
        return "call", (use["toolUseId"], use["name"])
    return "other", None


def made(url, **options):
    """Make its model; the address is a constant of its module, and TLS is OpenSSL's default."""
    trust(options.get("ca"))
    openai_realtime.OPENAI_REALTIME_URL = url + "/realtime"
    return openai_realtime.BidiOpenAIRealtimeModel(client_config={"api_key": KEY})


class Client:
    """One model."""

    def __init__(self, url, **options):
        self._model = made(url, **options)

    async def open(self):
        await self._model.start(system_prompt=INSTRUCTIONS, tools=TOOL_SPECS)

    async def ask(self, text):
        await self._model.send(BidiTextInputEvent(text=text))

    async def speak(self, pcm):
        frame = BidiAudioInputEvent(audio=encode(pcm), format="pcm", sample_rate=24000, channels=1)
        await self._model.send(frame)

    async def give(self, call_id, output):
        result = {"toolUseId": call_id, "status": "success", "content": [{"text": output}]}
        await self._model.send(ToolResultEvent(result))

    async def events(self):
        async for event in self._model.receive():
            yield told(event)

    async def close(self):
        await self._model.stop()

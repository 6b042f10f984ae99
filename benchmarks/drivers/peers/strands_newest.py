"""strands-agents 1.62.0, `strands.bidi`: its model alone, driven as its own agent drives it."""

from strands.bidi.models.openai import realtime
from strands.bidi.types.content import BidiMessage
from strands.bidi.types.events import (
    BidiAudioDeltaEvent,
    BidiBargeInEvent,
    BidiResponseStopEvent,
    BidiTextDeltaEvent,
    BidiToolUseBlocksEvent,
    BidiTranscriptDeltaEvent,
)
from strands.bidi.types.media import AudioDelta
from strands.types.content import TextBlock
from strands.types.tools import ToolResultBlock

from peers.plain import INSTRUCTIONS, KEY, MODEL, TOOLS, decode, trust

BACKEND = "asyncio"
TOOL_SPECS = [
    {"name": t["name"], "description": t["description"], "inputSchema": {"json": t["parameters"]}} for t in TOOLS
]


class Client:
    """One model; the address is a constant of its module, and TLS is OpenSSL's default."""

    def __init__(self, url, **options):
        trust(options.get("ca"))
        realtime.OPENAI_REALTIME_URL = url + "/realtime"
        self._model = realtime.OpenAIRealtimeModel(model_id=MODEL, transcription_model_id=None, api_key=KEY)

    async def open(self):
        await self._model.start(system_prompt=INSTRUCTIONS, tools=TOOL_SPECS)

    async def ask(self, text):
        await self._model.send(BidiMessage([TextBlock(text)]))

    async def speak(self, pcm):
        await self._model.send(AudioDelta(format="pcm", source={"bytes": pcm}))

    async def give(self, call_id, output):
        result = ToolResultBlock(tool_use_id=call_id, content=[{"text": output}], status="success")
        await self._model.send(BidiMessage([result]))

    async def events(self):
        async for event in self._model.receive():
            if isinstance(event, BidiAudioDeltaEvent):
                yield "audio", decode(event.audio)
            elif isinstance(event, (BidiTranscriptDeltaEvent, BidiTextDeltaEvent)):
                yield "text", event.delta
            elif isinstance(event, BidiResponseStopEvent):
                yield "done", None
            elif isinstance(event, BidiBargeInEvent):
                yield "interrupted", None
            elif isinstance(event, BidiToolUseBlocksEvent):
                for use in event.tool_uses:
                    yield "call", (use["toolUseId"], use["name"])
            else:
                yield "other", None

    async def close(self):
        await self._model.stop()

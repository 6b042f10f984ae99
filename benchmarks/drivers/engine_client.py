"""Our side of the benchmarks: the four verbs of `BidiOpenAIRealtimeModel`, on Trio."""

import ssl
from collections.abc import AsyncIterator
from typing import Any

from client import Told

import engine
from engine import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTranscriptStreamEvent,
    ToolUseStreamEvent,
)

BACKEND = "trio"

_KEY = {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}
TOOLS = [{"name": "look_up", "description": "Look something up.", "inputSchema": {"json": _KEY}}]


class Client:
    """One session of ours."""

    def __init__(self, url: str, *, ca: str | None = None, **options: Any) -> None:
        settings: dict[str, Any] = {}
        if "transport" in options:
            settings["transport"] = options["transport"]
        if "frame_ms" in options:
            settings["input_frame_ms"] = options["frame_ms"]
        if "inbox_overflow" in options:
            settings["inbox_overflow"] = options["inbox_overflow"]
        client = engine.ClientSettings(api_key="x", base_url=url, ssl_context=trusting(ca) if ca else None, proxy=None)
        self._model = engine.BidiOpenAIRealtimeModel(provider_config={"engine": settings}, client_config=client)

    async def open(self) -> None:
        await self._model.start(tools=TOOLS)

    async def ask(self, text: str) -> None:
        await self._model.send(engine.BidiTextInputEvent(text))

    async def speak(self, pcm: bytes) -> None:
        await self._model.session.send_audio(pcm)

    async def give(self, call_id: str, output: str) -> None:
        result = {"toolUseId": call_id, "status": "success", "content": [{"text": output}]}
        await self._model.send(engine.ToolResultEvent(tool_result=result))

    async def events(self) -> AsyncIterator[Told]:
        async for event in self._model.receive():
            if isinstance(event, BidiAudioStreamEvent):
                yield "audio", event.pcm
            elif isinstance(event, BidiTranscriptStreamEvent):
                yield "text", event.text
            elif isinstance(event, BidiResponseCompleteEvent):
                yield "done", None
            elif isinstance(event, BidiInterruptionEvent):
                yield "interrupted", None
            elif isinstance(event, ToolUseStreamEvent):
                use = event.current_tool_use
                yield "call", (use["toolUseId"], use["name"])
            else:
                yield "other", None

    async def close(self) -> None:
        await self._model.stop()


_contexts: dict[str, ssl.SSLContext] = {}


def trusting(ca: str) -> ssl.SSLContext:
    """Make one context for all sessions, as an application would: to read certificates costs more than a session."""
    if ca not in _contexts:
        _contexts[ca] = ssl.create_default_context(cafile=ca)
    return _contexts[ca]

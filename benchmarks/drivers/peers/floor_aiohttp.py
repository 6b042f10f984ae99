"""The floor on plain asyncio: aiohttp with orjson."""

import aiohttp
import orjson

from peers.plain import KEY, MODEL, SESSION, Owed, context, decode, encode, message

BACKEND = "asyncio"
SHARED = {}
"""The process' one aiohttp session, made in its loop."""


def http_session():
    if "http" not in SHARED:
        SHARED["http"] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    return SHARED["http"]


async def finish():
    """Let go of what the process' sessions shared."""
    if "http" in SHARED:
        await SHARED.pop("http").close()


class Client:
    """One connection."""

    def __init__(self, url, **options):
        self._url = url
        self._ca = options.get("ca")
        self._owed = Owed()
        self._socket = None

    async def open(self):
        headers = {"Authorization": f"Bearer {KEY}"}
        tls = context(self._ca) if self._ca else True
        url = f"{self._url}/realtime?model={MODEL}"
        self._socket = await http_session().ws_connect(url, headers=headers, ssl=tls, max_msg_size=0)
        await self._send({"type": "session.update", "session": SESSION})

    async def _send(self, event):
        await self._socket.send_frame(orjson.dumps(event), aiohttp.WSMsgType.TEXT)

    async def ask(self, text):
        await self._send({"type": "conversation.item.create", "item": message(text)})
        await self._send({"type": "response.create"})

    async def speak(self, pcm):
        await self._send({"type": "input_audio_buffer.append", "audio": encode(pcm)})

    async def give(self, call_id, output):
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        await self._send({"type": "conversation.item.create", "item": item})
        if self._owed.answered(call_id):
            await self._send({"type": "response.create"})

    async def events(self):
        async for frame in self._socket:
            event = orjson.loads(frame.data)
            kind = event["type"]
            if kind == "response.output_audio.delta":
                yield "audio", decode(event["delta"])
            elif kind in ("response.output_audio_transcript.delta", "response.output_text.delta"):
                yield "text", event["delta"]
            elif kind == "input_audio_buffer.speech_started":
                yield "interrupted", None
            elif kind == "response.output_item.done" and event["item"]["type"] == "function_call":
                self._owed.called(event["item"]["call_id"])
                yield "call", (event["item"]["call_id"], event["item"]["name"])
            elif kind == "response.done":
                if self._owed.ended():
                    await self._send({"type": "response.create"})
                yield "done", None
            else:
                if kind == "response.created":
                    self._owed.began()
                yield "other", None

    async def close(self):
        await self._socket.close()

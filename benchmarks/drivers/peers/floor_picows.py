"""The floor: picows on uvloop with orjson, and nothing between the socket and the application."""

import asyncio

import orjson
from picows import WSListener, WSMsgType, ws_connect

from peers.plain import KEY, MODEL, SESSION, Mailbox, Owed, context, decode, encode, message

BACKEND = "uvloop"
HIGH_EVENTS = 256
LOW_EVENTS = 64


class Client(WSListener):
    """One connection; events are read in picows' callback and wait in a deque; a long one stops the socket."""

    def __init__(self, url, **options):
        self._url = url
        self._ca = options.get("ca")
        self._mailbox = Mailbox()
        self._owed = Owed()
        self._transport = None
        self._paused = False

    async def open(self):
        tls = context(self._ca) if self._ca else None
        headers = {"Authorization": f"Bearer {KEY}"}
        url = f"{self._url}/realtime?model={MODEL}"
        self._transport, _ = await ws_connect(lambda: self, url, ssl_context=tls, extra_headers=headers)
        self._send({"type": "session.update", "session": SESSION})

    def on_ws_frame(self, transport, frame):
        kind = frame.msg_type
        if kind == WSMsgType.TEXT:
            self._put(orjson.loads(frame.get_payload_as_memoryview()))
            if len(self._mailbox.kept) > HIGH_EVENTS and not self._paused:
                self._paused = True
                transport.underlying_transport.pause_reading()
        elif kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport):  # noqa: ARG002 - picows calls it
        self._mailbox.close()

    def _put(self, event):
        kind = event["type"]
        if kind == "response.output_audio.delta":
            self._mailbox.put(("audio", decode(event["delta"])))
        else:
            self._mailbox.put(self._told(kind, event))

    def _told(self, kind, event):
        if kind in ("response.output_audio_transcript.delta", "response.output_text.delta"):
            return "text", event["delta"]
        if kind == "input_audio_buffer.speech_started":
            return "interrupted", None
        if kind == "response.created":
            self._owed.began()
        elif kind == "response.output_item.done" and event["item"]["type"] == "function_call":
            self._owed.called(event["item"]["call_id"])
            return "call", (event["item"]["call_id"], event["item"]["name"])
        elif kind == "response.done":
            if self._owed.ended():
                self._send({"type": "response.create"})
            return "done", None
        return "other", None

    def _send(self, event):
        self._transport.send(WSMsgType.TEXT, orjson.dumps(event))

    async def ask(self, text):
        self._send({"type": "conversation.item.create", "item": message(text)})
        self._send({"type": "response.create"})

    async def speak(self, pcm):
        self._send({"type": "input_audio_buffer.append", "audio": encode(pcm)})

    async def give(self, call_id, output):
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        self._send({"type": "conversation.item.create", "item": item})
        if self._owed.answered(call_id):
            self._send({"type": "response.create"})

    async def events(self):
        async for event in self._mailbox:
            yield event
            if self._paused and len(self._mailbox.kept) < LOW_EVENTS:
                self._paused = False
                self._transport.underlying_transport.resume_reading()

    async def close(self):
        if self._paused:
            self._transport.underlying_transport.resume_reading()
        self._transport.send_close()
        self._transport.disconnect()
        await asyncio.shield(self._transport.wait_disconnected())

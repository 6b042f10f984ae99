"""A server that follows a plain script: for each message of a type it sends the next list of events for that type.

It shares nothing with the engine or the simulator, so that no mistake of theirs can hide here. A script is a list of
connections, each a JSON object:

- `{"refuse": 503}`: the upgrade is answered with this status;
- `{"greeting": [event, ...], "on": {"response.create": [[event, ...], ...], ...}}`.

In place of an event may stand `{"wait_s": 0.5}`, `{"close": [code, reason]}` or `{"abort": true}`. The one thing it
decides by itself is what the service does with a `response.create` that comes while a response is active: it refuses.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import trio
import trio_websocket

Json = dict[str, Any]
HEADERS = ("authorization", "openai-organization", "openai-project")


@attrs.define
class Ledger:
    """What clients did.

    Attributes:
        handshakes: Path, query and headers of each upgrade.
        messages: What each client sent, all connections in one list.
        ended: Connections that are over.
    """

    handshakes: list[Json] = attrs.field(factory=list)
    messages: list[Json] = attrs.field(factory=list)
    ended: int = 0


class ScriptedServer:
    """A running server; made by `serve_script`.

    Attributes:
        base_url: What clients take.
        ledger: What they did.
    """

    def __init__(self, script: list[Json]) -> None:
        self._script = list(script)
        self.base_url = ""
        self.ledger = Ledger()
        self._ends = trio.lowlevel.ParkingLot()

    async def handle(self, request: trio_websocket.WebSocketRequest) -> None:
        connection = self._script.pop(0) if self._script else {"refuse": 503}
        self._note_handshake(request)
        try:
            if "refuse" in connection:
                await request.reject(connection["refuse"], extra_headers=[(b"content-length", b"0")])
                return
            socket = await request.accept()
            await _Conversation(socket, connection, self.ledger.messages).run()
        except trio_websocket.ConnectionClosed:
            pass
        finally:
            self.ledger.ended += 1
            self._ends.unpark_all()

    def _note_handshake(self, request: trio_websocket.WebSocketRequest) -> None:
        url = urlsplit(request.path)
        headers = {name.decode().lower(): value.decode() for name, value in request.headers}
        named = {name: headers.get(name) for name in HEADERS}
        self.ledger.handshakes.append({"path": url.path, "query": parse_qs(url.query), "headers": named})

    async def all_ended(self) -> None:
        """Wait until every connection that began is over."""
        while self.ledger.ended < len(self.ledger.handshakes):
            await self._ends.park()


class _Conversation:
    def __init__(self, socket: trio_websocket.WebSocketConnection, script: Json, messages: list[Json]) -> None:
        self._socket = socket
        self._script = script
        self._messages = messages
        self._seen: Counter[str] = Counter()
        self._active: str | None = None
        self._send, self._receive = trio.open_memory_channel[Json | None](1000)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._answer_all)
            try:
                while True:
                    message = json.loads(await self._socket.get_message())
                    self._messages.append(message)
                    self._send.send_nowait(message)
            except trio_websocket.ConnectionClosed:
                nursery.cancel_scope.cancel()

    async def _answer_all(self) -> None:
        """Answer one message after the other, so that what is active is known when the next is looked at."""
        try:
            for step in self._script.get("greeting", ()):
                await self._do(step)
            async for message in self._receive:
                for step in self._replies(message):
                    await self._do(step)
        except trio_websocket.ConnectionClosed:
            pass

    def _replies(self, message: Json) -> list[Json]:
        kind = message["type"]
        if kind == "response.create" and self._active is not None:
            return [_refusal(self._active, message.get("event_id"))]
        scripted = self._script.get("on", {}).get(kind, [])
        number, self._seen[kind] = self._seen[kind], self._seen[kind] + 1
        return scripted[number] if number < len(scripted) else []

    async def _do(self, step: Json) -> None:
        if "wait_s" in step:
            await trio.sleep(step["wait_s"])
        elif "close" in step:
            code, reason = step["close"]
            await self._socket.aclose(code, reason)
        elif "abort" in step:
            await trio.aclose_forcefully(self._socket._stream)
        else:
            await self._socket.send_message(json.dumps(step))
            if step["type"] == "response.created":
                self._active = step["response"]["id"]
            elif step["type"] == "response.done":
                self._active = None


def _refusal(active: str, event_id: str | None) -> Json:
    words = f"Conversation already has an active response in progress: {active}. "
    return {
        "type": "error",
        "event_id": "event_refusal",
        "error": {
            "type": "invalid_request_error",
            "code": "conversation_already_has_active_response",
            "message": words + "Wait until the response is finished before creating a new one.",
            "param": None,
            "event_id": event_id,
        },
    }


@asynccontextmanager
async def serve_script(script: list[Json]) -> AsyncIterator[ScriptedServer]:
    """Run a server on a free port of the loopback for the time of the block."""
    server = ScriptedServer(script)
    async with trio.open_nursery() as nursery:
        listening = await nursery.start(trio_websocket.serve_websocket, server.handle, "127.0.0.1", 0, None)
        server.base_url = f"ws://127.0.0.1:{listening.port}/v1"
        yield server
        nursery.cancel_scope.cancel()

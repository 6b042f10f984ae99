"""One browser and one session: what the microphone hears goes to the one, what the model says to the other.

Both servers share it. It runs on the event loop of its caller, Trio's or asyncio's.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

import anyio
from door import Door
from outbox import BYTES_PER_MS, Outbox, Outgoing

from engine import (
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiConnectionWarningEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    EngineError,
    LocalMisuse,
    Session,
    SessionConfig,
    SessionEnded,
    open_session,
)

MICROPHONE_MAX_BYTES = 1000 * BYTES_PER_MS
TEXT_MAX_CHARS = 4000
ANSWERS_MAX = 16
"""Answers that may be heard one after the other before the first of them is forgotten here."""

SEND_DEADLINE_S = 20
"""A browser that takes nothing for so long has gone."""

HERE_DEADLINE_S = 150
"""So has one that says nothing, as a laptop that was closed. The page says every 15 s that it is there, and browsers
slow a page in the background down to once a minute."""


class Gone(Exception):
    """The browser has gone."""


class Refused(Exception):
    """The browser sent what the page never sends."""


class Socket(Protocol):
    """A browser's WebSocket. Both methods raise `Gone`, or are cancelled, when it is closed."""

    async def receive(self) -> str | bytes:
        """Wait for a message: text, or the microphone's PCM16 mono 24 kHz."""

    async def send(self, message: str | bytes) -> None:
        """Send text, or PCM16 mono 24 kHz."""


async def relay(socket: Socket, config: SessionConfig, door: Door) -> None:
    """Hold one session for as long as the browser is there; when this returns, close the socket."""
    with door.place() as free, suppress(Gone):
        if not free:
            await socket.send(json.dumps(_over("All lines are taken. Try again in a minute.")))
            return
        try:
            async with open_session(config) as session:
                await Relay(socket, session).run()
        except EngineError as error:
            await socket.send(json.dumps(_over(error)))


class Relay:
    """One call."""

    def __init__(self, socket: Socket, session: Session) -> None:
        self._socket = socket
        self._session = session
        self._outbox = Outbox()
        self._spoken: deque[str] = deque(maxlen=ANSWERS_MAX)
        self._sending: str | None = None

    async def run(self) -> None:
        """Relay until either side is over."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hear, tasks.cancel_scope)
            tasks.start_soon(self._follow)
            with suppress(Gone):
                await self._send()
            tasks.cancel_scope.cancel()

    # --- from the browser -------------------------------------------------------------------------------------

    async def _hear(self, call: anyio.CancelScope) -> None:
        try:
            while True:
                with anyio.fail_after(HERE_DEADLINE_S):
                    message = await self._socket.receive()
                await (self._microphone(message) if isinstance(message, bytes) else self._control(message))
        except (Gone, TimeoutError):
            call.cancel()
        except SessionEnded:
            pass  # `_follow` tells it.
        except (Refused, EngineError) as error:
            self._outbox.drop_answer()
            self._end(error)

    async def _microphone(self, pcm: bytes) -> None:
        if len(pcm) > MICROPHONE_MAX_BYTES:
            raise Refused(f"{len(pcm)} bytes of audio at once; {MICROPHONE_MAX_BYTES} are the most")
        await self._session.send_audio(pcm)

    async def _control(self, text: str) -> None:
        match _parsed(text):
            case {"type": "played", "item": str(item), "ms": int() | float() as ms, "over_ms": int() | float() as over}:
                with suppress(LocalMisuse):  # an item that was forgotten long ago
                    self._session.playback.report(item, ms)
                self._outbox.is_over(over)
            case {"type": "text", "text": str(words)} if 0 < len(words) <= TEXT_MAX_CHARS:
                await self._session.send(BidiTextInputEvent(words))
            case {"type": "here"}:
                pass
            case {"type": "interrupt"}:
                await self._session.interrupt()
            case _:
                raise Refused("a message that this server does not know")

    # --- from the session -------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        try:
            async for event in self._session.receive():
                self._note(event)
                await self._outbox.room()
        except EngineError as error:
            self._end(error)

    def _note(self, event: BidiOutputEvent) -> None:
        if isinstance(event, BidiAudioStreamEvent):
            self._speech(event)
        elif isinstance(event, BidiConnectionCloseEvent):
            self._end(None)
        elif isinstance(event, BidiInterruptionEvent):
            self._outbox.drop_answer()
            self._tell({"type": "interrupted", "item": event.item_id, "cut": self._cut()})
        elif type(event) in TOLD:
            is_answer = isinstance(event, BidiTranscriptStreamEvent) and event.role == "assistant"
            self._tell(TOLD[type(event)](event), event.item_id if is_answer else None)

    def _tell(self, message: dict[str, Any], item: str | None = None) -> None:
        self._outbox.put(Outgoing(json.dumps(message), item))

    def _end(self, error: Exception | None) -> None:
        self._outbox.end(Outgoing(json.dumps(_over(error))))

    def _speech(self, event: BidiAudioStreamEvent) -> None:
        item = event.item_id or ""
        if item not in self._spoken:
            self._spoken.append(item)
            # From here on the browser says what was heard: nothing yet.
            self._session.playback.report(item, 0)
        self._outbox.put(Outgoing(event.pcm, item))

    def _cut(self) -> dict[str, int]:
        """Give what was heard of each answer that was not heard to its end, in ms, as the service is told it."""
        playback = self._session.playback
        heard = {item: playback.heard_ms(item) for item in self._spoken}
        self._spoken.clear()
        return {item: int(ms) for item, ms in heard.items() if ms < playback.received_ms(item)}

    # --- to the browser ---------------------------------------------------------------------------------------

    async def _send(self) -> None:
        while (message := await self._outbox.take()) is not None:
            if isinstance(message.body, bytes) and message.item != self._sending:
                self._sending = message.item
                await self._send_one(json.dumps({"type": "speech", "item": message.item}))
            await self._send_one(message.body)

    async def _send_one(self, body: str | bytes) -> None:
        with anyio.move_on_after(SEND_DEADLINE_S) as scope:
            await self._socket.send(body)
        if scope.cancelled_caught:
            raise Gone


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused("text that is no JSON") from error


def _over(why: Exception | str | None) -> dict[str, Any]:
    return {"type": "over", "message": None if why is None else str(why)}


TOLD: Mapping[type, Callable[[Any], dict[str, Any]]] = {
    BidiConnectionStartEvent: lambda event: {"type": "open", "session": event.connection_id},
    BidiConnectionWarningEvent: lambda event: {"type": "connection", "state": "changing", "reason": event.reason},
    BidiConnectionRestartEvent: lambda event: {"type": "connection", "state": "restored", "reason": event.reason},
    BidiResponseStartEvent: lambda _: {"type": "thinking"},
    BidiResponseCompleteEvent: lambda event: {"type": "answered", "reason": event.stop_reason},
    BidiErrorEvent: lambda event: {"type": "error", "code": event.code, "message": event.message},
    BidiTranscriptStreamEvent: lambda event: {
        "type": "words",
        "role": event.role,
        "item": event.item_id,
        "text": event.text,
        "final": event.is_final,
    },
}
"""What the page is told of which events; audio goes by itself, as bytes."""

"""A telephone leg: a carrier's media stream, JSON on a WebSocket with 20 ms of G.711 a packet, becomes a session.

`leg.py PORT` waits for calls on that port and talks to the service, with the key in OPENAI_API_KEY.
"""

import json
import logging
import sys
from contextlib import suppress
from typing import Any

import pybase64
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from engine import (
    AudioSettings,
    BidiInterruptionEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    EngineError,
    EngineSettings,
    Session,
    SessionConfig,
    SessionEnded,
    open_session,
)
from engine.audio.shape import Encoding
from engine.tools import Tools
from engine.transport.base import Connector

PACKET_MS = 20
FORMATS: dict[str, Encoding] = {"audio/x-mulaw": "pcmu", "audio/x-alaw": "pcma"}
START_DEADLINE_S = 10
LAST_WORDS_S = 5
CALLS_MAX = 50

logger = logging.getLogger("telephone")
tools = Tools()


@tools.add(ends_session=True)
async def hang_up() -> None:
    """End the call when the caller wants nothing more; then say goodbye."""


class Leg:
    """One call: what the caller says goes to the session, what the model says to the caller.

    Args:
        socket: The carrier's.
        settings: Of the session, beside those that a telephone needs.
        connector: How to connect; the network when None.
    """

    def __init__(self, socket: WebSocketConnection, connector: Connector | None = None, **settings: Any) -> None:
        self._socket = socket
        self._connector = connector
        self._settings = settings
        self._stream = ""
        self._played = trio.Event()

    async def run(self) -> None:
        """Hold the call until either side ends it."""
        try:
            with trio.fail_after(START_DEADLINE_S):
                start = await self._started()
            self._stream = start["streamSid"]
            await self._hold(FORMATS[start["start"]["mediaFormat"]["encoding"]])
        except (ConnectionClosed, EngineError, trio.TooSlowError, LookupError, TypeError, ValueError) as error:
            logger.warning("call %s: %s", self._stream, type(error).__name__)
        finally:
            await self._socket.aclose()

    async def _started(self) -> dict[str, Any]:
        message: dict[str, Any] = {"event": "connected"}
        while message["event"] != "start":
            message = json.loads(await self._socket.get_message())
        return message

    async def _hold(self, form: Encoding) -> None:
        config = SessionConfig(
            audio=AudioSettings(format=form),  # G.711 all the way: nothing is converted
            tools=tools.specs,
            engine=EngineSettings(input_overflow="drop_oldest", idle_deadline_s=120),
            **self._settings,
        )
        async with open_session(config, connector=self._connector) as session, trio.open_nursery() as nursery:
            nursery.start_soon(self._hear, session, nursery.cancel_scope)
            nursery.start_soon(self._speak, session, form)
            await self._follow(session)
            await self._hear_out()
            nursery.cancel_scope.cancel()

    async def _hear(self, session: Session, call: trio.CancelScope) -> None:
        """Take the caller's packets, 50 a second, and the keys that are pressed."""
        try:
            while (message := json.loads(await self._socket.get_message()))["event"] != "stop":
                with suppress(SessionEnded):
                    await self._take(session, message)
        except ConnectionClosed:
            pass  # The caller has hung up.
        except (LookupError, TypeError, ValueError) as error:
            logger.warning("call %s: the carrier sent nonsense, %s", self._stream, type(error).__name__)
        call.cancel()

    async def _take(self, session: Session, message: dict[str, Any]) -> None:
        match message["event"]:
            case "media":
                await session.send_audio(pybase64.b64decode(message["media"]["payload"], validate=True))
            case "dtmf":
                await session.send(BidiTextInputEvent(f"The caller pressed {message['dtmf']['digit']}."))
            case "mark":
                self._played.set()

    async def _speak(self, session: Session, form: Encoding) -> None:
        """Give the carrier each packet when it is due, so that it never holds much that nobody wants to hear."""
        async for packet in session.audio_out(PACKET_MS, format=form):
            await self._tell("media", media={"payload": pybase64.b64encode(packet).decode()})

    async def _follow(self, session: Session) -> None:
        """Run the tools until the session is over. When the caller cuts in, the carrier drops what it still holds."""
        async for event in session.run(tools):
            match event:
                case BidiInterruptionEvent():
                    await self._tell("clear")
                case BidiTranscriptStreamEvent(is_final=True):
                    logger.info("%s: %s", event.role, event.text)

    async def _hear_out(self) -> None:
        """Wait until the carrier has played what it holds."""
        await self._tell("mark", mark={"name": "end"})
        with trio.move_on_after(LAST_WORDS_S):
            await self._played.wait()

    async def _tell(self, event: str, **fields: Any) -> None:
        with suppress(ConnectionClosed):  # `_hear` sees it, and ends the call.
            await self._socket.send_message(json.dumps({"event": event, "streamSid": self._stream, **fields}))


async def main(port: int) -> None:
    """Wait for calls."""
    places = trio.CapacityLimiter(CALLS_MAX)

    async def answer(request: WebSocketRequest) -> None:
        async with places:
            await Leg(await request.accept(), instructions="You answer the telephone of a shop. Be brief.").run()

    await serve_websocket(answer, "127.0.0.1", port, ssl_context=None)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    trio.run(main, int(sys.argv[1]))

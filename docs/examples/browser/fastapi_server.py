"""Talk in a browser, served by FastAPI and uvicorn on asyncio: the sessions run in the engine's Trio thread."""

import asyncio
from contextlib import AsyncExitStack, suppress

import uvicorn
from door import Door
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.staticfiles import StaticFiles
from relay import Gone, relay
from serving import MESSAGE_MAX_BYTES, PAGE, PING_INTERVAL_S, listen, options, real_service, simulated, voice

from engine import SessionConfig
from engine.testing import simulator_in_thread


class Browser:
    """A WebSocket as `relay` needs it."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> str | bytes:
        """Wait for a message."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise Gone
        body: str | bytes = message["text"] if message.get("bytes") is None else message["bytes"]
        return body

    async def send(self, message: str | bytes) -> None:
        """Send one."""
        try:
            if isinstance(message, str):
                await self._websocket.send_text(message)
            else:
                await self._websocket.send_bytes(message)
        except WebSocketDisconnect as error:
            raise Gone from error


def make_app(config: SessionConfig, door: Door) -> FastAPI:
    """Make the application: the page at `/`, the calls at `/talk`."""
    app = FastAPI(openapi_url=None)

    @app.websocket("/talk")
    async def talk(websocket: WebSocket) -> None:
        if not door.admits(websocket.headers.get("origin")):
            await websocket.close()  # before it was accepted: HTTP 403
            return
        await websocket.accept()
        await relay(Browser(websocket), config, door)
        with suppress(WebSocketDisconnect, RuntimeError):  # The browser has closed it.
            await websocket.close()

    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


async def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    asked = options("FastAPI")
    responders = None if asked.service else await asyncio.to_thread(voice)
    async with AsyncExitStack() as stack:
        if asked.service:
            config = real_service()
        else:
            simulator = simulator_in_thread(responder_factory=responders)
            config = simulated((await stack.enter_async_context(simulator)).base_url)
        listener, door = listen(asked)
        settings = uvicorn.Config(
            make_app(config, door),
            ws_max_size=MESSAGE_MAX_BYTES,
            ws_ping_interval=PING_INTERVAL_S,
            log_level="warning",
            timeout_graceful_shutdown=3,
        )
        await uvicorn.Server(settings).serve(sockets=[listener])


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())

"""Talk in a browser, served by Quart-Trio: the page, its WebSockets and all sessions in one Trio run, no thread."""

import signal
from contextlib import AsyncExitStack
from functools import partial

import trio
from door import Door
from hypercorn.config import Config
from hypercorn.trio import serve as serve_http
from quart import Response, abort, websocket
from quart_trio import QuartTrio
from relay import relay
from serving import MESSAGE_MAX_BYTES, PAGE, PING_INTERVAL_S, listen, options, real_service, simulated, voice

from engine import SessionConfig
from engine.simulator import serve


class Browser:
    """The WebSocket of the request, as `relay` needs it. Quart-Trio cancels its handler when the browser goes."""

    async def receive(self) -> str | bytes:
        """Wait for a message."""
        return await websocket.receive()

    async def send(self, message: str | bytes) -> None:
        """Send one."""
        await websocket.send(message)


def make_app(config: SessionConfig, door: Door) -> QuartTrio:
    """Make the application: the page at `/`, the calls at `/talk`."""
    app = QuartTrio(__name__, static_folder=str(PAGE), static_url_path="")
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 0

    @app.get("/")
    async def page() -> Response:
        return await app.send_static_file("index.html")

    @app.websocket("/talk")
    async def talk() -> None:
        if not door.admits(websocket.headers.get("Origin")):
            abort(403)
        await websocket.accept()
        await relay(Browser(), config, door)
        await websocket.close(1000)

    return app


async def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    asked = options("Quart-Trio")
    responders = None if asked.service else await trio.to_thread.run_sync(voice)
    async with AsyncExitStack() as stack:
        signals = stack.enter_context(trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM))
        if asked.service:
            config = real_service()
        else:
            config = simulated((await stack.enter_async_context(serve(responder_factory=responders))).base_url)
        listener, door = listen(asked)
        http = Config()
        http.bind = [f"fd://{listener.detach()}"]
        http.websocket_max_message_size = MESSAGE_MAX_BYTES
        http.websocket_ping_interval = PING_INTERVAL_S
        http.graceful_timeout = 1
        http.loglevel = "WARNING"
        await serve_http(make_app(config, door), http, shutdown_trigger=partial(anext, signals))


if __name__ == "__main__":
    trio.run(main)

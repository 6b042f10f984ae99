"""A run's page as an ASGI application: the page, its charts' library, the run's course as events, and its figures."""

import gzip
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any, Final

import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from engine.farm.live.board import Board
from engine.farm.live.door import Door
from engine.farm.live.prometheus import exposition

READERS_MAX: Final = 32
"""Pages that may be open at a time; one more is told to come again later."""

ALIVE_EVERY_S: Final = 15.0
"""Distance of what is sent when there is no news, so that a reader that went away is noticed."""

_PAGE: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/live.js": ("live.js", "text/javascript; charset=utf-8"),
    "/live.css": ("live.css", "text/css; charset=utf-8"),
}

_KEEP_S: Final = 86_400
"""How long a browser keeps the charts' library."""


def page_app(board: Board, token: str | None = None, port: int = 0) -> Door:
    """Make the application.

    Args:
        board: What it shows.
        token: That opens it; None where only this machine can come.
        port: That it is served on.
    """

    async def metrics(request: Request) -> Response:
        body, kind = exposition(board.snapshot, request.headers.get("accept", ""))
        return Response(body, media_type=None, headers={"content-type": kind, "cache-control": "no-store"})

    routes = [Route(path, _file(name, kind)) for path, (name, kind) in _PAGE.items()]
    routes += [
        Route("/plotly.js", _charts()),
        Route("/events", Events(board), methods=["GET"]),
        Route("/metrics", metrics),
    ]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return Door(app, token, f"realtime-farm-{port}")


def _file(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    body = resources.files("engine.farm.live").joinpath("page", name).read_bytes()

    async def answer(_: Request) -> Response:
        return Response(body, headers={"content-type": kind, "cache-control": "no-cache"})

    return answer


def _charts() -> Callable[[Request], Awaitable[Response]]:
    """Serve Plotly's script as the installed package has it, packed once: it is 4.8 MB."""
    lock, packed = trio.Lock(), [b""]
    headers = {
        "content-type": "text/javascript; charset=utf-8",
        "content-encoding": "gzip",
        "cache-control": f"private, max-age={_KEEP_S}",
    }

    async def answer(_: Request) -> Response:
        async with lock:
            if not packed[0]:
                packed[0] = await trio.to_thread.run_sync(_packed_charts)
        return Response(packed[0], headers=headers)

    return answer


def _packed_charts() -> bytes:
    plotly = resources.files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
    return gzip.compress(plotly, 6)


class Events:
    """The run as server-sent events: its course so far, then each new picture, then that it is over.

    Args:
        board: What it shows.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self.readers = 0
        """That listen just now."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one reader until it goes, or the run is over."""
        if self.readers >= READERS_MAX:
            await Response("too many look already\n", 503, {"retry-after": "10"})(scope, receive, send)
            return
        self.readers += 1
        try:
            await self._serve(receive, send, only_head=scope["method"] == "HEAD")
        finally:
            self.readers -= 1

    async def _serve(self, receive: Receive, send: Send, *, only_head: bool) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if not only_head:
            await self._tell_until_gone(receive, send)
        # Outside: the server says that the reader is gone while it takes this, and must not be cancelled there.
        await send({"type": "http.response.body", "body": b""})

    async def _tell_until_gone(self, receive: Receive, send: Send) -> None:
        async with trio.open_nursery() as nursery:

            async def gone() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                nursery.cancel_scope.cancel()

            nursery.start_soon(gone, name="page reader leaves")
            await self._tell(send)
            nursery.cancel_scope.cancel()

    async def _tell(self, send: Send) -> None:
        board = self._board
        await _event(send, b"history", board.history())
        told = b""
        while not board.over or board.picture is not told:
            if board.picture is not told:
                told = board.picture
                await _event(send, b"picture", told)
                continue
            with trio.move_on_after(ALIVE_EVERY_S) as waiting:
                await board.news()
            if waiting.cancelled_caught:
                await _piece(send, b":\n\n")
        await _event(send, b"over", board.last_words())


async def _event(send: Send, name: bytes, data: bytes) -> None:
    await _piece(send, b"event: %b\ndata: %b\n\n" % (name, data))


async def _piece(send: Send, body: bytes) -> None:
    message: dict[str, Any] = {"type": "http.response.body", "body": body, "more_body": True}
    await send(message)

"""Serves a run's page in the run's own Trio loop, so that no reader can slow the run, hold it up, or end it."""

import importlib
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from errno import EACCES, EADDRINUSE
from math import inf
from typing import Any, Final

import attrs
import trio

from engine.config import is_loopback
from engine.errors import ConfigError
from engine.farm.live.board import Board

logger = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 128
"""Connections at a time: a page takes one for its events, and some for a moment. Further ones are closed at once."""

REQUESTS_PER_S: Final = 50.0
"""Over all connections; more wait. One takes about 1 ms of the run's event loop, the figures of 100 workers 3 ms."""

PIECE_BYTES: Final = 65_536
SEND_DEADLINE_S: Final = 10.0
"""How long a reader may keep a piece of so many bytes waiting; then its connection is closed. The charts' library comes
over a line of 52 kbit/s."""

GOODBYE_S: Final = 2.0
"""After the end, readers have so long to hear of it."""

TOKEN_VARIABLE: Final = "REALTIME_FARM_TOKEN"  # noqa: S105 - a name
TOKEN_MIN_CHARS: Final = 16
"""A token that somebody chose has at least so many characters."""


@attrs.frozen
class Page:
    """A page that is served.

    Attributes:
        url: Where it is, with the token where it takes one.
        token: That opens it; None on this machine's own address.
    """

    url: str = attrs.field(repr=lambda url: repr(url.partition("?")[0]))
    token: str | None = attrs.field(repr=False)


@asynccontextmanager
async def serve_page(
    board: Board, port: int, host: str = "127.0.0.1", environment: Mapping[str, str] = os.environ
) -> AsyncIterator[Page]:
    """Serve a run's page for the time of the block; at its end, readers hear that the run is over.

    Args:
        board: What is shown.
        port: Port to listen on; 0 takes a free one.
        host: Address to listen on. Others than this machine's own take a token.
        environment: May hold a token under `REALTIME_FARM_TOKEN`.

    Raises:
        ConfigError: The address can't be listened on, or the token is too short.
    """
    token = None if is_loopback(host) else _token(environment)
    listeners = await _listen(host, port)
    port = listeners[0].socket.getsockname()[1]
    page = Page(_url(host, port, token), token)
    server = _Server(board, token, port)
    async with trio.open_nursery() as nursery:
        for listener in listeners:
            nursery.start_soon(server.accept, listener, nursery, name="page listener")
        try:
            yield page
        finally:
            await server.close()
            nursery.cancel_scope.cancel()


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        where = f"port {port} of {host}"
        is_port = error.errno in {EADDRINUSE, EACCES}
        way_out = "give another with --web, or 0" if is_port else "give an address of this machine with --web-host"
        message = f"the page can't be served at {where}: {error.strerror or error} | {way_out}"
        raise ConfigError("--web" if is_port else "--web-host", where, way_out, message=message) from error


def _token(environment: Mapping[str, str]) -> str:
    given = environment.get(TOKEN_VARIABLE, "")
    if not given:
        return secrets.token_urlsafe(24)
    if len(given) < TOKEN_MIN_CHARS or not given.isascii() or not given.replace("-", "").replace("_", "").isalnum():
        allowed = f"at least {TOKEN_MIN_CHARS} letters, digits, - and _"
        message = f"{TOKEN_VARIABLE} can't be used as a token | give {allowed}, or leave it out"
        raise ConfigError(TOKEN_VARIABLE, "(not shown)", allowed, message=message)
    return given


def _url(host: str, port: int, token: str | None) -> str:
    # An address that means all of them is none that a browser could go to.
    name = socket.gethostname() if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")


class _Stream(trio.abc.HalfCloseableStream):
    """A connection whose peer can't keep a sender waiting: Hypercorn shields its sends from cancellation."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.socket = stream.socket

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with memoryview(data) as whole:
            for begin in range(0, len(whole), PIECE_BYTES):
                await self._send(whole[begin : begin + PIECE_BYTES])

    async def _send(self, piece: memoryview) -> None:
        with piece, trio.move_on_after(SEND_DEADLINE_S):
            await self._stream.send_all(piece)
            return
        self.cut()
        raise trio.BrokenResourceError("the reader took too long")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def cut(self) -> None:
        """Close it at once: whoever waits for it is woken with an error."""
        self.socket.close()


class _Paced:
    """Lets requests in one after the other, however many come at a time: a flood of them must not slow the run."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._next_at = -inf

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        at = max(self._next_at, trio.current_time())
        self._next_at = at + 1 / REQUESTS_PER_S
        await trio.sleep_until(at)
        await self._app(scope, receive, send)


class _Server:
    """Hypercorn's connections under our own bounds.

    Its own `serve` lets a fault in a connection end the program, and waits without end for a reader that does not read.
    """

    def __init__(self, board: Board, token: str | None, port: int) -> None:
        from engine.farm.live.app import page_app  # noqa: PLC0415 - starlette and prometheus-client are heavy

        self._board = board
        self._config = _config()
        self._context = _from("hypercorn.trio.worker_context", "WorkerContext")(None)
        self._app = _from("hypercorn.app_wrappers", "ASGIWrapper")(_Paced(page_app(board, token, port)))
        self._connection = _http1_connection()
        self._state = _from("hypercorn.typing", "ConnectionState")
        self._streams: set[_Stream] = set()
        self._left = trio.Event()

    async def accept(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        """Take connections."""
        try:
            await trio.serve_listeners(self._serve, [listener], handler_nursery=nursery)
        except Exception:  # a page must not end the run
            logger.exception("the page takes no new readers any more")

    async def _serve(self, socket_stream: trio.SocketStream) -> None:
        stream = _Stream(socket_stream)
        if len(self._streams) >= CONNECTIONS_MAX:
            stream.cut()
            return
        self._streams.add(stream)
        try:
            await self._connection(self._app, self._config, self._context, self._state({}), stream).run()
        except Exception:  # a page must not end the run
            logger.exception("a connection of the page failed")
        finally:
            stream.cut()
            self._streams.discard(stream)
            self._left.set()
            self._left = trio.Event()

    async def close(self) -> None:
        """Tell the readers that it is over, and close what is left."""
        self._board.close()
        with trio.CancelScope(shield=True), trio.move_on_after(GOODBYE_S):
            await self._context.terminated.set()
            while self._streams:
                await self._left.wait()
        for stream in list(self._streams):
            stream.cut()


def _http1_connection() -> Any:
    """Give Hypercorn's connection without its way to HTTP/2, which has bounds of its own: a window that never opens.

    Who asks for an upgrade is answered in HTTP/1.1.
    """
    base: Any = _from("hypercorn.trio.tcp_server", "TCPServer")

    async def goes_on(_: Any) -> None:
        """Take a request as it is."""

    class Connection(base):  # type: ignore[misc]
        async def _read_data(self) -> None:
            self.protocol.protocol._check_protocol = goes_on
            await super()._read_data()

    return Connection


def _config() -> Any:
    config = _from("hypercorn.config", "Config")()
    config.errorlog = logger
    config.accesslog = None
    config.include_server_header = False
    return config


def _from(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)

"""The transport on trio-websocket: the handshake on a stream of bytes, messages, and a close that is bounded."""

import contextlib
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import trio
import trio_websocket
import wsproto.connection
import wsproto.utilities

from engine import limits
from engine.errors import ConnectionLost, HandshakeRejected, LimitExceeded
from engine.transport.base import Endpoint, Transport, TransportStatistics
from engine.transport.pings import Pings
from engine.transport.retry_after import retry_after_s
from engine.transport.route import DEFAULT_PORTS, open_route
from engine.transport.watched import WatchedStream

_QUEUED_MESSAGES = 16
"""Messages that trio-websocket may hold beside the inbox: enough that its reader rarely waits for ours."""

_BATCH_MAX = 4 * _QUEUED_MESSAGES
"""Messages that are given in one go: its reader, which waits for room, goes on in between."""


async def connect(nursery: trio.Nursery, endpoint: Endpoint) -> Transport:
    """Connect over the network. See `engine.transport.base.Connector`."""
    stream = await open_route(endpoint)
    try:
        return await wrap(nursery, stream, endpoint)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


async def wrap(nursery: trio.Nursery, stream: trio.abc.Stream, endpoint: Endpoint) -> Transport:
    """Make the WebSocket handshake on a stream that leads to a server already.

    Raises:
        ConnectionLost: It failed; `HandshakeRejected` when the server said no.
    """
    parts = urlsplit(endpoint.url)
    watched = WatchedStream(stream)
    reader = _Reader(nursery, watched.pings)
    with trio.CancelScope() as scope:
        # trio-websocket waits for ever when the connection ends inside the handshake.
        reader.on_end = scope.cancel
        socket = await trio_websocket.wrap_client_stream(
            cast("trio.Nursery", reader),
            cast("trio.SocketStream", watched),
            _host_header(parts),
            _resource(parts),
            extra_headers=[(name.encode(), value.encode()) for name, value in endpoint.headers],
            message_queue_size=_QUEUED_MESSAGES,
            max_message_size=endpoint.message_hard_max_bytes,
            receive_buffer_size=limits.RECEIVE_BUFFER_BYTES,
        )
        reader.on_end = None
        return TrioWebSocket(socket, watched, reader, endpoint.message_hard_max_bytes)
    raise _handshake_error(reader.error)


class TrioWebSocket:
    """A connection on trio-websocket."""

    def __init__(
        self,
        socket: trio_websocket.WebSocketConnection,
        stream: WatchedStream,
        reader: "_Reader",
        message_hard_max_bytes: int,
    ) -> None:
        self._socket = socket
        self._stream = stream
        self._reader = reader
        self._bound = message_hard_max_bytes
        self._numbers = itertools.count()

    async def send(self, text: str) -> None:
        """Send one text frame."""
        try:
            await self._socket.send_message(text)
        except (trio_websocket.ConnectionClosed, wsproto.utilities.LocalProtocolError) as error:
            raise self._lost() from self._why(error)

    async def receive(self) -> Sequence[str | bytes]:
        """Give the next messages: all that its reader has put by."""
        try:
            batch = [await self._socket.get_message()]
        except trio_websocket.ConnectionClosed as error:
            self._stream.pings.over()  # trio-websocket's reader waits on, for the peer to hang up.
            raise self._lost() from self._why(error)
        # What follows is told by the next call.
        with contextlib.suppress(trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
            while len(batch) < _BATCH_MAX:
                batch.append(self._socket._recv_channel.receive_nowait())
        return batch

    async def ping(self) -> None:
        """Send a ping and wait for its answer; see `Transport.ping`."""
        payload = next(self._numbers).to_bytes(8)
        try:
            # trio-websocket lets it wait for ever when the connection ends. Whoever receives sees that first.
            with self._stream.pings.until_over(), self._stream.pinging():
                await self._socket.ping(payload)
                self._stream.pings.answered()
                return
        except (trio_websocket.ConnectionClosed, wsproto.utilities.LocalProtocolError) as error:
            raise self._lost() from self._why(error)
        finally:
            # It keeps a ping that was cancelled until a later one is answered.
            self._socket._pings.pop(payload, None)
        raise self._lost() from self._reader.error

    async def close(self, deadline_s: float) -> None:
        """Close in order; see `Transport.close`."""
        try:
            with trio.move_on_after(deadline_s) as scope:
                self._stream.limit_reading(limits.CLOSE_DRAIN_MAX_BYTES, scope.cancel)
                sends = self._stream.sends
                self._reader.when_ended(lambda: self._cut_short(scope, sends))
                # The peer's close frame may cross ours.
                with contextlib.suppress(wsproto.utilities.LocalProtocolError):
                    await self._socket.aclose()
        finally:
            await trio.aclose_forcefully(self._stream)

    def _cut_short(self, closing: trio.CancelScope, sends: int) -> None:
        """Without the reader nobody sees the peer's close frame. If it was cancelled, ours can still be sent."""
        if self._reader.cancelled and self._stream.sends == sends:
            self._stream.after_sending(closing.cancel)
        else:
            closing.cancel()

    def statistics(self) -> TransportStatistics:
        """Give a snapshot."""
        return self._stream.statistics()

    def _was_over_bound(self) -> bool:
        closed = self._socket.closed
        # The peer may say 1009 too, of a message of ours; trio-websocket's own words name the bound.
        return closed is not None and closed.code == 1009 and str(self._bound) in (closed.reason or "")

    def _why(self, error: Exception) -> BaseException:
        if not self._was_over_bound():
            return self._reader.error or error
        way_out = "ask for less at once, as with shorter items"
        over = LimitExceeded("MESSAGE_HARD_MAX_BYTES", self._bound, self._bound + 1, way_out)
        over.__cause__ = error
        return over

    def _lost(self) -> ConnectionLost:
        closed = self._socket.closed
        if closed is None:
            return ConnectionLost("the connection broke")
        if self._was_over_bound():
            message = f"a message was over the bound of {self._bound} bytes"
            return ConnectionLost(message, code=closed.code, reason=closed.reason)
        if self._socket._wsproto.state is wsproto.connection.ConnectionState.OPEN:
            # Found here: wsproto tells it as if the peer had closed with 1002, but no close frame has come.
            message = f"the server sent what is no WebSocket frame: {closed.reason}"
            return ConnectionLost(message, reason=closed.reason)
        words = f": {closed.reason}" if closed.reason else ""
        return ConnectionLost(
            f"the connection ended with close code {closed.code}{words}", code=closed.code, reason=closed.reason
        )


class _Reader:
    """Stands in for the nursery in which trio-websocket starts its reader, to keep what that one raises."""

    def __init__(self, nursery: trio.Nursery, pings: Pings) -> None:
        self._nursery = nursery
        self._pings = pings
        self._ended = False
        self.cancelled = False
        self.error: BaseException | None = None
        self.on_end: Callable[[], None] | None = None

    def start_soon(self, function: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Start it, guarded."""
        self._nursery.start_soon(self._run, function, *args, name="trio-websocket reader")

    def when_ended(self, do: Callable[[], None]) -> None:
        """Do this when the reader ends, or at once when it has."""
        self.on_end = do
        if self._ended:
            do()

    @trio.lowlevel.enable_ki_protection
    async def _run(self, function: Callable[..., Awaitable[Any]], *args: Any) -> None:
        try:
            await function(*args)
        except Exception as error:  # noqa: BLE001 - h11 and wsproto let more through than they say, as UnicodeDecodeError
            # It only reads what the peer sends: whatever stops it is a broken connection.
            self.error = error
        except trio.Cancelled:
            self.cancelled = True
            raise
        finally:
            self._ended = True
            self._pings.over()
            if self.on_end is not None:
                self.on_end()


def _handshake_error(error: BaseException | None) -> ConnectionLost:
    if isinstance(error, trio_websocket.ConnectionRejected):
        body = bytes(error.body or b"")[: limits.HANDSHAKE_BODY_MAX_BYTES].decode(errors="replace")
        lost: ConnectionLost = HandshakeRejected(error.status_code, body, retry_after_s(error.headers))
    else:
        lost = ConnectionLost("the server ended the connection in the WebSocket handshake")
    lost.__cause__ = error
    return lost


def _host_header(parts: SplitResult) -> str:
    host = cast("str", parts.hostname)
    shown = f"[{host}]" if ":" in host else host
    return shown if parts.port in {None, DEFAULT_PORTS[parts.scheme]} else f"{shown}:{parts.port}"


def _resource(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

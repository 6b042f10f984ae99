"""The handshake of a WebSocket client by websockets, on a line that leads to a server already."""

from typing import Final, cast
from urllib.parse import urlsplit

import attrs
import trio
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI

from engine import limits
from engine.errors import ConnectionLost, HandshakeRejected
from engine.transport.base import Endpoint
from engine.transport.lines import Line, read
from engine.transport.quiet import LOGGER
from engine.transport.retry_after import retry_after_s
from engine.transport.route import DEFAULT_PORTS

_HEAD_ENDS: Final = b"\r\n\r\n"


@attrs.frozen
class Upgraded:
    """A connection that is open.

    Attributes:
        rest: What came behind the server's answer, and is to be read yet.
        bytes_sent: So far.
        bytes_received: So far.
    """

    rest: bytes = attrs.field(repr=False)
    bytes_sent: int
    bytes_received: int


async def upgrade(line: Line, endpoint: Endpoint) -> Upgraded:
    """Make the handshake. It takes as long as the server takes: the caller has the deadline.

    Args:
        line: The way to the server.
        endpoint: Whom to ask, for what, with what key.

    Raises:
        ConnectionLost: It failed; `HandshakeRejected` when the server said no.
    """
    protocol = ClientProtocol(_address(endpoint), logger=LOGGER)
    request = protocol.connect()
    for name, value in endpoint.headers:
        request.headers[name] = value
    protocol.send_request(request)
    asked = b"".join(protocol.data_to_send())
    try:
        if not line.write(asked):
            await line.flush()
        count, rest = await _answer(protocol, line)
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise ConnectionLost("the server ended the connection in the WebSocket handshake") from error
    if protocol.handshake_exc is not None:
        raise _error(protocol.handshake_exc)
    return Upgraded(rest, len(asked), count)


async def _answer(protocol: ClientProtocol, line: Line) -> tuple[int, bytes]:
    """Read the answer; give how much was read, and what of it came after the answer."""
    count, head = 0, b""
    while not _is_answered(protocol):
        data = await read(line)
        if not data:
            protocol.receive_eof()
            break
        count += len(data)
        # Frames may stand right behind the head, and are none of the library's.
        size = _to_the_end_of_head(head, data)
        head = (head + data[:size])[-len(_HEAD_ENDS) :]
        protocol.receive_data(data[:size])
        if protocol.events_received() and protocol.handshake_exc is None:
            return count, data[size:]
        protocol.receive_data(data[size:])
    return count, b""


def _is_answered(protocol: ClientProtocol) -> bool:
    return protocol.state is not State.CONNECTING or protocol.handshake_exc is not None


def _to_the_end_of_head(before: bytes, data: bytes) -> int:
    """How much of the data belongs to the head that may have begun before: all, when it does not end in it."""
    end = (before + data).find(_HEAD_ENDS)
    return len(data) if end < 0 else end + len(_HEAD_ENDS) - len(before)


def _error(error: Exception) -> ConnectionLost:
    if isinstance(error, InvalidStatus):
        response: Response = error.response
        body = bytes(response.body or b"")[: limits.HANDSHAKE_BODY_MAX_BYTES].decode(errors="replace")
        headers = [(name.encode(), value.encode(errors="replace")) for name, value in response.headers.raw_items()]
        lost: ConnectionLost = HandshakeRejected(response.status_code, body, retry_after_s(headers))
        # Its own exception holds the whole answer, which nobody could search for secrets.
        lost.__cause__ = InvalidHandshake(str(error))
    else:
        lost = ConnectionLost("the server ended the connection in the WebSocket handshake, or it speaks no WebSocket")
        lost.__cause__ = error
    return lost


def _address(endpoint: Endpoint) -> WebSocketURI:
    """Give an address as the library wants it; who asks is told by the endpoint's headers alone."""
    parts = urlsplit(endpoint.url)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return WebSocketURI(parts.scheme == "wss", cast("str", parts.hostname), port, parts.path, parts.query)

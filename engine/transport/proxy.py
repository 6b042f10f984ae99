"""The way through an HTTP proxy: a tunnel that CONNECT asks for, to speak TLS or WebSocket in."""

import base64
import ssl
from collections.abc import Sequence
from typing import Final, cast
from urllib.parse import SplitResult, unquote, urlsplit

import h11
import trio

from engine import limits
from engine.errors import ConnectionLost, ProxyRefused
from engine.transport.retry_after import retry_after_s
from engine.transport.streams import host_and_port, open_tcp, secure

BODY_WAIT_S: Final = 1.0
"""How long the words of a proxy that refuses are waited for, once its status is known."""

_READ_BYTES: Final = 4096
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


async def open_tunnel(proxy: str, host: str, port: int, context: ssl.SSLContext | None = None) -> trio.abc.Stream:
    """Connect to a host through a proxy. It takes as long as the proxy takes: the caller has the deadline.

    Args:
        proxy: `http://` or `https://` address; user and password in it are sent to the proxy.
        host: Where the tunnel leads; the proxy looks the name up.
        port: Its port.
        context: For TLS with an `https://` proxy; the system's certificates when None.

    Raises:
        ConnectionLost: The proxy can't be reached, or is none; `ProxyRefused` when it refuses, and `CertificateRefused`
            when its certificate does not hold.
    """
    parts = urlsplit(proxy)
    where = (cast("str", parts.hostname), parts.port or _DEFAULT_PORTS[parts.scheme])
    stream = await open_tcp(*where, what="the proxy ")
    try:
        if parts.scheme == "https":
            stream = await secure(stream, *where, context, what="the proxy ")
        await _Connect(stream, parts, host_and_port(*where)).ask(host, port)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


class _Connect:
    """One CONNECT request."""

    def __init__(self, stream: trio.abc.Stream, proxy: SplitResult, shown: str) -> None:
        self._stream = stream
        self._credentials = _credentials(proxy)
        self._shown = shown
        self._link = h11.Connection(h11.CLIENT)

    async def ask(self, host: str, port: int) -> None:
        """Ask for a tunnel, and take the answer."""
        try:
            target = host_and_port(host if host.isascii() else host.encode("idna").decode(), port)
            await self._send(target)
            answer = await self._answer()
        except UnicodeError as error:
            raise ConnectionLost(f"can't connect to {host}:{port}: no possible host name") from error
        except (trio.BrokenResourceError, h11.RemoteProtocolError) as error:
            message = f"the proxy {self._shown} ended the connection, or it speaks no HTTP"
            raise ConnectionLost(message) from error
        if not 200 <= answer.status_code < 300:
            raise await self._refusal(target, answer)
        if self._link.trailing_data[0]:
            raise ConnectionLost(f"the proxy {self._shown} sent data of its own into the tunnel")

    async def _send(self, target: str) -> None:
        headers = [("Host", target), *self._credentials]
        request = h11.Request(method="CONNECT", target=target, headers=headers)
        await self._stream.send_all((self._link.send(request) or b"") + (self._link.send(h11.EndOfMessage()) or b""))

    async def _answer(self) -> h11.Response:
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event

    async def _next(self) -> object:
        while True:
            event = self._link.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._link.receive_data(bytes(await self._stream.receive_some(_READ_BYTES)))

    async def _refusal(self, target: str, answer: h11.Response) -> ProxyRefused:
        status = answer.status_code
        said = await self._body() or answer.reason.decode("ascii", "replace") or None
        if status == 407:
            known = "does not take the credentials" if self._credentials else "wants credentials"
            message = f"the proxy {self._shown} {known} (HTTP status 407) | give proxy='http://user:password@host:port'"
        else:
            message = f"the proxy {self._shown} refused a tunnel to {target} with HTTP status {status}"
        return ProxyRefused(message, status=status, reason=said, retry_after_s=retry_after_s(answer.headers))

    async def _body(self) -> str:
        """Read a bounded part of what the proxy says, for a bounded time: the status is known already."""
        body = b""
        with trio.move_on_after(BODY_WAIT_S):
            try:
                while len(body) < limits.HANDSHAKE_BODY_MAX_BYTES:
                    event = await self._next()
                    if not isinstance(event, h11.Data):
                        break
                    body += event.data
            except (trio.BrokenResourceError, h11.RemoteProtocolError):
                pass
        return body[: limits.HANDSHAKE_BODY_MAX_BYTES].decode(errors="replace")


def _credentials(proxy: SplitResult) -> Sequence[tuple[str, str]]:
    if not proxy.username:
        return ()
    secret = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return [("Proxy-Authorization", "Basic " + base64.b64encode(secret.encode()).decode())]

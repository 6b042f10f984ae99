"""An HTTP CONNECT proxy on the loopback, for tests: it tunnels, asks for a password, refuses, or never answers."""

import base64
from contextlib import asynccontextmanager

import trio

HEAD_MAX_BYTES = 16_384
REASONS = {403: "Forbidden", 407: "Proxy Authentication Required", 502: "Bad Gateway"}


class ConnectProxy:
    """Tunnels TCP for clients that ask with CONNECT.

    Attributes:
        host: Address it listens on.
        port: Port it listens on.
        requests: Each CONNECT's target, as in `127.0.0.1:8123`, in order, refused ones too.
        headers: Each CONNECT's headers, by name in lower case, in the same order.
        refuse_with: Status of the answer to every CONNECT, as 403; None tunnels. A test may change it.
        mute: True to take requests and never answer them. A test may change it.
        open_tunnels: How many are open.
        tunnelled_bytes: From clients to servers.
    """

    def __init__(self, require_auth, refuse_with, mute):
        self.host, self.port = "127.0.0.1", 0
        self.requests = []
        self.headers = []
        self.refuse_with = refuse_with
        self.mute = mute
        self.open_tunnels = 0
        self.tunnelled_bytes = 0
        self._auth = require_auth

    @property
    def url(self):
        """Give the proxy's URL, without credentials."""
        return f"http://{self.host}:{self.port}"

    def url_as(self, user, password):
        """Give the proxy's URL with credentials, which must need no escapes."""
        return f"http://{user}:{password}@{self.host}:{self.port}"

    async def serve(self, client):
        """Serve one connection."""
        try:
            head, rest = await _read_head(client)
            if head is None:
                return
            method, target, headers = _parse(head)
            self.requests.append(target)
            self.headers.append(headers)
            if self.mute:
                await trio.sleep_forever()
            status = self._status(method, headers)
            if status != 200:
                await client.send_all(_answer(status))
                return
            await self._tunnel(client, target, rest)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # either end has gone

    def _status(self, method, headers):
        if method != "CONNECT":
            return 403
        if self._auth is not None and headers.get("proxy-authorization") != _basic(*self._auth):
            return 407
        return self.refuse_with or 200

    async def _tunnel(self, client, target, rest):
        host, _, port = target.rpartition(":")
        try:
            server = await trio.open_tcp_stream(host.strip("[]"), int(port))
        except OSError:
            await client.send_all(_answer(502))
            return
        self.open_tunnels += 1
        try:
            async with server:
                await client.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                if rest:
                    await server.send_all(rest)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump, client, server, True)
                    await self._pump(server, client, False)
                    nursery.cancel_scope.cancel()
        finally:
            self.open_tunnels -= 1

    async def _pump(self, source, sink, counted):
        try:
            async for data in source:
                self.tunnelled_bytes += len(data) if counted else 0
                await sink.send_all(data)
            if isinstance(sink, trio.SocketStream):
                await sink.send_eof()
        except trio.BrokenResourceError:
            pass  # either end has gone; here, for a nursery would put it into a group


async def _read_head(stream):
    """Read up to the empty line. Gives the head, and what came behind it; None where the client left."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = await stream.receive_some()
        data += more
        if not more or len(data) > HEAD_MAX_BYTES:
            return None, b""
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.decode("latin-1"), rest


def _parse(head):
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    named = (line.partition(":") for line in lines)
    return method, target, {name.strip().lower(): value.strip() for name, _, value in named}


def _basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _answer(status):
    challenge = 'Proxy-Authenticate: Basic realm="tests"\r\n' if status == 407 else ""
    return f"HTTP/1.1 {status} {REASONS.get(status, 'Refused')}\r\n{challenge}Content-Length: 0\r\n\r\n".encode()


@asynccontextmanager
async def connect_proxy(require_auth=None, *, refuse_with=None, mute=False):
    """Run a proxy for the time of the block.

    Args:
        require_auth: User and password that it asks for with 407, or None.
        refuse_with: Status of the answer to every CONNECT, as 403.
        mute: True to take requests and never answer.

    Yields:
        The `ConnectProxy`.
    """
    proxy = ConnectProxy(require_auth, refuse_with, mute)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host=proxy.host)
        proxy.port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, proxy.serve, listeners)
        try:
            yield proxy
        finally:
            nursery.cancel_scope.cancel()

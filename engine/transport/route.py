"""Opens the way to an endpoint: straight or through a proxy, with TLS where its address asks for it."""

from typing import Final, cast
from urllib.parse import urlsplit

import attrs
import trio

from engine.transport.base import Endpoint
from engine.transport.proxy import open_tunnel
from engine.transport.streams import open_tcp, secure

DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}


@attrs.frozen
class Destination:
    """Who is to answer at the end of the way.

    Attributes:
        host: A name or an address.
        port: Its port.
        is_secure: True where it speaks TLS.
    """

    host: str
    port: int
    is_secure: bool

    @classmethod
    def of(cls, endpoint: Endpoint) -> "Destination":
        """Read it from an address."""
        parts = urlsplit(endpoint.url)
        return cls(cast("str", parts.hostname), parts.port or DEFAULT_PORTS[parts.scheme], parts.scheme == "wss")


async def open_route(endpoint: Endpoint) -> trio.abc.Stream:
    """Connect. It takes as long as the network takes: the caller has the deadline.

    Args:
        endpoint: Where to.

    Raises:
        ConnectionLost: It could not be done; `ProxyRefused` or `CertificateRefused` where that is why.
    """
    to = Destination.of(endpoint)
    stream = await open_bare_route(endpoint)
    return await secure(stream, to.host, to.port, endpoint.ssl_context) if to.is_secure else stream


async def open_bare_route(endpoint: Endpoint) -> trio.abc.Stream:
    """Connect, and leave TLS with the server to the caller; with an `https` proxy it is spoken.

    Raises:
        ConnectionLost: It could not be done; `ProxyRefused` where that is why.
    """
    to = Destination.of(endpoint)
    if endpoint.proxy is None:
        return await open_tcp(to.host, to.port)
    return await open_tunnel(endpoint.proxy, to.host, to.port, endpoint.ssl_context)

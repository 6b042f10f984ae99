"""Opens byte streams to a host: TCP, and TLS on any stream. What goes wrong is told in the system's own words."""

import functools
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from engine.errors import CertificateRefused, ConnectionLost


async def open_tcp(host: str, port: int, what: str = "") -> trio.abc.Stream:
    """Connect.

    Args:
        host: A name or an address.
        port: Its port.
        what: Said before the address in an error, as in `the proxy `.

    Raises:
        ConnectionLost: It could not be done.
    """
    try:
        return await trio.open_tcp_stream(host, port)
    except (OSError, UnicodeError) as error:  # UnicodeError: no possible host name
        message = f"can't connect to {what}{host}:{port}: {words(error)}"
        raise ConnectionLost(message, reason=words(error)) from error


async def secure(
    stream: trio.abc.Stream, host: str, port: int, context: ssl.SSLContext | None, what: str = ""
) -> trio.abc.Stream:
    """Make the TLS handshake as a client, and check who answers. On failure the stream is closed.

    Raises:
        ConnectionLost: It failed; `CertificateRefused` when the certificate does not hold, as one of another host.
    """
    secured = trio.SSLStream(stream, context or default_context(), server_hostname=host, https_compatible=True)
    try:
        with tls_told(host, port, what):
            await secured.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return secured


@contextmanager
def tls_told(host: str, port: int, what: str = "") -> Iterator[None]:
    """Run a block that makes a TLS handshake, and tell what goes wrong in it as `secure` does."""
    try:
        yield
    except (trio.BrokenResourceError, ssl.SSLError, ssl.CertificateError) as error:
        why = error.__cause__ or error
        kind = CertificateRefused if isinstance(why, ssl.SSLCertVerificationError) else ConnectionLost
        raise kind(f"TLS with {what}{host}:{port} failed: {words(why)}", reason=words(why)) from error


@functools.cache
def default_context() -> ssl.SSLContext:
    """Load the system's certificates once; it takes some 10 ms, which a farm would pay for each session."""
    return ssl.create_default_context()


def words(error: BaseException) -> str:
    """Say what went wrong in the system's own words; of the last attempt where a name has several addresses."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[-1]
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):  # An OSError too, whose errno is not the system's.
        return str(error)
    if isinstance(error, OSError) and error.errno is None and error.__cause__ is not None:
        return words(error.__cause__)
    if isinstance(error, socket.gaierror):  # Its errno is of the name service.
        return error.strerror or str(error)
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def host_and_port(host: str, port: int) -> str:
    """Write an address as URLs and headers do, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

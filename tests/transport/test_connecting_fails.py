"""Every way in which a connection fails, over real sockets: the error, its fields, and whether it may help to go on."""

import socket
import ssl
import struct
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import pytest
import trio
import trustme
import wsproto
from carriers import carrier, each
from connect_proxy import connect_proxy
from rooms import KEY, open_sockets
from wsproto.events import AcceptConnection, CloseConnection, TextMessage

from engine.errors import CertificateRefused, ConnectionLost, HandshakeRejected, ProxyRefused
from engine.protocol.passing import is_passing
from engine.transport.base import Endpoint

carried = each()

CA = trustme.CA()
DAY = timedelta(days=1)
NOW = datetime.now(UTC)


async def read_head(stream):
    head = b""
    while b"\r\n\r\n" not in head:
        head += await stream.receive_some() or pytest.fail("no whole request")
    return head


def reset(stream):
    """Make the stream's end a reset, where it would be an orderly end of data."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@asynccontextmanager
async def listening(handler):
    """Serve connections with a handler; give the port."""

    async def run(stream):
        try:
            await handler(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client has gone, as it should
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), run, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def failure(url, **options):
    """Connect in vain, and leave no socket open; give what is raised."""
    target = Endpoint(url=url, headers=[("Authorization", f"Bearer {KEY}")], **options)
    before = open_sockets()
    async with trio.open_nursery() as nursery:
        with trio.fail_after(30), pytest.raises(ConnectionLost) as caught:
            await carrier.connect(nursery, target)
    with trio.fail_after(30):
        while open_sockets() > before:  # noqa: ASYNC110 - the kernel has no event for it
            await trio.sleep(0.001)
    shown = f"{caught.value!r} {caught.value} {vars(caught.value)} {caught.value.__cause__!r}"
    assert KEY not in shown
    return caught.value


async def answered(answer, *, by_reset=False):
    """Connect to a server that takes the request, answers this, and hangs up."""

    async def handle(stream):
        await read_head(stream)
        if answer:
            await stream.send_all(answer)
        if by_reset:
            reset(stream)

    async with listening(handle) as port:
        return await failure(f"ws://127.0.0.1:{port}/v1")


def refusal(status, *headers, body=b""):
    lines = [f"HTTP/1.1 {status} No", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


# --- no way there ---------------------------------------------------------------------------------------------------


async def test_a_port_where_nobody_listens():
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    error = await failure(f"ws://127.0.0.1:{port}/v1")

    assert (type(error), error.reason) == (ConnectionLost, "Connection refused")
    assert is_passing(error), "a server that restarts listens again"


class NoNames(trio.abc.HostnameResolver):
    """A name service that fails."""

    def __init__(self, number):
        self.number = number

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):
        await trio.lowlevel.checkpoint()
        raise socket.gaierror(self.number, "no such luck")

    async def getnameinfo(self, sockaddr, flags):
        raise NotImplementedError


@contextmanager
def names_by(resolver):
    before = trio.socket.set_custom_hostname_resolver(resolver)
    try:
        yield
    finally:
        trio.socket.set_custom_hostname_resolver(before)


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_AGAIN], ids=["unknown", "no answer"])
async def test_a_name_that_nobody_resolves(number):
    with names_by(NoNames(number)):
        error = await failure("wss://service.invalid/v1")

    assert type(error) is ConnectionLost
    assert str(error) == "can't connect to service.invalid:443: no such luck"
    assert error.reason == "no such luck"
    assert is_passing(error), "a laptop without a network says the same of any name"


# --- the server refuses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        (["Retry-After: 7"], 7),
        (["Retry-After: 7", "retry-after-ms: 6500"], 6.5),
        (["Date: Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After: Wed, 21 Oct 2015 07:28:30 GMT"], 30),
        ([], None),
        (["Retry-After: soon"], None),
    ],
    ids=["seconds", "milliseconds", "date", "nothing", "nonsense"],
)
async def test_a_busy_server_says_when_to_come_back(status, headers, wait_s):
    error = await answered(refusal(status, *headers, body=b"busy"))

    assert (type(error), error.status, error.body) == (HandshakeRejected, status, "busy")
    assert error.retry_after_s == wait_s
    assert is_passing(error)


async def test_a_date_without_the_servers_clock_is_measured_by_ours():
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    error = await answered(refusal(503, f"Retry-After: {until}"))

    assert 60 < error.retry_after_s <= 101


async def test_an_empty_account_is_no_matter_of_waiting():
    error = await answered(refusal(429, "Retry-After: 1", body=b'{"error": {"code": "insufficient_quota"}}'))

    assert (type(error), error.retry_after_s) == (HandshakeRejected, 1)
    assert not is_passing(error)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404])
async def test_a_server_that_means_no(status):
    error = await answered(refusal(status))

    assert (type(error), error.status) == (HandshakeRejected, status)
    assert not is_passing(error)


ANSWERS = {
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "refusal": refusal(503, "Retry-After: 7", body=b"busy"),
}


@pytest.mark.parametrize("by_reset", [False, True], ids=["end", "reset"])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_that_is_cut_short(answer, share, by_reset):
    error = await answered(answer[: int(len(answer) * share)], by_reset=by_reset)

    assert type(error) is ConnectionLost
    assert error.code is None
    assert is_passing(error)


# --- the proxy refuses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "passing"), [(403, False), (404, False), (407, False), (429, True), (502, True), (503, True)]
)
async def test_a_proxy_that_refuses(status, passing):
    async with connect_proxy(refuse_with=status) as proxy:
        error = await failure("ws://service.invalid/v1", proxy=proxy.url)

    assert (type(error), error.status, error.retry_after_s) == (ProxyRefused, status, None)
    assert is_passing(error) is passing


async def test_a_busy_proxy_says_when_to_come_back():
    async def handle(stream):
        await read_head(stream)
        await stream.send_all(refusal(503, "Retry-After: 3"))

    async with listening(handle) as port:
        error = await failure("ws://service.invalid/v1", proxy=f"http://127.0.0.1:{port}")

    assert (type(error), error.retry_after_s) == (ProxyRefused, 3)


# --- TLS ------------------------------------------------------------------------------------------------------------


def self_signed():
    """A server that shows an authority's certificate as its own: nobody has signed it but itself."""
    own = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with own.cert_pem.tempfile() as certificate, own.private_key_pem.tempfile() as key:
        context.load_cert_chain(certificate, key)
    return context


def signed(authority, *names, **validity):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **validity).configure_cert(context)
    return context


BAD = {
    "wrong host": (lambda: signed(CA, "example.org"), "IP address mismatch"),
    "expired": (lambda: signed(CA, "127.0.0.1", not_before=NOW - 20 * DAY, not_after=NOW - DAY), "has expired"),
    "not yet valid": (lambda: signed(CA, "127.0.0.1", not_before=NOW + DAY, not_after=NOW + 20 * DAY), "not yet valid"),
    "self-signed": (self_signed, "self-signed certificate"),
    "unknown issuer": (lambda: signed(trustme.CA(), "127.0.0.1"), "unable to get local issuer certificate"),
}


@pytest.fixture
def trusting():
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return context


def shaking(context):
    """Make a server that shakes hands, and must hear nothing after."""

    async def handle(stream):
        secured = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        await secured.do_handshake()
        assert not await secured.receive_some(), "it sends its key to a server that it can't trust"

    return handle


@pytest.mark.parametrize(("make", "why"), BAD.values(), ids=BAD)
async def test_a_certificate_that_does_not_hold(make, why, trusting):
    async with listening(shaking(make())) as port:
        error = await failure(f"wss://127.0.0.1:{port}/v1", ssl_context=trusting)

    assert type(error) is CertificateRefused
    assert isinstance(error.__cause__, trio.BrokenResourceError)
    assert str(error).startswith(f"TLS with 127.0.0.1:{port} failed: certificate verify failed: ")
    assert why in error.reason
    assert not is_passing(error), "somebody else may be listening in"


async def test_a_proxys_certificate_that_does_not_hold(trusting):
    async with listening(shaking(self_signed())) as port:
        error = await failure("wss://service.invalid/v1", proxy=f"https://127.0.0.1:{port}", ssl_context=trusting)

    assert type(error) is CertificateRefused
    assert "TLS with the proxy 127.0.0.1" in str(error)
    assert not is_passing(error)


def first_flight(hello):
    """What a server answers to a client's first TLS message."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = signed(CA, "127.0.0.1").wrap_bio(into, out, server_side=True)
    into.write(hello)
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    return out.read()


@pytest.mark.parametrize("by_reset", [False, True], ids=["end", "reset"])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
async def test_a_tls_handshake_that_is_cut_short(share, by_reset, trusting):
    async def handle(stream):
        flight = first_flight(await stream.receive_some())
        part = flight[: int(len(flight) * share)]
        if part:
            await stream.send_all(part)
        if by_reset:
            reset(stream)

    async with listening(handle) as port:
        error = await failure(f"wss://127.0.0.1:{port}/v1", ssl_context=trusting)

    assert type(error) is ConnectionLost
    assert "TLS with 127.0.0.1" in str(error)
    assert is_passing(error)


async def test_a_server_that_speaks_no_tls():
    async def handle(stream):
        await stream.receive_some()
        await stream.send_all(refusal(502))

    async with listening(handle) as port:
        error = await failure(f"wss://127.0.0.1:{port}/v1")

    assert type(error) is ConnectionLost
    assert is_passing(error), "a gateway that starts may say this for a while; the policy bounds how long"


# --- after the handshake --------------------------------------------------------------------------------------------


async def lost(end):
    """Connect to a server that takes the connection, and ends it as `end` does with its stream; give what is raised."""

    async def handle(stream):
        server = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        server.receive_data(await read_head(stream))
        await stream.send_all(server.send(AcceptConnection()))
        await end(stream, server)

    async with listening(handle) as port, trio.open_nursery() as nursery:
        with trio.fail_after(30):
            transport = await carrier.connect(nursery, Endpoint(url=f"ws://127.0.0.1:{port}/v1"))
            with pytest.raises(ConnectionLost) as caught:
                await transport.receive()
            await transport.close(1)
    return caught.value


@pytest.mark.parametrize("by_reset", [False, True], ids=["end", "reset"])
@pytest.mark.parametrize("share", [0, 0.1, 0.9])
async def test_a_stream_that_ends_inside_a_message(share, by_reset):
    async def end(stream, server):
        message = server.send(TextMessage("x" * 1000))
        await stream.send_all(message[: int(len(message) * share)] or b"\x81")
        if by_reset:
            reset(stream)

    error = await lost(end)

    assert (type(error), error.code) == (ConnectionLost, 1006)
    assert is_passing(error)


DAMAGED = {
    "no such opcode": b"\xff\xff\xff\xff",
    "reserved bit": b"\xc1\x01x",
    "not UTF-8": b"\x81\x02\xff\xfe",
    "masked": b"\x81\x81abcdx",
}


@pytest.mark.parametrize("frame", DAMAGED.values(), ids=DAMAGED)
async def test_a_frame_that_was_damaged_on_the_way(frame):
    async def end(stream, _):
        await stream.send_all(frame)
        await stream.receive_some()

    error = await lost(end)

    assert (type(error), error.code) == (ConnectionLost, None), "no close frame has come"
    assert str(error) == f"the server sent what is no WebSocket frame: {error.reason}"
    assert is_passing(error), "it is no word of the server's against us"


@pytest.mark.parametrize(
    ("code", "reason", "passing"),
    [
        (1000, None, False),
        (1001, "Your session hit the maximum duration of 60 minutes.", True),
        (1002, "protocol error", False),
        (1007, "not UTF-8", False),
        (1008, "policy", False),
        (1011, "server error", True),
        (1011, "invalid_request_error.insufficient_quota", False),
        (1012, None, True),
        (1013, None, True),
        (3000, "invalid_request_error.invalid_api_key", False),
        (4000, "invalid_request_error.invalid_model", False),
    ],
)
async def test_a_server_that_closes(code, reason, passing):
    async def end(stream, server):
        await stream.send_all(server.send(CloseConnection(code=code, reason=reason)))
        await stream.receive_some()

    error = await lost(end)

    assert (type(error), error.code, error.reason) == (ConnectionLost, code, reason)
    assert is_passing(error) is passing

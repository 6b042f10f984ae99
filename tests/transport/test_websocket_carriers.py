"""Both transports over the network, against servers that answer, refuse, lie, flood, fall silent and go away."""

import logging
import ssl
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing
import trio_websocket
import trustme
from carriers import carrier, each
from rooms import KEY, open_sockets
from websocket_by_hand import (
    OK,
    accept_key,
    by_hand,
    close_frame,
    endpoint,
    frame,
    read_exactly,
    read_ping,
    read_request,
)
from websockets.exceptions import PayloadTooBig

from engine import limits
from engine.errors import ConnectionLost, HandshakeRejected, LimitExceeded
from engine.simulator import serve

carried = each()


async def receive(transport, count):
    """Receive so many messages: of two that come together, one transport gives both, the other one by one."""
    got = []
    while len(got) < count:
        got += await transport.receive()
    return got


async def refused(answer):
    """Connect to a server that answers this and hangs up; give what is raised."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:

        async def shake():
            request = await read_request(theirs)
            await theirs.send_all(answer(request) if callable(answer) else answer)
            await theirs.aclose()

        nursery.start_soon(shake)
        with trio.fail_after(5), pytest.raises(ConnectionLost) as caught:
            await carrier.wrap(nursery, ours, endpoint())
        await ours.aclose()
    return caught.value


# --- the handshake --------------------------------------------------------------------------------------------------


async def test_what_is_asked_for(autojump_clock):
    async with by_hand() as (_, server):
        lines = server.request.decode().split("\r\n")
    assert lines[0] == "GET /v1/realtime?model=gpt-realtime HTTP/1.1"
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    assert headers["Host"] == "127.0.0.1"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert not [name for name in headers if name.lower() == "sec-websocket-extensions"], "compression is not offered"


@pytest.mark.parametrize(
    ("url", "host", "resource"),
    [
        ("ws://[::1]:8123/v1/realtime?model=a%20b", "[::1]:8123", "/v1/realtime?model=a%20b"),
        ("ws://localhost:80", "localhost", "/"),
        ("wss://localhost:443", "localhost", "/"),
        ("ws://localhost:443", "localhost:443", "/"),
        ("wss://localhost:80", "localhost:80", "/"),
        ("ws://localhost:8080/?x", "localhost:8080", "/?x"),
    ],
)
async def test_where_it_leads(url, host, resource, autojump_clock):
    async with by_hand(url=url) as (_, server):
        request = server.request.decode()
    assert request.startswith(f"GET {resource} HTTP/1.1\r\n")
    assert f"\r\nHost: {host}\r\n" in request


def test_an_endpoint_shows_neither_key_nor_query():
    shown = repr(endpoint("wss://host/v1/realtime?api-key=secret&model=m"))
    assert "url='wss://host/v1/realtime'" in shown
    assert "secret" not in shown
    assert KEY not in shown


async def test_a_refusal_gives_status_and_body(autojump_clock):
    body = b'{"error": "no such thing"}'
    error = await refused(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    assert isinstance(error, HandshakeRejected)
    assert (error.status, error.body, error.reason) == (403, body.decode(), body.decode())
    assert "403" in str(error)
    assert error.__cause__ is not None


async def test_a_refusal_keeps_a_bounded_part_of_its_body(autojump_clock):
    body = b"\xff" + b"x" * 100_000
    error = await refused(b"HTTP/1.1 500 Oh\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    assert error.status == 500
    assert len(error.body) == limits.HANDSHAKE_BODY_MAX_BYTES
    assert error.body.startswith("\N{REPLACEMENT CHARACTER}x")


async def test_a_refusal_without_a_body(autojump_clock):
    error = await refused(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    assert (error.status, error.body, error.reason) == (404, "", None)


def accepted_with(extra):
    return lambda request: OK % accept_key(request) + extra + b"\r\n"


GARBAGE = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 10",
    "half a header": b"HTTP/1.1 101 Switching Protocols\r\nUpgr",
    "half a refusal": b"HTTP/1.1 401 No\r\nContent-Length: 10\r\n\r\nabc",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "binary": bytes(range(256)) * 10,
    "TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "no upgrade": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "wrong accept": OK % b"bm90IHJpZ2h0" + b"\r\n",
    "header not ASCII": b"HTTP/1.1 101 X\r\nUpgrade: \xff\xfe\r\nConnection: \xff\r\n\r\n",
    "accept not ASCII": OK % b"\xff\xff" + b"\r\n",
    "endless header": b"HTTP/1.1 101 X\r\nX: " + b"y" * 200_000,
    "extension not asked for": accepted_with(b"Sec-WebSocket-Extensions: permessage-deflate\r\n"),
    "extension not ASCII": accepted_with(b"Sec-WebSocket-Extensions: \xff\r\n"),
    "subprotocol not asked for": accepted_with(b"Sec-WebSocket-Protocol: other\r\n"),
    "subprotocol not ASCII": accepted_with(b"Sec-WebSocket-Protocol: \xff\r\n"),
    "early refusal": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
async def test_a_handshake_of_garbage_is_a_lost_connection(answer, autojump_clock):
    error = await refused(answer)
    assert type(error) in (ConnectionLost, HandshakeRejected)
    assert KEY not in repr(error) + str(error)


async def test_a_handshake_that_never_comes_can_be_cancelled(autojump_clock):
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(5) as scope:
            await carrier.wrap(nursery, ours, endpoint())
        assert scope.cancelled_caught
        await trio.aclose_forcefully(ours)
    with trio.fail_after(1):
        await theirs.aclose()


# --- connecting over TCP and TLS ------------------------------------------------------------------------------------


@asynccontextmanager
async def listening(handler):
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), handler, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def fails(url, **options):
    before = open_sockets()
    async with trio.open_nursery() as nursery:
        with trio.fail_after(5), pytest.raises(ConnectionLost) as caught:
            await carrier.connect(nursery, endpoint(url, **options))
    assert open_sockets() == before
    return caught.value


async def test_nobody_listens():
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    error = await fails(f"ws://127.0.0.1:{port}/v1")
    assert (str(error), error.reason) == (
        f"can't connect to 127.0.0.1:{port}: Connection refused",
        "Connection refused",
    )
    assert isinstance(error.__cause__, OSError)


async def test_a_host_that_can_not_be_a_name():
    error = await fails("ws://" + "a" * 70 + ".invalid/v1")
    assert "can't connect" in str(error)


async def test_the_server_hangs_up_in_the_handshake():
    async def hang_up(stream):
        await read_request(stream)
        await stream.aclose()

    async with listening(hang_up) as port:
        error = await fails(f"ws://127.0.0.1:{port}/v1")
        assert "handshake" in str(error)


async def test_a_refusal_over_tcp_leaves_no_socket():
    async def refuse(stream):
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno!")

    async with listening(refuse) as port:
        before = open_sockets()
        async with trio.open_nursery() as nursery:
            with pytest.raises(HandshakeRejected) as caught:
                await carrier.connect(nursery, endpoint(f"ws://127.0.0.1:{port}/v1"))
        assert caught.value.status == 401
        await trio.testing.wait_all_tasks_blocked()
        assert open_sockets() == before


CA = trustme.CA()
CERTIFICATE = CA.issue_cert("127.0.0.1", "localhost")


@asynccontextmanager
async def secured(handler):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    CERTIFICATE.configure_cert(context)

    async def serve_tls(stream):
        over_tls = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            await handler(over_tls)
        except trio.BrokenResourceError:
            pass
        finally:
            await trio.aclose_forcefully(over_tls)

    async with listening(serve_tls) as port:
        yield f"wss://127.0.0.1:{port}/v1/realtime?model=gpt-realtime"


@pytest.fixture
def trusting():
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return context


async def test_tls_with_a_good_certificate(trusting):
    async with serve(host=None) as simulator, secured(simulator.serve_stream) as url:
        before = open_sockets()
        async with trio.open_nursery() as nursery:
            transport = await carrier.connect(nursery, endpoint(url, ssl_context=trusting))
            [message] = await transport.receive()
            assert '"session.created"' in message
            await transport.close(2)
        await trio.testing.wait_all_tasks_blocked()
        assert open_sockets() == before
        assert simulator.sessions[0].close_code == 1000


async def test_the_systems_certificates_are_the_default():
    async def shake(stream):
        await stream.do_handshake()

    async with secured(shake) as url:
        async with trio.open_nursery() as nursery:
            with pytest.raises(ConnectionLost, match="certificate verify failed"):
                await carrier.connect(nursery, endpoint(url))
        await trio.sleep(0.01)


async def test_tls_to_a_server_without_it():
    async def plain(stream):
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(plain) as port:
        error = await fails(f"wss://127.0.0.1:{port}/v1")
        assert "TLS" in str(error)


async def test_tls_handshake_that_never_comes_is_cancelled():
    async def silent(_):
        await trio.sleep_forever()

    async with listening(silent) as port:
        before = open_sockets()
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(0.05) as scope:
                await carrier.connect(nursery, endpoint(f"wss://127.0.0.1:{port}/v1"))
        assert scope.cancelled_caught
        await trio.testing.wait_all_tasks_blocked()
        assert open_sockets() - before <= 1, "the server's end may be left, ours is not"


# --- talking --------------------------------------------------------------------------------------------------------


async def test_messages_text_and_binary_joined_from_frames(autojump_clock):
    async with by_hand() as (transport, server):
        await server.send_all(frame(b"one") + frame(b"\0\1", 2) + frame(b"hal", fin=False) + frame(b"ves", 0))
        got = await receive(transport, 3)
        assert got == ["one", b"\0\1", "halves"]
        statistics = transport.statistics()
        assert statistics.bytes_received > 20
        await transport.send("back")
        assert transport.statistics().bytes_sent == statistics.bytes_sent + 4 + 6


async def test_pings_are_answered_while_nobody_receives(autojump_clock):
    async with by_hand() as (transport, server), trio.open_nursery() as nursery:
        if carrier.name == "websockets":  # It has no task that reads: whoever waits for a pong does, as liveness.
            nursery.start_soon(transport.ping)
            await read_ping(server)
        await server.send_all(frame(b"mark", 9))
        with trio.fail_after(1):
            pong = await server.receive_some(100)
        assert pong[0] == 0x8A
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "Your session hit the maximum duration"), (4001, "x")])
async def test_the_servers_close_is_told_after_what_came_before(code, reason, autojump_clock):
    async with by_hand() as (transport, server):
        await server.send_all(frame(b"last") + close_frame(code, reason))
        assert list(await transport.receive()) == ["last"]
        with pytest.raises(ConnectionLost, match=f"close code {code}") as caught:
            await transport.receive()
        assert (caught.value.code, caught.value.reason) == (code, reason or None)
        with pytest.raises(ConnectionLost) as caught:
            await transport.send("too late")
        assert caught.value.code == code


async def test_a_connection_that_breaks_off(autojump_clock):
    async with by_hand() as (transport, server):
        await server.aclose()
        with pytest.raises(ConnectionLost) as caught:
            await transport.receive()
        assert caught.value.code == 1006
        with pytest.raises(ConnectionLost):
            await transport.send("x")


@pytest.mark.parametrize(
    "garbage",
    [b"\xff\xff\xff\xff", b"\x83\x00", b"\xc1\x01x", frame(b"\xff\xfe"), b"\x81\x81abcdx", frame(b"x", 0), b"HTTP/1.1"],
    ids=["noise", "opcode", "reserved bit", "not UTF-8", "masked", "lost continuation", "HTTP"],
)
async def test_frames_of_garbage_are_a_lost_connection(garbage, autojump_clock):
    async with by_hand() as (transport, server):
        await server.send_all(frame(b"good") + garbage)
        assert list(await transport.receive()) == ["good"]
        with trio.fail_after(5), pytest.raises(ConnectionLost):
            await transport.receive()
        started = trio.current_time()
        await transport.close(60)
        assert trio.current_time() == started, "there is nobody to wait for"


async def test_a_message_at_the_hard_bound_and_one_past_it(autojump_clock):
    bound = 10_000
    async with by_hand(message_hard_max_bytes=bound) as (transport, server):
        await server.send_all(frame(b"x" * bound))
        [message] = await transport.receive()
        assert len(message) == bound
        await server.send_all(frame(b"x" * (bound + 1)))
        with pytest.raises(ConnectionLost, match="over the bound of 10000 bytes") as caught:
            await transport.receive()
        assert caught.value.code == 1009
        cause = caught.value.__cause__
        assert isinstance(cause, LimitExceeded)
        assert (cause.limit, cause.bound) == ("MESSAGE_HARD_MAX_BYTES", bound)
        assert isinstance(cause.__cause__, (trio_websocket.ConnectionClosed, PayloadTooBig))
        assert (await server.receive_some(100))[0] == 0x88


async def test_the_servers_own_1009_is_not_our_bound(autojump_clock):
    async with by_hand() as (transport, server):
        await server.send_all(close_frame(1009, "message too big"))
        with pytest.raises(ConnectionLost, match="close code 1009: message too big"):
            await transport.receive()


# --- closing --------------------------------------------------------------------------------------------------------


async def elapsed(transport, deadline_s):
    started = trio.current_time()
    await transport.close(deadline_s)
    return trio.current_time() - started


async def test_a_close_in_order(autojump_clock):
    async with by_hand() as (transport, server):

        async def answer():
            data = await server.receive_some(100)
            assert data[0] == 0x88
            await trio.sleep(0.5)
            await server.send_all(close_frame(1000))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            assert await elapsed(transport, 10) == pytest.approx(0.5)
        assert await elapsed(transport, 10) == 0


async def test_a_close_with_a_silent_peer_takes_its_deadline(autojump_clock):
    async with by_hand() as (transport, server):
        assert await elapsed(transport, 2) == pytest.approx(2)
        with pytest.raises(ConnectionLost):
            await transport.receive()
        assert await server.receive_some(100)
        assert await server.receive_some(100) == b""


async def test_a_close_with_a_peer_that_does_not_read_takes_its_deadline(autojump_clock):
    async with by_hand(pair=trio.testing.lockstep_stream_pair) as (transport, _), trio.open_nursery() as nursery:

        async def send():
            with pytest.raises(ConnectionLost):
                await transport.send("nobody takes this")

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert await elapsed(transport, 2) == pytest.approx(2)


async def test_a_close_with_a_peer_that_is_gone_takes_no_time(autojump_clock):
    async with by_hand() as (transport, server):
        await server.aclose()
        assert await elapsed(transport, 2) == 0


async def test_a_close_while_the_peer_floods_reads_a_bounded_part(autojump_clock):
    async with by_hand() as (transport, server), trio.open_nursery() as nursery:
        sent = 0

        async def flood():
            nonlocal sent
            with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):  # noqa: PT012 - at some time
                while True:
                    await server.send_all(frame(b"x" * 10_000))
                    sent += 10_000
                    await trio.sleep(0.001)

        nursery.start_soon(flood)
        await trio.sleep(0.1)
        before = sent
        took = await elapsed(transport, 10)
        assert took < 0.1
        assert sent - before < 2 * limits.CLOSE_DRAIN_MAX_BYTES


async def test_a_close_after_the_reader_was_cancelled_says_goodbye_and_does_not_wait(autojump_clock):
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:

        async def shake():
            request = await read_request(theirs)
            await theirs.send_all(OK % accept_key(request) + b"\r\n")

        nursery.start_soon(shake)
        async with trio.open_nursery() as inner:
            transport = await carrier.wrap(inner, ours, endpoint())
            inner.cancel_scope.cancel()
        assert await elapsed(transport, 10) == 0
        assert (await theirs.receive_some(100))[0] == 0x88
        assert await theirs.receive_some(100) == b""


async def test_a_close_that_is_cancelled_drops_the_connection(autojump_clock):
    async with by_hand() as (transport, server):
        with trio.CancelScope() as scope:
            scope.cancel()
            await transport.close(10)
        with trio.fail_after(1):
            while await server.receive_some(100):
                pass


async def test_no_key_in_any_log_or_repr(caplog, autojump_clock):
    caplog.set_level(logging.DEBUG)
    async with by_hand() as (transport, server):
        await server.send_all(frame(b"x"))
        await transport.receive()
        shown = f"{transport!r}{endpoint()!r}{endpoint()}"
    error = await refused(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
    assert KEY not in caplog.text + shown + repr(error) + str(error) + repr(error.__cause__)
    assert bool(caplog.records) == (carrier.name == "trio-websocket"), "websockets logs headers, if one lets it"


# --- pings ----------------------------------------------------------------------------------------------------------


def remembered(transport):
    """Pings whose answer a transport still looks out for."""
    if carrier.name == "trio-websocket":
        return transport._socket._pings
    return transport._reader.awaited


async def test_a_ping_is_answered_and_timed(autojump_clock):
    async with by_hand() as (transport, server), trio.open_nursery() as nursery:
        assert transport.statistics().round_trip_s is None

        async def answer():
            for delay_s in (0.2, 0.5):
                payload = await read_ping(server)
                await trio.sleep(delay_s)
                await server.send_all(frame(payload, 10))

        nursery.start_soon(answer)
        await transport.ping()
        await transport.ping()
        figures = transport.statistics()
        assert (figures.round_trip_s, figures.round_trip_min_s) == (pytest.approx(0.5), pytest.approx(0.2))
        assert (figures.pings_sent, figures.pings_answered) == (2, 2)


async def test_pings_that_were_cancelled_leave_nothing_behind_and_late_answers_are_harmless(autojump_clock):
    async with by_hand() as (transport, server):
        payloads = []
        for _ in range(50):
            with trio.move_on_after(1) as scope:
                await transport.ping()
            assert scope.cancelled_caught
            payloads.append(await read_ping(server))
        assert len(set(payloads)) == 50
        assert not remembered(transport)
        for payload in [*payloads, b"never sent", b""]:
            await server.send_all(frame(payload, 10))
        await server.send_all(frame(b"goes on"))
        assert list(await transport.receive()) == ["goes on"]
        assert transport.statistics().pings_answered == 0


async def test_a_late_answer_is_not_taken_for_that_of_the_next_ping(autojump_clock):
    async with by_hand() as (transport, server), trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            await transport.ping()
        late = await read_ping(server)

        async def answer():
            payload = await read_ping(server)
            await server.send_all(frame(late, 10))
            await trio.sleep(3)
            await server.send_all(frame(payload, 10))

        nursery.start_soon(answer)
        await transport.ping()
        assert transport.statistics().round_trip_s == pytest.approx(3)


@pytest.mark.parametrize("end", [close_frame(1001), b"\xff\xff\xff\xff", None], ids=["close", "garbage", "EOF"])
async def test_a_ping_ends_with_the_connection(end, autojump_clock):
    async with by_hand() as (transport, server), trio.open_nursery() as nursery:

        async def leave():
            await trio.sleep(1)
            await (server.send_all(end) if end else server.aclose())
            with pytest.raises(ConnectionLost):
                await transport.receive()

        nursery.start_soon(leave)
        with trio.fail_after(2), pytest.raises(ConnectionLost):
            await transport.ping()
        with trio.fail_after(2), pytest.raises(ConnectionLost):
            await transport.ping()
        assert not remembered(transport)


async def test_our_own_close_ends_a_ping(autojump_clock):
    async with by_hand() as (transport, _), trio.open_nursery() as nursery:

        async def ping():
            with pytest.raises(ConnectionLost):
                await transport.ping()

        nursery.start_soon(ping)
        await trio.testing.wait_all_tasks_blocked()
        await transport.close(1)


async def test_a_ping_waits_for_the_message_that_is_being_written_and_goes_before_the_next(autojump_clock):
    async with by_hand(pair=trio.testing.lockstep_stream_pair) as (transport, server), trio.open_nursery() as nursery:
        big = "x" * 300_000
        nursery.start_soon(transport.send, big)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(transport.ping)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(transport.send, "next")
        await trio.testing.wait_all_tasks_blocked()
        before = transport.statistics()
        assert before.pings_sent == 0

        await read_exactly(server, 200_000)
        await trio.testing.wait_all_tasks_blocked()
        taken = transport.statistics().bytes_sent - before.bytes_sent
        assert 0 < taken <= 200_000, "what the peer took of a message is known while the rest waits"
        assert transport.statistics().pieces_sent > before.pieces_sent
        await read_exactly(server, 100_000 + 14)  # its header of 14 bytes

        payload = await read_ping(server)
        assert transport.statistics().pings_sent == 1
        assert len(await read_exactly(server, 6 + 4)) == 10
        await server.send_all(frame(payload, 10))


async def test_a_long_message_arrives_as_it_was_sent():
    text = "".join(chr(33 + n % 90) for n in range(1_000_003))
    got = []

    async def echo(stream):
        request = await trio_websocket.wrap_server_stream(server_nursery, stream, max_message_size=2**21)
        socket = await request.accept()
        got.append(await socket.get_message())
        await socket.aclose()

    async with trio.open_nursery() as server_nursery, listening(echo) as port, trio.open_nursery() as nursery:
        transport = await carrier.connect(nursery, endpoint(f"ws://127.0.0.1:{port}/v1"))
        before = transport.statistics().bytes_sent
        await transport.send(text)
        assert transport.statistics().bytes_sent - before == len(text) + 14
        with pytest.raises(ConnectionLost):
            await transport.receive()
        await transport.close(1)
    assert got == [text]

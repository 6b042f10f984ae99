"""What only the transport on websockets does: batches, writes that do not wait, reading by whoever waits."""

import socket
import ssl
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing
import trustme
from hypothesis import given
from hypothesis import strategies as st
from rooms import KEY
from websocket_by_hand import OK, accept_key, by_hand, close_frame, frame, read_exactly, read_ping, read_request

from engine.errors import CertificateRefused, ConnectionLost
from engine.transport import sansio_ws
from engine.transport.base import Endpoint
from engine.transport.frame_reader import READ_AHEAD_MAX_BYTES
from engine.transport.frame_writer import PIECE_BYTES
from engine.transport.inbound import FRAMES_MAX
from engine.transport.lines import SocketLine, line_over
from engine.transport.tls_line import Records, secure_line
from engine.transport.upgrade import Upgraded

URL = "ws://127.0.0.1/v1/realtime"


def small_sockets():
    """A pair of connected sockets that hold little on the way."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return trio.SocketStream(trio.socket.from_stdlib_socket(ours)), trio.SocketStream(
        trio.socket.from_stdlib_socket(theirs)
    )


async def texts(server, count):
    """Read so many text frames of a client; give their texts."""
    found = []
    while len(found) < count:
        first, size = await read_exactly(server, 2)
        assert first == 0x81
        size &= 0x7F
        if size >= 126:
            size = int.from_bytes(await read_exactly(server, 2 if size == 126 else 8))
        mask = await read_exactly(server, 4)
        payload = await read_exactly(server, size)
        found.append(bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)).decode())
    return found


@asynccontextmanager
async def over_sockets(answer=b""):
    async with by_hand(answer, small_sockets, wrap=sansio_ws.wrap, close_s=0) as (transport, server):
        yield transport, server


# --- receiving ------------------------------------------------------------------------------------------------------


async def test_one_read_of_many_frames_is_one_batch():
    async with over_sockets() as (transport, server):
        await server.send_all(b"".join(frame(b"%d" % number) for number in range(100)))
        assert list(await transport.receive()) == [str(number) for number in range(100)]


async def test_a_flood_lets_others_have_their_turn():
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    async with trio.open_nursery() as nursery:

        def shake():
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += theirs.recv(4096)
            theirs.sendall(OK % accept_key(request) + b"\r\n" + frame(b"") * 60_000)
            theirs.sendall(frame(b"x" * 30_000) * 10)

        nursery.start_soon(trio.to_thread.run_sync, shake)
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        transport = await sansio_ws.wrap(nursery, stream, Endpoint(url=URL))
        turns = 0

        async def live():
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        nursery.start_soon(live)
        got, longest = 0, 0
        while got < 60_010:
            batch = await transport.receive()
            longest = max(longest, len(batch))
            got += len(batch)
        assert turns > 60_000 // FRAMES_MAX
        assert longest <= FRAMES_MAX + 10
        await transport.close(0)
        nursery.cancel_scope.cancel()
    theirs.close()


async def test_frames_that_come_with_the_servers_answer_are_read():
    async with over_sockets(frame(b"first") + frame(b"second")[:3]) as (transport, server):
        assert list(await transport.receive()) == ["first"]
        await server.send_all(frame(b"second")[3:])
        assert list(await transport.receive()) == ["second"]


async def test_there_is_no_task_of_its_own(autojump_clock):
    tasks = trio.lowlevel.current_statistics().tasks_living
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as shaking:

            async def shake():
                await theirs.send_all(OK % accept_key(await read_request(theirs)) + b"\r\n")

            shaking.start_soon(shake)
            transport = await sansio_ws.wrap(nursery, ours, Endpoint(url=URL))
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        await transport.close(0)


async def test_a_receive_that_is_cancelled_loses_nothing(autojump_clock):
    async with by_hand(wrap=sansio_ws.wrap) as (transport, server):
        got = []
        async with trio.open_nursery() as nursery:

            async def feed():
                for number in range(50):
                    for piece in (frame(b"%d" % number)[:2], frame(b"%d" % number)[2:]):
                        await server.send_all(piece)
                        await trio.sleep(0.01)

            nursery.start_soon(feed)
            while len(got) < 50:
                with trio.move_on_after(0.003):
                    got += await transport.receive()
        assert got == [str(number) for number in range(50)]


async def test_whoever_waits_for_a_pong_reads_and_leaves_the_messages_to_the_receiver(autojump_clock):
    async with by_hand(wrap=sansio_ws.wrap) as (transport, server), trio.open_nursery() as nursery:
        nursery.start_soon(transport.ping)
        payload = await read_ping(server)
        await server.send_all(frame(b"one") + frame(b"two"))
        await trio.testing.wait_all_tasks_blocked()
        assert list(await transport.receive()) == ["one", "two"]
        await server.send_all(frame(b"three") + frame(payload, 10))
        assert list(await transport.receive()) == ["three"]
        assert transport.statistics().pings_answered == 1


async def test_the_receiver_reads_on_when_the_one_that_pinged_is_cancelled(autojump_clock):
    async with by_hand(wrap=sansio_ws.wrap) as (transport, server), trio.open_nursery() as nursery:
        nursery.start_soon(transport.ping)
        await trio.testing.wait_all_tasks_blocked()
        got = []

        async def receive():
            got.extend(await transport.receive())

        async with trio.open_nursery() as receiving:
            receiving.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            await server.send_all(frame(b"one"))
        assert got == ["one"]


async def test_the_one_that_pinged_reads_on_when_the_receiver_has_what_it_wanted(autojump_clock):
    async with by_hand(wrap=sansio_ws.wrap) as (transport, server), trio.open_nursery() as nursery:
        nursery.start_soon(transport.receive)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(transport.ping)
        payload = await read_ping(server)
        await server.send_all(frame(b"one"))
        await trio.testing.wait_all_tasks_blocked()
        await server.send_all(frame(payload, 10))


async def test_only_so_much_is_read_ahead_of_the_receiver(autojump_clock):
    async with by_hand(pair=trio.testing.lockstep_stream_pair, wrap=sansio_ws.wrap) as (transport, server):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transport.ping)
            payload = await read_ping(server)
            sent = 0

            async def flood():
                nonlocal sent
                for _ in range(100):
                    await server.send_all(frame(b"x" * 10_000))
                    sent += 10_000
                await server.send_all(frame(payload, 10))

            nursery.start_soon(flood)
            await trio.testing.wait_all_tasks_blocked()
            assert sent <= READ_AHEAD_MAX_BYTES + 64 * 1024
            got = 0
            while got < 100:
                got += len(await transport.receive())
        assert transport.statistics().pings_answered == 1


async def test_after_our_close_nothing_more_is_given(autojump_clock):
    async with by_hand(wrap=sansio_ws.wrap) as (transport, server), trio.open_nursery() as nursery:

        async def receive():
            with pytest.raises(ConnectionLost, match="close code 1000"):
                await transport.receive()

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(transport.close, 5)
        await trio.testing.wait_all_tasks_blocked()
        await server.send_all(frame(b"still talking") + close_frame(1000))
        with pytest.raises(ConnectionLost, match="close code 1000"):
            await transport.send("x")


# --- sending --------------------------------------------------------------------------------------------------------


async def test_what_the_socket_takes_is_sent_at_once():
    async with over_sockets() as (transport, server):
        before = transport.statistics().bytes_sent
        assert transport.send_nowait("now")
        assert await texts(server, 1) == ["now"]
        assert transport.statistics().bytes_sent == before + 6 + 3


async def test_what_the_socket_does_not_take_is_written_before_anything_else():
    async with over_sockets() as (transport, server), trio.open_nursery() as nursery:
        sent = []
        while len(sent) < 1000:
            text = f"{len(sent)} " + "x" * 1000
            if not transport.send_nowait(text):
                break
            sent.append(text)
        assert 0 < len(sent) < 1000, "the socket must be full at some time"
        for number in range(3):
            assert not transport.send_nowait("in between"), "somebody is writing"
            nursery.start_soon(transport.send, f"after {number}")
            await trio.testing.wait_all_tasks_blocked()
        assert await texts(server, len(sent) + 3) == [*sent, "after 0", "after 1", "after 2"]
        await trio.testing.wait_all_tasks_blocked()
        assert transport.send_nowait("free again")
        assert await texts(server, 1) == ["free again"]


async def test_many_messages_go_in_one_write_and_in_order():
    async with over_sockets() as (transport, server):
        many = [str(number) for number in range(50)]
        await transport.send_many(many)
        assert await texts(server, 50) == many


async def test_a_stream_that_can_not_write_at_once_is_not_asked_to(autojump_clock):
    async with by_hand(wrap=sansio_ws.wrap) as (transport, server):
        assert not transport.send_nowait("x")
        await transport.send("y")
        assert await texts(server, 1) == ["y"]


async def test_a_long_message_is_not_sent_at_once():
    async with over_sockets() as (transport, _):
        assert not transport.send_nowait("x" * (PIECE_BYTES + 1))


async def test_a_message_that_is_cancelled_before_its_turn_is_not_sent(autojump_clock):
    pair = trio.testing.lockstep_stream_pair
    async with by_hand(pair=pair, wrap=sansio_ws.wrap) as (transport, server), trio.open_nursery() as nursery:
        nursery.start_soon(transport.send, "first")
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await transport.send("second")
        nursery.start_soon(transport.send, "third")
        assert await texts(server, 2) == ["first", "third"]


async def test_a_message_that_is_cut_off_ends_the_connection(autojump_clock):
    async with by_hand(pair=trio.testing.lockstep_stream_pair, wrap=sansio_ws.wrap) as (transport, server):
        with trio.move_on_after(1) as scope:
            await transport.send("x" * 100)
        assert scope.cancelled_caught
        for send in (transport.send, transport.send_many):
            with pytest.raises(ConnectionLost, match="cut off"):
                await send("y")
        with pytest.raises(ConnectionLost, match="cut off"):
            transport.send_nowait("y")
        with pytest.raises(ConnectionLost, match="cut off"):
            await transport.ping()
        started = trio.current_time()
        await transport.close(0.5)
        assert trio.current_time() - started <= 0.5
        await server.aclose()


async def test_a_peer_that_pings_and_does_not_read_gets_a_bounded_number_of_answers():
    async with over_sockets() as (transport, server), trio.open_nursery() as nursery:
        tasks = trio.lowlevel.current_statistics().tasks_living

        async def receive():
            while True:
                await transport.receive()

        nursery.start_soon(receive)
        for number in range(3000):
            await server.send_all(frame(b"%0100d" % number, 9))
        await server.send_all(frame(b"mark"))
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert trio.lowlevel.current_statistics().tasks_living <= tasks + 2
        assert len(transport._inbound.replies) <= 16
        nursery.cancel_scope.cancel()


async def test_pongs_go_between_messages_and_break_none():
    async with over_sockets() as (transport, server), trio.open_nursery() as nursery:
        nursery.start_soon(transport.send, "x" * 100_000)
        await trio.testing.wait_all_tasks_blocked(0.01)
        await server.send_all(frame(b"mark", 9) + frame(b"text"))
        assert list(await transport.receive()) == ["text"]
        assert len(await read_exactly(server, 14 + 100_000)) == 100_014
        assert (await read_exactly(server, 2))[0] == 0x8A


async def test_a_write_to_a_peer_that_is_gone_is_a_lost_connection():
    async with over_sockets() as (transport, server):
        await server.aclose()
        with pytest.raises(ConnectionLost, match="close code 1006") as caught:
            transport.send_nowait("x")
        assert isinstance(caught.value.__cause__, trio.BrokenResourceError)
        with pytest.raises(ConnectionLost, match="close code 1006"):
            await transport.send("x")
        with pytest.raises(ConnectionLost, match="close code 1006"):
            await transport.receive()
    async with over_sockets() as (transport, server):
        await server.aclose()
        with pytest.raises(ConnectionLost, match="close code 1006"):
            await transport.send("x" * 100_000)


async def test_what_was_read_before_a_write_failed_is_still_given():
    async with over_sockets() as (transport, server):
        await server.send_all(frame(b"why") + close_frame(1008, "policy"))
        await server.aclose()
        with pytest.raises(ConnectionLost):
            transport.send_nowait("x")
        assert list(await transport.receive()) == ["why"]
        with pytest.raises(ConnectionLost, match="close code 1008: policy"):
            await transport.receive()


# --- what a cancelled or careless owner must not break ---------------------------------------------------------------


async def test_an_answer_that_was_read_by_a_receive_that_is_cancelled_is_not_lost():
    async with over_sockets() as (transport, server), trio.open_nursery() as nursery:

        async def receive():
            await transport.receive()
            with trio.CancelScope() as scope:
                scope.cancel()
                await transport.receive()
            assert scope.cancelled_caught

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(5):
            async with trio.open_nursery() as pinging:
                pinging.start_soon(transport.ping)
                payload = await read_ping(server)
                await server.send_all(frame(b"") * (FRAMES_MAX + 1) + frame(payload, 10))


async def test_a_ping_that_comes_with_the_servers_answer_is_answered_at_once():
    async with over_sockets(frame(b"you there?", 9)) as (_, server):
        with trio.fail_after(5):
            assert (await read_exactly(server, 2 + 4 + 10))[0] == 0x8A


async def test_a_rest_that_nobody_is_left_to_write_is_a_lost_connection():
    ours, theirs = small_sockets()
    async with trio.open_nursery() as shaking:

        async def shake():
            await theirs.send_all(OK % accept_key(await read_request(theirs)) + b"\r\n")

        shaking.start_soon(shake)
        async with trio.open_nursery() as nursery:
            transport = await sansio_ws.wrap(nursery, ours, Endpoint(url=URL))
    with pytest.raises(ConnectionLost, match="cut off"):  # noqa: PT012 - how much a socket takes is not known
        for _ in range(1000):
            assert transport.send_nowait("x" * 1000)
    with pytest.raises(ConnectionLost, match="cut off"), trio.fail_after(5):
        await transport.send("x")
    await transport.close(0)
    await theirs.aclose()


async def test_a_ping_ends_where_the_connection_breaks_and_nobody_else_reads():
    class BreaksAtOnce(SocketLine):
        reads = 0

        def read_nowait(self):
            if not self._is_empty:
                self.reads += 1
                assert self.reads < 10, "it reads for ever what is broken"
                raise trio.BrokenResourceError("connection reset")

    ours, theirs = small_sockets()
    async with theirs, trio.open_nursery() as nursery:
        transport = sansio_ws.SansioWebSocket(nursery, BreaksAtOnce(ours), Upgraded(b"", 0, 0), 2**20)
        nursery.start_soon(theirs.send_all, b"\x81\x01x")
        with pytest.raises(ConnectionLost, match="1006"):
            await transport.ping()
        await transport.close(0)


async def test_a_connection_that_was_cut_off_in_a_write_is_closed_without_waiting(autojump_clock):
    async with by_hand(pair=trio.testing.lockstep_stream_pair, wrap=sansio_ws.wrap) as (transport, server):
        with trio.move_on_after(1):
            await transport.send("x" * 100)
        started = trio.current_time()
        await transport.close(5)
        assert trio.current_time() == started
        await server.aclose()


async def test_an_error_holds_nothing_of_the_message_it_is_about():
    async with over_sockets() as (transport, server):
        await server.send_all(frame(b"a secret \xff word"))
        with pytest.raises(ConnectionLost, match="invalid start byte at 9") as caught:
            await transport.receive()
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r}"


# --- the way there --------------------------------------------------------------------------------------------------


async def test_a_socket_that_was_closed_is_never_read_or_written_again():
    ours, theirs = small_sockets()
    line = line_over(ours)
    assert isinstance(line, SocketLine)
    await ours.aclose()
    for use in (line.readable, lambda: line.write(b"x"), line.read_nowait):
        with pytest.raises(trio.ClosedResourceError):
            use()
    await theirs.aclose()


CA = trustme.CA()


@asynccontextmanager
async def over_tls(handler):
    """Connect to a server that speaks TLS; give the transport. The handler has its end, after the upgrade."""
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    CA.issue_cert("127.0.0.1").configure_cert(server_context)
    trusting = ssl.create_default_context()
    CA.configure_trust(trusting)

    async def serve(stream):
        secured = trio.SSLStream(stream, server_context, server_side=True, https_compatible=True)
        await secured.send_all(OK % accept_key(await read_request(secured)) + b"\r\n")
        await handler(stream, secured)
        await trio.aclose_forcefully(secured)

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), serve, 0)
        port = listener.socket.getsockname()[1]
        endpoint = Endpoint(url=f"wss://127.0.0.1:{port}/v1", ssl_context=trusting, headers=[("Authorization", KEY)])
        transport = await sansio_ws.connect(nursery, endpoint)
        yield transport
        await transport.close(0)
        nursery.cancel_scope.cancel()


async def test_all_records_of_one_read_are_one_batch():
    sizes = [1, 100, 16_384, 20_000, 5]
    written = trio.Event()

    async def handle(_, secured):
        for size in sizes:
            await secured.send_all(frame(b"x" * size))
        written.set()
        await trio.sleep_forever()

    async with over_tls(handle) as transport:
        await written.wait()
        got = list(await transport.receive())
        assert len(got) > 1
        while len(got) < len(sizes):
            got += await transport.receive()
        assert [len(message) for message in got] == sizes
        assert transport.send_nowait("now")


async def test_what_came_before_bytes_that_are_no_tls_is_given_first():
    async def handle(stream, secured):
        await secured.send_all(frame(b"good"))
        await stream.send_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        await trio.sleep_forever()

    async with over_tls(handle) as transport:
        assert list(await transport.receive()) == ["good"]
        with trio.fail_after(5), pytest.raises(ConnectionLost, match="close code 1006"):
            await transport.receive()


async def test_an_end_of_tls_in_order_is_an_end_without_a_close_frame():
    async def handle(_, secured):
        await secured.send_all(frame(b"last"))
        await secured.unwrap()

    async with over_tls(handle) as transport:
        assert list(await transport.receive()) == ["last"]
        with trio.fail_after(5), pytest.raises(ConnectionLost, match="close code 1006"):
            await transport.receive()


async def test_bytes_that_are_no_tls_behind_a_full_read_are_not_waited_for():
    there = trio.Event()

    async def handle(stream, secured):
        # Four records of 22 bytes more than they hold: together they fill one read.
        await secured.send_all(frame(b"x" * (64 * 2**10 - 4 * 22 - 4)))
        await stream.send_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        there.set()
        await trio.sleep_forever()

    async with over_tls(handle) as transport:
        await there.wait()
        with trio.fail_after(5):
            await transport.receive()
            with pytest.raises(ConnectionLost, match="close code 1006"):
                await transport.receive()


async def test_a_certificate_is_refused_by_name_though_the_server_does_not_hear_it():
    ours, theirs = small_sockets()
    context, incoming, outgoing = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.MemoryBIO(), ssl.MemoryBIO()
    CA.issue_cert("127.0.0.1").configure_cert(context)
    server = context.wrap_bio(incoming, outgoing, server_side=True)

    async def serve():
        incoming.write(await theirs.receive_some())
        with pytest.raises(ssl.SSLWantReadError):
            server.do_handshake()
        await theirs.send_all(outgoing.read())
        await theirs.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        with pytest.raises(CertificateRefused):
            await secure_line(line_over(ours), "127.0.0.1", 443, ssl.create_default_context())
    await ours.aclose()


def record(data, type=23):
    return bytes([type, 3, 3]) + len(data).to_bytes(2) + data


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 50))
def test_records_are_cut_where_they_end(payloads, cut):
    expected = [record(payload) for payload in payloads]
    data = b"".join(expected)
    records, found = Records(), []
    for at in range(0, len(data), cut):
        records.feed(data[at : at + cut])
        while (next := records.next()) is not None:
            found.append(next)
    assert found == expected
    assert not records.has_come


@pytest.mark.parametrize("data", [b"HTTP/1.1 400", record(b"x", 99), bytes([23, 3, 3, 0xFF, 0xFF])])
def test_what_can_be_no_record_is_not_waited_for(data):
    records = Records()
    records.feed(data)
    assert records.next() == data

"""What every transport promises: both over the network, and memory. The server's end is written with a library."""

import contextlib

import pytest
import trio
import trio.testing
from carriers import NAMES
from websocket_by_hand import OK, accept_key, endpoint, read_request
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side

from engine.errors import ConnectionLost
from engine.transport import network
from engine.transport.memory import memory_pair


class Served:
    """A server's end of a WebSocket over a stream, as a memory transport has it."""

    def __init__(self, stream):
        self._stream = stream
        self._server = Protocol(Side.SERVER)
        self._got, self._give = trio.open_memory_channel(100)

    async def run(self):
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await self._stream.receive_some():
                self._server.receive_data(data)
                for event in self._server.events_received():
                    if event.opcode is Opcode.TEXT:
                        await self._got.send(bytes(event.data).decode())
                await self._flush()
        await self._stream.aclose()

    async def send(self, message):
        if isinstance(message, bytes):
            self._server.send_binary(message)
        else:
            self._server.send_text(message.encode())
        await self._flush()

    async def receive(self):
        return [await self._give.receive()]

    async def hang_up(self, code, reason):
        self._server.send_close(code, reason or "")
        await self._flush()

    async def _flush(self):
        for data in self._server.data_to_send():
            if data:
                await self._stream.send_all(data)
            else:
                await self._stream.aclose()


@contextlib.asynccontextmanager
async def over_network(name):
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:

        async def shake():
            await theirs.send_all(OK % accept_key(await read_request(theirs)) + b"\r\n")

        async with trio.open_nursery() as shaking:
            shaking.start_soon(shake)
            transport = await network.wrap(nursery, ours, endpoint(), transport=name)
        server = Served(theirs)
        nursery.start_soon(server.run)
        yield transport, server
        await transport.close(1)
        nursery.cancel_scope.cancel()


class InMemory:
    def __init__(self, transport):
        self._transport = transport
        self.send, self.receive = transport.send, transport.receive

    async def hang_up(self, code, reason):
        self._transport.hang_up(code, reason)


@contextlib.asynccontextmanager
async def over_memory(_):
    ours, theirs = memory_pair()
    yield ours, InMemory(theirs)


@pytest.fixture(params=[*NAMES, "memory"])
def connected(request, autojump_clock):
    return (over_memory if request.param == "memory" else over_network)(request.param)


async def collected(transport, count):
    got = []
    while len(got) < count:
        batch = await transport.receive()
        assert batch, "at least one"
        got += batch
    return got


async def test_messages_come_whole_and_in_order_both_ways(connected):
    messages = ["one", "", "\N{EURO SIGN}" * 1000, b"\0\1", "x" * 100_000]
    async with connected as (transport, server):
        for message in messages:
            await server.send(message)
        assert await collected(transport, len(messages)) == messages
        for message in ("one", "\N{EURO SIGN}" * 1000, "x" * 100_000):
            await transport.send(message)
            assert list(await server.receive()) == [message]


async def test_a_cancelled_receive_loses_nothing_and_may_be_asked_again(connected):
    async with connected as (transport, server):
        with trio.move_on_after(1) as scope:
            await transport.receive()
        assert scope.cancelled_caught
        got = []
        for number in range(20):
            await server.send(str(number))
            with trio.CancelScope() as scope:
                if number % 2:
                    scope.cancel()
                got += await transport.receive()
        got += await collected(transport, 20 - len(got))
        assert got == [str(number) for number in range(20)]


async def test_what_came_before_the_end_is_given_first_and_the_end_again_and_again(connected):
    async with connected as (transport, server):
        await server.send("last")
        await server.hang_up(4001, "enough")
        assert await collected(transport, 1) == ["last"]
        for _ in range(3):
            with pytest.raises(ConnectionLost, match="4001") as caught:
                await transport.receive()
            assert (caught.value.code, caught.value.reason) == (4001, "enough")
        with pytest.raises(ConnectionLost):
            await transport.send("x")
        with pytest.raises(ConnectionLost):
            await transport.ping()


async def test_a_ping_is_answered_and_counted(connected):
    async with connected as (transport, _):
        with trio.fail_after(5):
            await transport.ping()
            await transport.ping()
        figures = transport.statistics()
        assert (figures.pings_sent, figures.pings_answered) == (2, 2)
        assert figures.round_trip_s is not None


async def test_figures_grow_with_what_goes_over(connected):
    async with connected as (transport, server):
        before = transport.statistics()
        await transport.send("x" * 1000)
        await server.send("y" * 2000)
        await transport.receive()
        after = transport.statistics()
        assert 1000 <= after.bytes_sent - before.bytes_sent <= 1010
        assert 2000 <= after.bytes_received - before.bytes_received <= 2010


async def test_a_close_may_be_asked_twice_and_ends_all_else(connected):
    async with connected as (transport, _), trio.open_nursery() as nursery:
        ended = []

        async def wait(what):
            with pytest.raises(ConnectionLost):
                await what()
            ended.append(what)

        nursery.start_soon(wait, transport.receive)
        await trio.testing.wait_all_tasks_blocked()
        await transport.close(2)
        await transport.close(2)
        with pytest.raises(ConnectionLost):
            await transport.send("x")
        with trio.fail_after(1):
            while not ended:
                await trio.lowlevel.checkpoint()

"""The tap: tells each message and changes none."""

import trio

from engine.demo.wire_tap import tapped
from engine.transport.base import Endpoint
from engine.transport.memory import MemoryConnector


async def test_a_tap_tells_each_message_both_ways_and_passes_the_rest_on():
    told, server = [], MemoryConnector()
    async with trio.open_nursery() as nursery:
        connect = tapped(server, lambda direction, text: told.append((direction, text)))
        transport = await connect(nursery, Endpoint(url="ws://localhost"))
        peer = await server.accept()
        await transport.send("hello")
        await peer.receive()
        await peer.send("you")
        await peer.send("there")

        assert await transport.receive() == ["you", "there"]
        assert told == [("client", "hello"), ("server", "you"), ("server", "there")]
        assert transport.statistics().bytes_sent == 5
        await transport.close(1.0)


def test_the_demo_has_one_connection_so_that_its_log_needs_no_number_for_it(demo):
    began = [at for at, _ in demo.events("wire", "server", "session.created")]

    assert len(began) == 1

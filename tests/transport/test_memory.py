"""The transport in memory: frames in order both ways, ends told with their code."""

import pytest
import trio
import trio.testing

from engine.errors import ConnectionLost
from engine.transport.base import Endpoint
from engine.transport.memory import MemoryConnector, memory_pair


async def test_frames_come_in_order_and_in_batches():
    here, there = memory_pair()
    for text in ("one", "two", b"three"):
        await here.send(text)
    assert await there.receive() == ["one", "two", b"three"]
    await there.send("back")
    assert await here.receive() == ["back"]
    assert (here.statistics().bytes_sent, here.statistics().bytes_received) == (11, 4)


async def test_a_batch_before_the_end_is_read_then_the_end_is_told():
    here, there = memory_pair()
    await there.send("last")
    there.hang_up(1001, "going away")
    assert await here.receive() == ["last"]
    for _ in range(2):
        with pytest.raises(ConnectionLost, match="close code 1001") as caught:
            await here.receive()
        assert (caught.value.code, caught.value.reason) == (1001, "going away")
        assert isinstance(caught.value.__cause__, trio.EndOfChannel)
    with pytest.raises(ConnectionLost):
        await here.send("too late")


async def test_our_own_close_is_clean_to_the_peer():
    here, there = memory_pair()
    await here.send("last")
    await here.close(0)
    await here.close(0)
    assert await there.receive() == ["last"]
    with pytest.raises(ConnectionLost) as caught:
        await there.receive()
    assert caught.value.code == 1000
    with pytest.raises(ConnectionLost):
        await here.receive()
    with pytest.raises(ConnectionLost):
        await here.send("x")


async def test_a_full_pair_makes_its_sender_wait():
    here, there = memory_pair(max_frames=2)
    await here.send("1")
    await here.send("2")
    with trio.move_on_after(0) as scope:
        await here.send("3")
    assert scope.cancelled_caught
    assert await there.receive() == ["1", "2"]


async def test_the_connector_gives_each_server_end_and_remembers_where_it_led():
    connector = MemoryConnector()
    endpoint = Endpoint(url="ws://x/v1", headers=[("Authorization", "secret")])
    async with trio.open_nursery() as nursery:
        client = await connector(nursery, endpoint)
        server = await connector.accept()
    await client.send("hello")
    assert await server.receive() == ["hello"]
    assert connector.endpoints == [endpoint]
    assert "secret" not in repr(connector.endpoints)

"""The transport in memory: frames in order both ways, ends told with their code."""

import math

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


async def test_a_ping_is_answered_and_timed(autojump_clock):
    here, there = memory_pair()
    assert here.statistics().round_trip_s is None
    for delay_s in (0.0, 0.5, 0.2):
        there.pong_delay_s = delay_s
        await here.ping()
    figures = here.statistics()
    assert (figures.round_trip_s, figures.round_trip_min_s) == (pytest.approx(0.2), 0.0)
    assert (figures.pings_sent, figures.pings_answered) == (3, 3)
    assert there.statistics().pings_sent == 0


async def test_a_dead_end_answers_no_ping_and_a_cancelled_one_leaves_nothing(autojump_clock):
    here, there = memory_pair()
    there.pong_delay_s = math.inf
    with trio.move_on_after(1000) as scope:
        await here.ping()
    assert scope.cancelled_caught
    there.pong_delay_s = 0.0
    await here.ping()
    assert (here.statistics().pings_sent, here.statistics().pings_answered) == (2, 1)


@pytest.mark.parametrize("who", ["here", "there"])
async def test_a_ping_ends_with_the_connection(who, autojump_clock):
    ends = dict(zip(("here", "there"), memory_pair(), strict=True))
    ends["there"].pong_delay_s = math.inf
    async with trio.open_nursery() as nursery:

        async def ping():
            with pytest.raises(ConnectionLost):
                await ends["here"].ping()

        nursery.start_soon(ping)
        await trio.testing.wait_all_tasks_blocked()
        ends[who].hang_up(1001, None)
    with pytest.raises(ConnectionLost):
        await ends["here"].ping()

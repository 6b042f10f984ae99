"""The fault proxy itself: bytes through it are whole and in order, and each fault is what it says."""

from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing
from fault_proxy import BROKEN, DOWN, UNDER_WAY_BYTES, UP, fault_proxy, until
from rooms import open_sockets

SHORT_S = 0.05
"""Long enough for the loopback, and for nothing that waits."""


@asynccontextmanager
async def echoing(**options):
    """Give a proxy to a server that sends back what it gets, and ends when the client does."""

    async def echo(stream):
        try:
            async for data in stream:
                await stream.send_all(data)
            await stream.send_eof()
        except BROKEN:
            pass

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), echo, 0)
        async with fault_proxy(listener.socket.getsockname()[1], **options) as proxy:
            with trio.fail_after(10):
                yield proxy
        nursery.cancel_scope.cancel()


async def dial(proxy):
    return await trio.open_tcp_stream(proxy.host, proxy.port)


async def read(stream, size):
    """Read so many bytes."""
    data = b""
    while len(data) < size:
        more = await stream.receive_some(size - len(data))
        assert more, "the stream ended early"
        data += more
    return data


async def echoed(stream, data=b"through and back"):
    """Send something, and give what comes back of it."""
    await stream.send_all(data)
    return await read(stream, len(data))


async def unheard(stream, data):
    """Send something, and tell whether nothing comes back of it for a short time."""
    await stream.send_all(data)
    with trio.move_on_after(SHORT_S) as waited:
        await stream.receive_some()
    return waited.cancelled_caught


MEGABYTE = bytes(range(256)) * 4096


async def check_whole(stream):
    """Send a megabyte, and get the same back."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, MEGABYTE)
        assert await read(stream, len(MEGABYTE)) == MEGABYTE


async def test_a_megabyte_goes_through_unchanged():
    async with echoing() as proxy, await dial(proxy) as stream:
        await check_whole(stream)
        assert proxy.connections[0].passed == {UP: len(MEGABYTE), DOWN: len(MEGABYTE)}


async def test_fragments_and_jitter_keep_bytes_and_order():
    async with echoing() as proxy, await dial(proxy) as stream:
        proxy.up.fragment_bytes, proxy.down.fragment_bytes = 1000, 3000
        proxy.up.jitter_s = 0.001
        await check_whole(stream)


async def test_latency_is_of_each_byte_and_not_of_each_piece():
    async with echoing() as proxy, await dial(proxy) as stream:
        await echoed(stream)
        proxy.down.latency_s = 0.1
        started = trio.current_time()
        for _ in range(20):
            await stream.send_all(b"x")
            await trio.sleep(0.001)
        await read(stream, 20)
        assert 0.1 <= trio.current_time() - started < 20 * 0.1


async def test_bandwidth_bounds_what_comes():
    async with echoing() as proxy, await dial(proxy) as stream:
        proxy.up.bandwidth_bytes_s = 100_000
        started = trio.current_time()
        await stream.send_all(bytes(20_000))
        await read(stream, 20_000)
        assert trio.current_time() - started >= 0.2


async def test_what_was_stalled_comes_after_the_stall():
    async with echoing() as proxy, await dial(proxy) as stream:
        assert await echoed(stream)
        proxy.stall(DOWN)
        assert await unheard(stream, b"late")
        proxy.resume()
        assert await read(stream, 4) == b"late"


async def test_a_stall_makes_the_sender_wait_with_a_bounded_amount_under_way():
    async with echoing() as proxy, await dial(proxy) as stream:
        proxy.stall()
        sent = 0
        with trio.move_on_after(0.3):
            while True:
                await stream.send_all(bytes(2**16))
                sent += 2**16
        assert sent < 2**24, "what the kernel's own buffers hold"
        assert proxy.connections[0].passed[UP] == 0


async def test_a_slow_way_holds_a_bounded_amount():
    async with echoing() as proxy, await dial(proxy) as stream:
        proxy.up.latency_s = 60
        with trio.move_on_after(0.3):
            while True:
                await stream.send_all(bytes(2**16))
        assert proxy.connections[0].lanes[UP].waiting_bytes <= UNDER_WAY_BYTES + 2**16


async def test_what_was_swallowed_is_gone_and_nobody_sees_it():
    async with echoing() as proxy, await dial(proxy) as stream:
        proxy.swallow(UP)
        assert await unheard(stream, b"lost")
        proxy.resume()
        assert await echoed(stream, b"heard") == b"heard"


async def test_a_new_connection_is_stalled_like_the_others():
    async with echoing() as proxy:
        proxy.stall()
        async with await dial(proxy) as stream:
            assert await unheard(stream, b"through")
            proxy.resume()
            assert await read(stream, 7) == b"through"


async def test_a_reset_is_seen_by_both_ends():
    async with echoing() as proxy, await dial(proxy) as stream:
        assert await echoed(stream)
        assert proxy.reset() == 1
        with pytest.raises(trio.BrokenResourceError) as caught:
            await stream.receive_some()
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        await trio.testing.wait_all_tasks_blocked()
        assert proxy.live == []


async def test_the_end_of_the_stream_comes_after_what_is_under_way():
    async with echoing() as proxy, await dial(proxy) as stream:
        proxy.down.latency_s = 0.1
        await stream.send_all(b"first")
        await until(lambda: proxy.connections and proxy.connections[0].lanes[DOWN].waiting_bytes)
        proxy.end(DOWN)
        assert [await stream.receive_some(), await stream.receive_some()] == [b"first", b""]


async def test_a_cut_lets_exactly_so_many_bytes_through():
    async with echoing() as proxy, await dial(proxy) as stream:
        assert await echoed(stream)
        proxy.cut_after(DOWN, 3, "end")
        await stream.send_all(b"12345")
        assert await read(stream, 3) == b"123"
        assert await stream.receive_some() == b""


async def test_a_cut_inside_a_message_lets_half_of_it_through():
    async with echoing() as proxy, await dial(proxy) as stream:
        assert await echoed(stream)
        proxy.cut_inside_a_message(DOWN)
        await stream.send_all(b"12345678")
        got = []
        with pytest.raises(trio.BrokenResourceError):  # noqa: PT012 - at some time
            async for data in stream:
                got.append(data)  # noqa: PERF401 - it raises
        assert b"".join(got) in {b"", b"1234"}, "a reset may overtake what was sent before it"
        assert proxy.connections[0].passed[DOWN] == 16 + 4


async def test_refusing_is_a_port_that_nobody_listens_on():
    async with echoing() as proxy, await dial(proxy) as old:
        async with proxy.refusing():
            with pytest.raises(OSError, match="failed"):
                await dial(proxy)
            assert await echoed(old), "who was there stays"
        async with await dial(proxy) as stream:
            assert await echoed(stream)


async def test_a_client_of_a_server_that_is_gone_is_reset():
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    async with fault_proxy(port) as proxy, await dial(proxy) as stream:
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()


async def test_one_connection_too_many_is_reset():
    async with echoing(max_connections=1) as proxy, await dial(proxy) as stream:
        assert await echoed(stream)
        async with await dial(proxy) as second:
            with pytest.raises(trio.BrokenResourceError):
                await second.receive_some()
        assert proxy.refused == 1
        assert await echoed(stream)


async def test_its_life_is_bounded():
    with pytest.raises(trio.TooSlowError):
        async with fault_proxy(1, life_s=0.01):
            await trio.sleep_forever()


async def test_it_leaves_no_socket():
    before = open_sockets()
    async with echoing() as proxy, await dial(proxy) as stream:
        assert await echoed(stream)
        proxy.stall()
    assert open_sockets() == before


async def test_it_relays_on_this_machine_only():
    with pytest.raises(AssertionError):
        async with fault_proxy(80, host="192.0.2.1"):
            pass

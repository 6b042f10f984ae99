"""A link that fails: bytes arrive in order, late, in pieces, twice, spoiled, or not at all, as it is told."""

from random import Random

import pytest
import trio

from .carriers import CARRIERS, PromptLine
from .clock import JumpingClock
from .link import FRUITLESS_READS, NEVER, Fault, FaultyLink, Weather, close_frame, frame_type, header_bytes, refuse
from .scenario import draw


def text_frame(event_type, size=0):
    payload = b'{"type":"' + event_type.encode() + b'","x":"' + b"x" * size + b'"}'
    assert len(payload) < 126
    return bytes((0x81, len(payload))) + payload


@pytest.fixture
def happened():
    return []


@pytest.fixture
def clock():
    return JumpingClock()


@pytest.fixture(params=[True, False], ids=["eager", "together"])
def make(request, happened):
    def made(**weather):
        return FaultyLink(Random(1), Weather(eager=request.param, **weather), lambda fault: happened.append(fault.kind))

    return made


async def all_of(stream):
    got = b""
    while data := await stream.receive_some():
        got += data
    return got


async def upgraded(link):
    await link.server.send_all(b"HTTP/1.1 101 ...")
    await link.client.receive_some()


async def test_bytes_go_both_ways_in_order(make, clock):
    link = make()
    await link.client.send_all(b"one")
    await link.client.send_all(b"two")
    await link.client.aclose()

    assert await all_of(link.server) == b"onetwo"
    assert link.client.closed_s == trio.current_time()


async def test_delay_and_jitter_never_reorder_one_way(clock):
    link = FaultyLink(Random(1), Weather(delay_ms=50, jitter_ms=300), lambda fault: None)
    for number in range(20):
        await link.client.send_all(bytes([number]))
        await trio.sleep(0.01)
    await link.client.aclose()

    assert await all_of(link.server) == bytes(range(20))
    assert 0.25 <= trio.current_time() <= 0.55


async def test_fragments_come_down_to_single_bytes(make, clock):
    link = make(fragments=1.0)
    await link.client.send_all(bytes(300))
    await link.client.aclose()
    sizes = []
    while data := await link.server.receive_some():
        sizes.append(len(data))

    assert sum(sizes) == 300
    assert {1, 2} < set(sizes)


async def test_a_full_buffer_makes_the_sender_wait(make, clock):
    link = make(buffer_bytes=10)
    await link.client.send_all(bytes(10))
    with trio.move_on_after(1) as waited:
        await link.client.send_all(b"x")
    assert waited.cancelled_caught

    await link.server.receive_some()
    await link.client.send_all(b"x")


async def test_a_prompt_line_takes_what_there_is_room_for_and_the_rest_later(make, clock):
    link = make(buffer_bytes=10)
    line = PromptLine(link.client)
    assert line.write(b"0123")
    assert not line.write(b"456789abc")
    with trio.move_on_after(1) as waited:
        await link.client.outgoing.writable()
    assert waited.cancelled_caught

    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.flush)
        got = b""
        while len(got) < 13:
            got += await link.server.receive_some()
    assert got == b"0123456789abc"


async def test_a_prompt_line_writes_parts_though_there_is_room(make, clock):
    line = PromptLine(make(fragments=1.0).client)
    assert not line.write(bytes(300))


async def test_a_prompt_line_reads_what_is_there_and_the_end(make, clock):
    link = make()
    line = PromptLine(link.client)
    assert line.read_nowait() is None
    await link.server.send_all(b"last words")
    await line.readable()
    assert line.read_nowait() == b"last words"
    await link.server.aclose()
    await line.readable()
    assert line.read_nowait() == b""


@pytest.mark.parametrize("kind", ["reset", "crash"])
async def test_a_prompt_line_breaks_with_its_link(kind, make, clock):
    link = make()
    line = PromptLine(link.client)
    link.inflict(Fault(at_s=0, kind=kind))
    await line.readable()
    for use in (line.read_nowait, lambda: line.write(b"x")):
        with pytest.raises(trio.BrokenResourceError):
            use()


async def test_who_reads_for_ever_what_is_broken_is_told(make, clock):
    link = make()
    line = PromptLine(link.client)
    link.inflict(Fault(at_s=0, kind="reset"))
    for _ in range(FRUITLESS_READS):
        with pytest.raises(trio.BrokenResourceError):
            line.read_nowait()
    with pytest.raises(RuntimeError, match="broken"):
        line.read_nowait()


async def test_a_prompt_line_that_was_closed_says_so(make, clock):
    link = make()
    line = PromptLine(link.client)
    await link.client.aclose()
    for use in (line.read_nowait, lambda: line.write(b"x")):
        with pytest.raises(trio.ClosedResourceError):
            use()


def test_users_go_over_every_carrier():
    assert {draw(f"x:{number}").carrier for number in range(30)} == set(CARRIERS)
    assert draw("x:1", carrier="prompt").carrier == "prompt"


@pytest.mark.parametrize("kind", ["reset", "crash"])
async def test_a_broken_link_breaks_both_ends(kind, make, happened, clock):
    link = make()
    await link.server.send_all(b"under way")
    link.inflict(Fault(at_s=0, kind=kind))
    if kind == "crash":
        assert await link.client.receive_some() == b"under way"

    with pytest.raises(trio.BrokenResourceError):
        await link.client.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await link.client.send_all(b"x")
    assert (happened, link.broke_at) == ([kind], 0.0)


async def test_an_end_comes_behind_what_was_sent(make, clock):
    link = make()
    await link.server.send_all(b"last words")
    link.inflict(Fault(at_s=0, kind="eof"))

    assert await all_of(link.client) == b"last words"


async def test_a_close_frame_with_any_code(make, clock):
    link = make()
    link.inflict(Fault(at_s=0, kind="close", number=4000))

    assert await all_of(link.client) == close_frame(4000, "injected")
    assert close_frame(1006) == b"\x88\x00"


@pytest.mark.parametrize(("kind", "up", "down"), [("half_open", 0, 0), ("deaf", 0, 1), ("mute", 1, 0)])
async def test_a_half_open_link_swallows(kind, up, down, make, clock):
    link = make()
    link.inflict(Fault(at_s=0, kind=kind))
    await link.client.send_all(b"up")
    await link.server.send_all(b"down")
    came = []
    for stream in (link.server, link.client):
        with trio.move_on_after(1000) as scope:
            await stream.receive_some()
        came.append(not scope.cancelled_caught)

    assert came == [bool(up), bool(down)]
    await link.client.aclose()
    with pytest.raises(trio.BrokenResourceError) if not up else trio.CancelScope():
        await all_of(link.server)


async def test_a_stall_ends(make, clock):
    link = make()
    link.inflict(Fault(at_s=0, kind="stall", seconds=3, number=1))
    await link.client.send_all(b"up")
    await link.server.send_all(b"down")

    assert await link.server.receive_some() == b"up"
    assert trio.current_time() == 0
    assert await link.client.receive_some() == b"down"
    assert trio.current_time() == 3


async def test_a_frame_breaks_in_its_middle(make, happened, clock):
    link = make()
    await upgraded(link)
    link.inflict(Fault(at_s=0, kind="cut"))
    assert happened == []
    frame = text_frame("response.done")
    await link.server.send_all(frame)

    part = await link.client.receive_some()
    assert frame.startswith(part)
    assert len(part) < len(frame)
    with pytest.raises(trio.BrokenResourceError):
        await link.client.receive_some()
    assert happened == ["cut"]


async def test_a_text_frame_is_spoiled(make, happened, clock):
    link = make()
    await upgraded(link)
    link.inflict(Fault(at_s=0, kind="corrupt"))
    ping, frame = b"\x89\x01x", text_frame("response.done")
    await link.server.send_all(ping)
    await link.server.send_all(frame)

    link.inflict(Fault(at_s=0, kind="eof"))

    got = await all_of(link.client)
    assert got.startswith(ping)
    assert (len(got), got == ping + frame) == (len(ping + frame), False)
    assert happened == ["corrupt", "eof"]


async def test_events_are_delivered_twice_and_told_of(make, clock):
    link = make()
    await upgraded(link)
    link.inflict(Fault(at_s=0, kind="duplicate", number=1))
    frame = text_frame("response.done")
    for data in (b"\x89\x01x", frame, frame):
        await link.server.send_all(data)
    link.inflict(Fault(at_s=0, kind="eof"))

    assert await all_of(link.client) == b"\x89\x01x" + 3 * frame
    assert link.copies == [frame[2:].decode()]


@pytest.mark.parametrize("after", [True, False])
async def test_a_fault_waits_for_an_event(after, make, clock):
    link = make()
    await upgraded(link)
    link.inflict(Fault(at_s=0, kind="eof", on="response.done", after=after))
    first, second = text_frame("response.created"), text_frame("response.done")
    await link.server.send_all(first)
    await link.server.send_all(second)

    assert await all_of(link.client) == first + second * after


async def test_nothing_more_is_done_to_a_broken_link(make, happened, clock):
    link = make()
    link.inflict(Fault(at_s=0, kind="reset"))
    link.inflict(Fault(at_s=0, kind="eof"))

    assert happened == ["reset"]
    assert link.dead


async def test_a_server_refuses(clock, make):
    link = make()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(refuse, link.server, 429, 5.0)
        await link.client.send_all(b"GET / HTTP/1.1\r\n")
        await link.client.send_all(b"\r\n")
        answer = (await all_of(link.client)).decode()

    assert answer.startswith("HTTP/1.1 429 ")
    assert "\r\nRetry-After: 5\r\n" in answer


def test_frames_tell_their_type():
    assert frame_type(text_frame("response.done")) == "response.done"
    assert frame_type(b"\x89\x01x") == ""
    assert [header_bytes(bytes((0x81, size))) for size in (5, 126, 127)] == [2, 4, 10]
    assert float("inf") == NEVER

"""Frames on a pipe: any record comes out as it went in, and what is no frame is told."""

import pytest
import trio
import trio.testing
from crewed import grant_of, passed, plan_of
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import memory_stream_pair

from engine.farm.backends import WorkerSpec
from engine.farm.backends.process_worker import Order
from engine.farm.job import RateLimit, TurnResult
from engine.farm.link import Down, Up
from engine.farm.processes.frames import FRAME_MAX_BYTES, Frames, Garbled


def pair():
    one, other = memory_stream_pair()
    return Frames(one, one), Frames(other, other), other


UP = Up(
    results=(passed(grant_of(1), turns=(TurnResult(number=1, answer="é\n\0"),), cost_usd=0.0),),
    returned=("a",),
    active=3,
    roll=("b", "c"),
    rate_limits=RateLimit(limit=1.0, remaining=0.5, reset_s=3.0),
    figures={"time_to_first_audio": {"total": 1.0}},
    files={"sessions/a": bytes(range(256))},
)


@pytest.mark.parametrize(
    "record",
    [
        UP,
        Up(),
        Down(),
        Down(grants=(grant_of(1), grant_of(2, 3)), acknowledged=("x",), stop="now", roll=True),
        Order(name="worker-1", spec=WorkerSpec(plan=plan_of(3), folder="/run", key="k", slots=4)),
    ],
    ids=lambda record: type(record).__name__,
)
async def test_a_record_comes_out_as_it_went_in(record):
    ours, theirs, _ = pair()
    await ours.tell(record)
    assert await theirs.hear(type(record)) == record


@given(cuts=st.lists(st.integers(1, 400), max_size=30))
def test_it_does_not_matter_how_bytes_come_in(cuts):
    async def check():
        ours, theirs, _ = pair()
        collected = trio.testing.MemorySendStream()
        await Frames(ours._incoming, collected).tell(UP)
        whole = bytes(collected.get_data_nowait())
        async with trio.open_nursery() as nursery:

            async def dribble():
                rest = whole
                for cut in cuts:
                    await ours._outgoing.send_all(rest[:cut])
                    rest = rest[cut:]
                await ours._outgoing.send_all(rest)

            nursery.start_soon(dribble)
            assert await theirs.hear(Up) == UP

    trio.run(check)


async def test_a_cancelled_read_loses_nothing(autojump_clock):
    ours, theirs, _ = pair()
    collected = trio.testing.MemorySendStream()
    await Frames(ours._incoming, collected).tell(UP)
    whole = bytes(collected.get_data_nowait())
    await ours._outgoing.send_all(whole[:10])
    with trio.move_on_after(1):
        await theirs.hear(Up)
    await ours._outgoing.send_all(whole[10:])
    assert await theirs.hear(Up) == UP


async def test_the_end_of_the_stream_is_none_also_within_a_frame():
    ours, theirs, _ = pair()
    await ours._outgoing.send_all(b"\0\0\0\x05ab")
    await ours._outgoing.aclose()
    assert await theirs.hear(Up) is None


async def test_what_is_no_frame_is_told_without_reading_on():
    ours, theirs, _ = pair()
    await ours._outgoing.send_all((FRAME_MAX_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(Garbled, match="over the bound"):
        await theirs.hear(Up)
    ours, theirs, _ = pair()
    await ours._outgoing.send_all(b"\0\0\0\x05hello")
    with pytest.raises(Garbled, match="is no Up"):
        await theirs.hear(Up)

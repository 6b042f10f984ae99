"""Peers' fault: a consumer that stalls loses its connection, or fills the memory. Ours keeps both."""

import trio
from load_clients import over_memory, over_sockets, read_to_the_end_of

import engine
from benchmarks.fault_server import Load
from engine.inbox import weight

BOUND_BYTES = 2**17
CONTROL_MARGIN_BYTES = 2**13
"""One delta, and the events that are no audio."""


async def stall(session, stall_s):
    """Ask for a long answer and don't read it; then read, and take another turn."""
    events = session.receive()
    await session.send(engine.BidiTextInputEvent("Go on at length."))
    await trio.sleep(stall_s)
    first = await read_to_the_end_of(events, "resp_1")
    await session.send(engine.BidiTextInputEvent("Are you still there?"))
    await read_to_the_end_of(events, "resp_2")
    return first


def check(session, report, first, deltas, pings):
    inbox = session.statistics().inbox
    heard = [event for event in first if isinstance(event, engine.BidiAudioStreamEvent)]
    told = [event for event in first if isinstance(event, engine.BidiErrorEvent)]
    assert report.deltas_sent == deltas
    assert report.pongs == report.pings >= pings
    assert inbox.most_bytes <= BOUND_BYTES + CONTROL_MARGIN_BYTES
    assert inbox.dropped_audio + len(heard) == deltas
    assert sum(map(weight, heard)) <= BOUND_BYTES
    assert [event.code for event in told] == ["LimitExceeded"]


async def test_stalled_consumer_keeps_its_connection_and_bounded_memory():
    load = Load(deltas=1500, ping_interval_s=0.2, pong_deadline_s=5)
    with trio.fail_after(30):
        async with over_sockets(load, inbox_max_bytes=BOUND_BYTES) as (session, report):
            first = await stall(session, 2.0)
            check(session, report, first, load.deltas, pings=5)
            assert session.statistics().state == "live"


async def test_pings_are_answered_at_once_while_the_consumer_stalls_for_50_s(autojump_clock):
    load = Load(deltas=2000, interval_s=0.02, ping_interval_s=20, pong_deadline_s=1)
    async with over_memory(load, inbox_max_bytes=BOUND_BYTES) as (session, report):
        first = await stall(session, 50)
        check(session, report, first, load.deltas, pings=2)
        assert report.slowest_pong_s == 0


async def test_control_events_come_through_a_full_inbox_in_order(autojump_clock):
    load = Load(deltas=500)
    async with over_memory(load, inbox_max_bytes=BOUND_BYTES) as (session, _):
        first = await stall(session, 50)
        kinds = [event.type for event in first if not isinstance(event, engine.BidiAudioStreamEvent)]
        assert kinds == ["bidi_connection_start", "bidi_response_start", "bidi_error", "bidi_response_complete"]

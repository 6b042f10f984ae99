"""Peers' fault: `stop()` hangs behind audio that nobody has read. Ours drops it and goes."""

import trio
from load_clients import over_memory, over_sockets, read_audio

import engine
from benchmarks.fault_server import Load

STOP_WITHIN_S = 0.1


async def stop_amid_audio(session):
    """Stop after 100 deltas of very many, and give how long it took."""
    await session.send(engine.BidiTextInputEvent("Go on at length."))
    events = session.receive()
    await read_audio(events, 100)
    started = trio.current_time()
    await session.stop()
    took_s = trio.current_time() - started
    left = [event async for event in events]
    assert isinstance(left[-1], engine.BidiConnectionCloseEvent)
    assert not any(isinstance(event, engine.BidiAudioStreamEvent) for event in left)
    return took_s


async def test_stop_returns_within_100_ms_amid_20000_unread_deltas():
    took_s = []
    with trio.fail_after(30):
        for _ in range(3):
            async with over_sockets(Load(deltas=20_000)) as (session, _):
                took_s.append(await stop_amid_audio(session))
    assert min(took_s) < STOP_WITHIN_S


async def test_stop_waits_for_no_deadline_while_audio_pours_in(autojump_clock):
    async with over_memory(Load(deltas=20_000, interval_s=0.0)) as (session, _):
        assert await stop_amid_audio(session) == 0

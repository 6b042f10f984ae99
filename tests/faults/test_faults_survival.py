"""Sessions over real sockets that outlive their connections: a server that ends them, and one that is killed."""

import pytest
import trio
from rooms import config, open_sockets, tasks
from rough_talks import answer, proxied, through
from server_process import server_process

import engine
from benchmarks.survival import kills, renewal
from engine.simulator import Say

PATIENCE_S = 120.0


async def measured(measure, *sizes):
    living, sockets = tasks(), open_sockets()
    with trio.fail_after(PATIENCE_S + 600):
        told = await measure(*sizes)
    assert (tasks(), open_sockets()) == (living, sockets)
    assert told.errors == []
    assert (told.wrong, told.hung) == (0, 0), str(told)
    assert told.restarts >= told.sessions
    assert told.turns > told.sessions
    return told


@pytest.mark.parametrize(
    "sizes",
    [pytest.param((6, 4.0, 4.0), marks=pytest.mark.peers), pytest.param((200, 20.0, 45.0), marks=pytest.mark.long)],
    ids=["few", "many"],
)
async def test_talks_move_on_before_the_server_ends_them_and_no_sample_is_lost_or_doubled(sizes):
    told = await measured(renewal, *sizes)
    assert (told.lost, told.doubled) == (0, 0), str(told)


@pytest.mark.parametrize(
    "sizes",
    [pytest.param((5, 2, (0.3, 1.0)), marks=pytest.mark.peers), pytest.param((50, 20), marks=pytest.mark.long)],
    ids=["few", "many"],
)
async def test_talks_outlive_a_server_that_is_killed_and_each_turn_is_answered_once(sizes):
    await measured(kills, *sizes)


# --- one talk, one trouble ------------------------------------------------------------------------------------------

SURVIVES = {
    "on_timeout": "renew",
    "reconnect": engine.Reconnect(attempts=1000, first_delay_s=0.05, max_delay_s=0.2),
    "ping_interval_s": 0.2,
    "ping_deadline_s": 0.5,
    "connect_deadline_s": 2.0,
    "close_deadline_s": 0.3,
}


async def restarted(events):
    """Wait until the connection was made anew."""
    async for event in events:
        if isinstance(event, engine.BidiConnectionRestartEvent):
            assert event.reason == "connection_lost"
            return event
    raise AssertionError("the events ended before that")


async def warned(events):
    """Wait until the loss is noticed."""
    async for event in events:
        if isinstance(event, engine.BidiConnectionWarningEvent):
            return
    raise AssertionError("the events ended before that")


async def say(session, events, words):
    await session.send(engine.BidiTextInputEvent(words))
    return (await answer(events))[0]


@pytest.mark.parametrize("trouble", ["reset", "end", "swallow", "refuse"])
async def test_a_talk_goes_on_over_a_network_that_breaks(trouble):
    async with (
        proxied(Say("I hear you.")) as (simulator, proxy),
        engine.open_session(through(proxy, engine=SURVIVES)) as session,
    ):
        events = session.receive()
        assert await say(session, events, "one") == "I hear you."
        if trouble == "refuse":
            async with proxy.refusing():
                proxy.reset()
                await trio.sleep(0.3)
        else:
            getattr(proxy, trouble)()
            await warned(events)
            proxy.resume()  # What was swallowed is gone.
        await restarted(events)
        assert await say(session, events, "two") == "I hear you."
        texts = [item.transcript for item in session.history]
        assert texts == ["one", "I hear you.", "two", "I hear you."]
        assert len(simulator.sessions) >= 2


async def test_a_talk_goes_on_when_a_frozen_server_thaws():
    living, sockets = tasks(), open_sockets()
    with trio.fail_after(PATIENCE_S):
        async with server_process() as server:
            settings = config(client={"base_url": server.base_url}, engine=SURVIVES)
            async with engine.open_session(settings) as session:
                events = session.receive()
                assert await say(session, events, "one") == "You said: one"
                server.pause()
                await warned(events)
                server.resume()
                await restarted(events)
                assert await say(session, events, "two") == "You said: two"
    assert (tasks(), open_sockets()) == (living, sockets)

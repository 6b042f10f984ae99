"""Whole sessions over real sockets through a network that is slow, torn, stalled, half-open or cut.

A session talks on where TCP does, and says what happened where it can't: a typed error, in bounded time, with no task
and no socket left.
"""

import pytest
import trio
from fault_proxy import DOWN, UP, fault_proxy
from rough_talks import ANSWERS, CLOCK, LONG, answer, check_all_arrived, first_sound, hold, lost, proxied, through

import engine

ROUGH = {
    "latency and jitter": {"latency_s": 0.02, "jitter_s": 0.03},
    "small pieces": {"fragment_bytes": 100},
    "single bytes at the start": {"fragment_bytes": 1},
    "narrow": {"bandwidth_bytes_s": 800_000},
    "all at once": {"latency_s": 0.01, "jitter_s": 0.01, "fragment_bytes": 1000, "bandwidth_bytes_s": 1_000_000},
}


@pytest.mark.parametrize("ways", ROUGH.values(), ids=ROUGH)
async def test_a_talk_goes_on_over_a_rough_network_and_nothing_is_lost(ways):
    async with proxied(*ANSWERS) as (simulator, proxy):
        for way in (proxy.up, proxy.down):
            for name, value in ways.items():
                setattr(way, name, value)
        async with engine.open_session(through(proxy, tools=[CLOCK])) as session:
            if ways.get("fragment_bytes") == 1:  # The handshake and the settings; speech would take the day.
                proxy.up.fragment_bytes = proxy.down.fragment_bytes = None
            await hold(session)
        check_all_arrived(simulator.sessions[0])
        assert simulator.sessions[0].close_code == 1000


@pytest.mark.parametrize("directions", [(UP,), (DOWN,), (UP, DOWN)], ids="+".join)
async def test_after_a_stall_the_talk_goes_on_where_it_was(directions):
    async with proxied(LONG) as (_, proxy), engine.open_session(through(proxy)) as session:
        events = session.receive()
        await session.send(engine.BidiTextInputEvent("go on at length"))
        await first_sound(events)
        proxy.stall(*directions)
        await trio.sleep(0.1)
        proxy.resume()
        words, _ = await answer(events)
        assert words == LONG.text


CUTS = {
    "reset": lambda proxy: proxy.reset(),
    "end of the stream": lambda proxy: proxy.end(),
    "end of the way to the server": lambda proxy: proxy.end(UP),
    "end of the way back": lambda proxy: proxy.end(DOWN),
    "reset inside a message": lambda proxy: proxy.cut_inside_a_message(DOWN),
    "end inside a message": lambda proxy: proxy.cut_inside_a_message(DOWN, "end"),
    "end inside a head": lambda proxy: proxy.cut_after(DOWN, 1, "end"),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
async def test_a_cut_in_the_middle_of_an_answer_is_a_lost_connection(cut):
    async with proxied(LONG) as (_, proxy):
        proxy.down.bandwidth_bytes_s = 1_000_000  # So that the answer is not over before it is cut.
        async with engine.open_session(through(proxy)) as session:
            await session.send(engine.BidiTextInputEvent("go on at length"))
            await first_sound(session.receive())
            cut(proxy)
            error = await lost(session)
            with pytest.raises(engine.SessionEnded):
                await session.send(engine.BidiTextInputEvent("are you there?"))
        assert session.statistics().state == "closed"
        assert error.code in {None, 1006}


@pytest.mark.parametrize("direction", [UP, DOWN])
async def test_a_cut_in_the_opening_is_a_lost_connection(direction):
    async with proxied() as (_, proxy):
        proxy.on_connection = lambda connection: connection.lanes[direction].cut_inside("reset")
        with pytest.raises(engine.ConnectionLost):
            async with engine.open_session(through(proxy)):
                raise AssertionError("it opened")


async def test_a_port_that_refuses_is_told_and_later_it_opens():
    async with proxied(*ANSWERS) as (_, proxy):
        model = engine.BidiOpenAIRealtimeModel(client_config={"api_key": "sk-test", "base_url": proxy.url})
        async with proxy.refusing():
            with pytest.raises(engine.ConnectionLost, match="Connection refused"):
                await model.start(tools=[CLOCK])
        await model.start(tools=[CLOCK])
        await hold(model.session)
        await model.stop()


async def test_a_network_that_takes_the_connection_and_says_nothing_passes_the_connect_deadline():
    async with proxied() as (_, proxy):
        proxy.stall(DOWN)
        with pytest.raises(engine.DeadlinePassed) as caught:
            async with engine.open_session(through(proxy, engine={"connect_deadline_s": 0.2})):
                raise AssertionError("it opened")
        assert (caught.value.deadline, caught.value.limit_s) == ("connect", 0.2)
        proxy.resume()


@pytest.mark.parametrize("fault", ["stall", "swallow"])
async def test_who_asks_a_dead_peer_is_told_by_the_deadline_and_can_stop(fault):
    bounds = {"response_request_deadline_s": 0.3, "close_deadline_s": 0.3}
    async with proxied() as (_, proxy), engine.open_session(through(proxy, engine=bounds)) as session:
        getattr(proxy, fault)()
        await session.send(engine.BidiTextInputEvent("are you there?"))
        errors = [event async for event in until_error(session)]
        assert isinstance(errors[-1].error, engine.DeadlinePassed)
        assert errors[-1].error.deadline == "response_request"
        assert session.statistics().state == "live"
        await session.stop()
        assert session.statistics().state == "closed"
        proxy.reset()


async def until_error(session):
    async for event in session.receive():
        if isinstance(event, engine.BidiErrorEvent):
            yield event
            return


async def test_40_cuts_at_other_places_each_leave_nothing():
    """Each time the connection is cut somewhere else in handshake, settings, answer or close."""
    ended = set()
    async with proxied(LONG) as (_, proxy):
        for number in range(40):
            ended.add(await _cut_at(proxy, number * 173))
    assert ended == {engine.ConnectionLost}


async def _cut_at(proxy, size):
    how = "end" if size % 2 else "reset"
    proxy.on_connection = lambda connection: connection.lanes[DOWN].cut_after(size, how)
    try:
        async with engine.open_session(through(proxy, engine={"close_deadline_s": 0.5})) as session:
            await session.send(engine.BidiTextInputEvent("go on at length"))
            async for _ in session.receive():
                pass
    except engine.EngineError as error:
        return type(error)


async def test_a_client_that_stops_while_its_connection_is_cut_leaves_nothing():
    async with proxied(LONG) as (simulator, proxy):
        async with engine.open_session(through(proxy)) as session:
            await session.send(engine.BidiTextInputEvent("go on at length"))
            await first_sound(session.receive())
            async with trio.open_nursery() as nursery:
                nursery.start_soon(session.stop)
                proxy.reset()
        assert session.statistics().state == "closed"
        assert all(ledger.crash is None for ledger in simulator.sessions)


async def test_the_proxy_of_a_dead_server_is_a_lost_connection():
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    async with fault_proxy(port) as proxy:
        with pytest.raises(engine.ConnectionLost):
            async with engine.open_session(through(proxy)):
                raise AssertionError("it opened")

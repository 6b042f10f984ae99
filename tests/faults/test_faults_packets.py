"""A talk between two hosts over a link that loses, delays, doubles, damages and reorders packets."""

from contextlib import asynccontextmanager

import pytest
import trio
from rooms import config, open_sockets
from rough_talks import ANSWERS, CLOCK, LONG, QUICK, answer, check_all_arrived, first_sound, hold
from two_hosts import KINDS, SERVER, Trouble, two_hosts, why_not

import engine
from engine.simulator import Script, serve

CALM = Trouble(delay_ms=5, lost=0, overtaking=0, doubled=0, damaged=0)


@pytest.fixture
def kind(request):
    """Give the kind of link, where this machine has it."""
    reason = why_not(request.param)
    return request.param if reason is None else pytest.skip(reason)


each_kind = pytest.mark.parametrize("kind", KINDS, indirect=True)
ours = pytest.mark.parametrize("kind", ["tun"], indirect=True)


@asynccontextmanager
async def apart(kind, *answers, trouble=None):
    """Give a simulator on one host, settings and a connector of a session on another, and the link."""
    sockets = open_sockets()
    async with (
        two_hosts(kind, trouble) as (there, here, link),
        serve(QUICK, Script.of(*answers).responder, host=None) as simulator,
        trio.open_nursery() as nursery,
    ):
        listener = there.listen(SERVER)
        nursery.start_soon(trio.serve_listeners, simulator.serve_stream, [listener])
        url = f"ws://{SERVER}:{listener.socket.getsockname()[1]}/v1"
        client = {"base_url": url, "allow_insecure_key": True}
        with trio.fail_after(60):
            yield simulator, client, here.connector(), link
        nursery.cancel_scope.cancel()
    assert open_sockets() == sockets


@each_kind
async def test_a_talk_holds_at_100_ms_round_trip_with_lost_and_reordered_packets(kind):
    async with apart(kind, *ANSWERS) as (simulator, client, connector, link):
        settings = config(client=client, tools=[CLOCK], engine={"close_deadline_s": 10})
        async with engine.open_session(settings, connector=connector) as session:
            await hold(session)
        check_all_arrived(simulator.sessions[0])
        if kind == "tun":
            assert min(link.counts["lost"], link.counts["overtaking"]) > 0, link.counts


@ours
async def test_a_link_that_is_down_for_a_moment_costs_nothing_but_time(kind):
    async with (
        apart(kind, LONG, trouble=CALM) as (_, client, connector, link),
        engine.open_session(config(client=client), connector=connector) as session,
    ):
        events = session.receive()
        await session.send(engine.BidiTextInputEvent("go on at length"))
        await first_sound(events)
        link.is_down = True
        await trio.sleep(0.15)
        link.is_down = False
        assert (await answer(events))[0] == LONG.text


@ours
async def test_a_link_that_stays_down_holds_up_neither_deadlines_nor_the_end(kind):
    bounds = {"response_request_deadline_s": 0.3, "close_deadline_s": 0.3}
    async with apart(kind, trouble=CALM) as (_, client, connector, link):
        async with engine.open_session(config(client=client, engine=bounds), connector=connector) as session:
            link.is_down = True
            await session.send(engine.BidiTextInputEvent("are you there?"))
            async for event in session.receive():
                if isinstance(event, engine.BidiErrorEvent):
                    assert isinstance(event.error, engine.DeadlinePassed)
                    break
        assert session.statistics().state == "closed"


def test_a_machine_that_can_not_do_it_says_why():
    for kind in KINDS:
        assert why_not(kind) is None or "needs" in why_not(kind) or "the kernel has no" in why_not(kind)

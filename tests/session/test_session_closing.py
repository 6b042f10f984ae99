"""`stop()` in every state: it returns in time, says goodbye where somebody listens, and leaves nothing behind."""

from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from rooms import KEY, collect, config, open_sockets, tasks
from survivors import KEPT, SURVIVES, Brain, Break, Network, spoken, surviving, talking

from engine.errors import HandshakeRejected, SessionEnded
from engine.events import BidiAudioStreamEvent, BidiConnectionCloseEvent, BidiTextInputEvent, ToolUseStreamEvent
from engine.session import Session, open_session
from engine.simulator import SimulatorSettings, serve
from engine.testing import MemoryConnector
from engine.tools import Tools
from engine.transport import trio_ws

CLOSE_S = 2.0
"""`engine.close_deadline_s`, as it is when nobody says otherwise."""

AT_S = 30.0
TIMES = {"session_max_s": 60.0, "renew_margin_s": 10.0}


def renewing(**how):
    return surviving(client={"timeout_s": AT_S}, **{**TIMES, **how})


async def stopped(session, within_s=CLOSE_S):
    """Stop, and tell how long it took."""
    before = trio.current_time()
    await session.stop()
    took_s = trio.current_time() - before
    assert took_s <= within_s
    assert session.statistics().state == "closed"
    with pytest.raises(SessionEnded):
        await session.send(BidiTextInputEvent("too late"))
    await session.stop()
    assert trio.current_time() - before == took_s
    return took_s


def goodbyes(simulator):
    return [ledger.close_code for ledger in simulator.sessions]


# --- before it is open ------------------------------------------------------------------------------------------------


async def test_new(autojump_clock):
    session = Session(config(engine=SURVIVES))
    assert await stopped(session) == 0


@asynccontextmanager
async def starting(settings, connector=None):
    """Begin to open a session that will not open, and give it as it waits."""
    living, sockets = tasks(), open_sockets()
    session = Session(settings, connector)
    ends = []

    async def start(nursery):
        try:
            await session.start(nursery.start_soon)
        except SessionEnded as ended:
            ends.append(ended)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start, nursery)
        await trio.sleep(1)
        assert session.statistics().state == "connecting"
        yield session
    assert [ended.reason for ended in ends] == ["client_disconnect"]
    collect()
    assert (tasks(), open_sockets()) == (living, sockets)


async def never(nursery, endpoint):
    await trio.sleep_forever()


async def test_connecting_tcp(autojump_clock):
    async with starting(config(engine=SURVIVES), never) as session:
        assert await stopped(session) == 0


@pytest.mark.parametrize("scheme", ["wss", "ws"], ids=["TLS", "handshake"])
async def test_connecting_to_somebody_who_takes_the_call_and_says_nothing(scheme, autojump_clock):
    async with trio.open_nursery() as nursery:

        async def silent(stream):
            async with stream:
                await trio.sleep_forever()

        (listener,) = await nursery.start(partial(trio.serve_tcp, silent, 0, host="127.0.0.1"))
        where = {"base_url": f"{scheme}://127.0.0.1:{listener.socket.getsockname()[1]}/v1"}
        session = Session(config(engine=SURVIVES, client=where))

        async def start():
            with pytest.raises(SessionEnded):
                await session.start(nursery.start_soon)

        nursery.start_soon(start)
        await trio.sleep(1)
        assert session.statistics().state == "connecting"
        await stopped(session)
        nursery.cancel_scope.cancel()


async def test_connecting_and_waiting_for_session_created(autojump_clock):
    connector = MemoryConnector()
    async with starting(config(engine=SURVIVES), connector) as session:
        peer = await connector.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang_up_when_asked, peer)
            await stopped(session)


async def hang_up_when_asked(peer):
    peer.hang_up(1000, None)


async def test_connecting_and_waiting_for_a_busy_server(autojump_clock):
    async def busy(nursery, endpoint):
        await trio.lowlevel.checkpoint()
        raise HandshakeRejected(503, "busy", 10.0)

    async with starting(config(engine=SURVIVES), busy) as session:
        assert await stopped(session) == 0


# --- live -------------------------------------------------------------------------------------------------------------


async def test_live(autojump_clock):
    async with surviving() as (simulator, _, caller):
        await caller.type("long 1")
        await caller.until(lambda: caller.of(BidiAudioStreamEvent))
        assert await stopped(caller.session) < 0.1
        assert goodbyes(simulator) == [1000]
        assert isinstance(caller.events[-1], BidiConnectionCloseEvent)


async def test_from_several_tasks_at_once(autojump_clock):
    async with surviving() as (simulator, _, caller):
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(stopped, caller.session)
        assert goodbyes(simulator) == [1000]


async def test_in_a_cancelled_scope(autojump_clock):
    async with surviving() as (simulator, _, caller):
        with trio.CancelScope() as scope:
            scope.cancel()
            await caller.session.stop()
        assert caller.session.statistics().state == "closed"
        await trio.sleep(0.1)
        assert goodbyes(simulator) == [1000]


@pytest.mark.parametrize("link", ["live", "renewing", "reconnecting"])
async def test_from_a_tool(link, autojump_clock):
    states = []

    async def look(at: str) -> str:
        """Look."""
        await trio.sleep(7 if link == "renewing" else 2)
        states.append(session.statistics().state)
        await session.stop()
        return at

    kept = SimulatorSettings(**KEPT)
    async with serve(kept, Brain, host=None) as simulator:
        living = tasks()
        network = Network(simulator)
        settings = config(engine={**SURVIVES, **TIMES}, client={"base_url": "ws://localhost/v1", "timeout_s": AT_S})
        async with open_session(settings, connector=network.connect) as session:
            events = session.run(Tools([look]))
            await trio.sleep(AT_S - 5)
            await session.send(BidiTextInputEvent("tool 1"))
            if link == "reconnecting":
                await trio.sleep(1)
                network.next.append(1000.0)
                network.lines[0].end(Break("reset"))
            with trio.fail_after(20):
                told = [event async for event in events]
            assert isinstance(told[-1], BidiConnectionCloseEvent)
            assert states[0] == link
        await trio.sleep(11)
        assert tasks() == living
        assert all(line.closed for line in network.lines)


async def test_while_the_application_holds_a_call_open(autojump_clock):
    async with surviving() as (simulator, _, caller):
        caller.answers_calls = False
        await caller.type("tool 1")
        await caller.until(lambda: caller.of(ToolUseStreamEvent))
        assert await stopped(caller.session) < 0.1
        assert goodbyes(simulator) == [1000]


class Dead(trio.abc.Stream):
    """A stream whose other end can go without a word: it reads nothing and says nothing."""

    def __init__(self, inner):
        self.inner, self.is_dead = inner, False

    async def send_all(self, data):
        if self.is_dead:
            await trio.sleep_forever()
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self):
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes=None):
        data = await self.inner.receive_some(max_bytes)
        if self.is_dead:
            await trio.sleep_forever()
        return data

    async def aclose(self):
        await self.inner.aclose()


@pytest.mark.parametrize("waiting", [False, True], ids=["idle", "with audio that waits"])
async def test_with_a_dead_peer(waiting, autojump_clock):
    async with serve(SimulatorSettings(**KEPT), Brain, host=None) as simulator:
        living, streams = tasks(), []

        async def connect(nursery, endpoint):
            streams.append(Dead(simulator.connect_stream()))
            return await trio_ws.wrap(nursery, streams[-1], endpoint)

        async with talking(connect) as caller:
            streams[0].is_dead = True
            if waiting:
                await caller.play(spoken(1))
            await stopped(caller.session)
        await trio.sleep(1)
        assert (tasks(), simulator.active_sessions) == (living, 0)


# --- renewing ---------------------------------------------------------------------------------------------------------


async def test_renewing_and_connecting(autojump_clock):
    async with renewing() as (simulator, network, caller):
        network.next.append(1000.0)
        await trio.sleep(AT_S + 1)
        assert caller.session.statistics().state == "renewing"
        assert await stopped(caller.session) < 0.1
        assert goodbyes(simulator) == [1000]


async def test_renewing_and_waiting_to_try_again(autojump_clock):
    async with renewing() as (simulator, network, caller):
        network.next.append(HandshakeRejected(429, "slow down", 10.0))
        await trio.sleep(AT_S + 1)
        assert caller.session.statistics().state == "renewing"
        assert await stopped(caller.session) < 0.1
        assert goodbyes(simulator) == [1000]


async def test_renewing_and_handing_over(autojump_clock):
    async with renewing() as (simulator, network, caller):
        network.holds = True
        await trio.sleep(AT_S + 1)
        assert len(network.lines) == 2
        assert caller.session.statistics().state == "renewing"
        network.lines[1].release()
        network.lines[1].hold()
        await stopped(caller.session)
        assert goodbyes(simulator)[0] == 1000


async def test_renewing_and_waiting_for_a_boundary(autojump_clock):
    async with renewing() as (simulator, network, caller):
        caller.answers_calls = False
        await caller.type("tool 1")
        await caller.until(lambda: caller.of(ToolUseStreamEvent))
        await trio.sleep(AT_S + 1)
        assert (len(network.lines), caller.session.statistics().state) == (2, "renewing")
        assert await stopped(caller.session) < 0.1
        await trio.sleep(0.1)
        assert goodbyes(simulator) == [1000, 1000]


@pytest.mark.parametrize("at", range(1, 10))
async def test_at_any_message_of_the_switch(at, autojump_clock):
    async with renewing() as (simulator, network, caller):
        await caller.type("typed 1")
        await caller.answered("typed 1")
        await trio.sleep_until(AT_S - 1)
        now, first = trio.Event(), len(network.messages)
        network.watch = lambda side, event_type: now.set() if len(network.messages) - first == at else None
        with trio.move_on_after(2):
            await now.wait()
        await stopped(caller.session)
        await trio.sleep(3)
        # One that was dropped before it was ready may end without a word.
        assert goodbyes(simulator)[0] == 1000
        if caller.restarts:
            assert goodbyes(simulator) == [1000, 1000]
    assert simulator.active_sessions == 0


# --- reconnecting -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fate", [1000.0, HandshakeRejected(503, "busy", 20.0)], ids=["connecting", "waiting to try again"]
)
async def test_reconnecting(fate, autojump_clock):
    async with surviving() as (_, network, caller):
        network.next.append(fate)
        network.line.end(Break("reset"))
        await caller.play(spoken(1))
        assert caller.session.statistics().state == "reconnecting"
        assert await stopped(caller.session) < 0.1
        assert isinstance(caller.events[-1], BidiConnectionCloseEvent)


async def test_reconnecting_and_handing_over(autojump_clock):
    async with surviving() as (_, network, caller):
        network.holds = True
        network.line.end(Break("reset"))
        await trio.sleep(1)
        assert (len(network.lines), caller.session.statistics().state) == (2, "reconnecting")
        await stopped(caller.session)


async def test_reconnecting_while_the_old_connection_takes_its_time_to_close(autojump_clock):
    async with serve(SimulatorSettings(**KEPT), Brain, host=None) as simulator:
        living, streams = tasks(), []

        async def connect(nursery, endpoint):
            streams.append(Dead(simulator.connect_stream()))
            return await trio_ws.wrap(nursery, streams[-1], endpoint)

        async with talking(connect, ping_interval_s=5.0, ping_deadline_s=2.0) as caller:
            streams[0].is_dead = True
            await caller.until(lambda: caller.restarts)
            await stopped(caller.session)
        await trio.sleep(1)
        assert (tasks(), simulator.active_sessions) == (living, 0)


async def test_who_waits_is_told_when_it_is_stopped_in_an_outage(autojump_clock):
    async with surviving() as (_, network, caller):
        network.next.append(1000.0)
        network.line.end(Break("reset"))
        await trio.sleep(1)
        ends = []

        async def ask(what):
            try:
                await what()
            except SessionEnded:
                ends.append(what)

        session = caller.session
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, lambda: session.items.create(text="a note"))
            nursery.start_soon(ask, lambda: session.update(instructions="be brief"))
            nursery.start_soon(ask, lambda: session.responses.create(conversation="none"))
            nursery.start_soon(ask, session.responses.create)
            await trio.sleep(1)
            await stopped(session)
        assert len(ends) == 4


async def test_a_key_is_in_no_repr_of_what_is_left(autojump_clock):
    async with surviving() as (_, network, caller):
        network.line.end(Break("reset"))
        await caller.until(lambda: caller.restarts)
        await caller.session.stop()
        assert KEY not in repr(caller.events) + repr(caller.session.statistics())

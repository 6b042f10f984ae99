"""The facade where Trio alone has what it is about: nurseries, system tasks, the mock clock, each step of its tasks."""

import signal
import threading
import time

import pytest
import trio
import trio.testing
from rooms import (
    ANSWERS,
    KEY,
    Broken,
    Peer,
    audio_delta,
    cancel_everywhere,
    collect,
    converse,
    error,
    names,
    open_sockets,
    session_created,
    simulated,
    tasks,
)

from engine.errors import BidiModelTimeoutError, ConnectionLost, DeadlinePassed, SessionEnded
from engine.events import BidiTextInputEvent
from engine.facade import BidiOpenAIRealtimeModel
from engine.simulator import serve
from engine.testing import MemoryConnector


def model(connector=None, *, client=None, engine=None, **provider):
    where = {"api_key": KEY, "base_url": "ws://127.0.0.1:1/v1", **(client or {})}
    given = {**provider, "engine": engine} if engine else provider
    return BidiOpenAIRealtimeModel(provider_config=given, client_config=where, connector=connector)


async def started(subject, connector, **options):
    """Start with a server written by hand; give that."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: subject.start(**options))
        peer = Peer(await connector.accept())
        await peer.say(session_created())
    return peer


async def everything(subject):
    return [event async for event in subject.receive()]


async def test_the_lifetime_is_over_to_the_millisecond(autojump_clock):
    connector = MemoryConnector()
    subject = model(connector, client={"timeout_s": 5})
    for n in (1, 2):
        peer = await started(subject, connector)
        if n == 2:
            await peer.say(error("session_expired", "Your session hit the maximum duration of 60 minutes."))
        with pytest.raises(BidiModelTimeoutError):
            await everything(subject)
        assert trio.current_time() == pytest.approx(5, abs=0.0005)
        with pytest.raises(SessionEnded):
            await subject.send(BidiTextInputEvent("late"))
        await subject.stop()
    await started(subject, connector)
    await subject.stop()


async def test_a_connection_that_does_not_come_is_given_up_on_time(autojump_clock):
    connector = MemoryConnector()
    subject = model(connector, engine={"connect_deadline_s": 2})
    before = tasks()
    with pytest.raises(DeadlinePassed) as caught:
        await subject.start()
    assert caught.value.deadline == "connect"
    assert trio.current_time() == pytest.approx(2)
    assert tasks() == before


# --- where it lives -------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere():
    """A simulator in a run of its own."""
    ready, over = threading.Event(), threading.Event()
    found = []

    async def main():
        async with serve() as simulator:
            found.append(simulator)
            ready.set()
            await trio.to_thread.run_sync(over.wait)

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    assert ready.wait(5)
    yield found[0]
    over.set()
    thread.join(5)


@pytest.mark.parametrize("how", ["forgotten", "crashed", "nursery"])
def test_the_session_closes_with_the_run_whatever_the_caller_forgets(how, elsewhere):
    before = open_sockets()
    kept = []

    async def main():
        # A close that waited for anything would wait for all of this.
        patience = {"close_deadline_s": 60}
        subject = model(client={"base_url": elsewhere.base_url}, engine=patience)
        kept.append(subject)
        if how == "nursery":
            async with trio.open_nursery() as nursery:
                await subject.start(nursery=nursery)
                nursery.cancel_scope.cancel()
            return
        await subject.start()
        await subject.send(BidiTextInputEvent("x"))
        stream = subject.receive()
        await anext(stream)
        if how == "crashed":
            raise ZeroDivisionError

    started = time.perf_counter()
    if how == "crashed":
        with pytest.raises(ZeroDivisionError):
            trio.run(main)
    else:
        trio.run(main)
    assert time.perf_counter() - started < 30
    assert kept[0].session.statistics().state == "closed"
    while elsewhere.active_sessions:
        assert time.perf_counter() - started < 35
        time.sleep(0.005)
    assert elsewhere.sessions[0].close_code == 1000
    assert elsewhere.sessions[0].crash is None
    collect()
    assert open_sockets() <= before


def test_the_peer_of_a_forgotten_session_sees_a_close():
    ends = []

    async def main():
        connector = MemoryConnector()
        subject = model(connector)
        peer = await started(subject, connector)
        ends.append(peer.transport)
        await subject.send(BidiTextInputEvent("x"))

    trio.run(main)

    async def look():
        await ends[0].receive()
        with pytest.raises(ConnectionLost) as caught:
            await ends[0].receive()
        assert caught.value.code == 1000

    trio.run(look)


async def test_the_callers_nursery_holds_the_session(autojump_clock):
    connector = MemoryConnector()
    subject = model(connector)
    async with trio.open_nursery() as nursery:
        peer = await started(subject, connector, nursery=nursery)
        assert {task.name for task in nursery.child_tasks} == {"engine session"}
        await peer.say(audio_delta())
        nursery.cancel_scope.cancel()
    assert names(await everything(subject))[-1] == "bidi_connection_close"
    await subject.stop()


async def test_a_nursery_that_is_over_takes_no_session(autojump_clock):
    async with trio.open_nursery() as nursery:
        pass
    subject = model(MemoryConnector())
    with pytest.raises(RuntimeError, match="Nursery is closed"):
        await subject.start(nursery=nursery)
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.cancel()
        connector = MemoryConnector()
        subject = model(connector)
        with trio.CancelScope(shield=True), pytest.raises(SessionEnded):
            await subject.start(nursery=nursery)


def test_ctrl_c_in_a_forgotten_session_is_a_keyboard_interrupt():
    class Interrupted(Broken):
        async def fail(self, where):
            await trio.lowlevel.checkpoint()
            if where == "receive":
                signal.raise_signal(signal.SIGINT)

    connector = Interrupted("", None)

    async def main():
        await model(connector).start()
        await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
    assert connector.closed


@pytest.mark.parametrize(
    ("who", "nursery", "stride"), [("user", False, 1), ("user", True, 1), ("engine", False, 2), ("engine", True, 3)]
)
async def test_cancelled_at_every_checkpoint_it_leaves_nothing(who, nursery, stride, autojump_clock):
    async with simulated(*ANSWERS) as (simulator, client, connector):

        async def run():
            subject = model(connector, client=client, engine={"input_frame_ms": 200})
            try:
                if nursery:
                    async with trio.open_nursery() as own:
                        await subject.start(nursery=own)
                        await talk(subject)
                else:
                    await subject.start()
                    await talk(subject)
            finally:
                await subject.stop()

        async def talk(subject):
            await converse(subject.session)

        assert await cancel_everywhere(simulator, who, run, stride=stride) > 15

"""A simulator in a thread of its own: for plain programs, asyncio and Trio alike, ended in bounded time."""

import threading

import anyio
import pytest
import trio
from every_host import on_every_host

from engine import BidiTextInputEvent, ClientSettings, ConfigError, LocalMisuse, SessionConfig
from engine.session import open_session
from engine.simulator import INSTANT, Say, Script, SimulatorSettings
from engine.testing import simulator_in_thread


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name == "realtime-simulator"]


def test_a_plain_program_has_it_for_a_block():
    with simulator_in_thread() as simulator:
        assert simulator.base_url == f"ws://127.0.0.1:{simulator.port}/v1"
        assert simulator.url == simulator.base_url + "/realtime"
        assert (simulator.sessions, simulator.active_sessions) == ([], 0)
        assert simulator.run(lambda server, what: (server.port, what), 5) == (simulator.port, 5)
        with pytest.raises(ZeroDivisionError):
            simulator.run(lambda server: 1 / 0)
        assert threads() == ["realtime-simulator"]
    assert threads() == []
    assert simulator.sessions == [], "its ledgers can be read afterwards"


def test_it_talks_with_a_session_of_another_run_and_its_ledger_is_there_afterwards():
    async def talk(base_url):
        config = SessionConfig(client=ClientSettings(api_key="any", base_url=base_url))
        async with open_session(config) as session:
            await session.send(BidiTextInputEvent("hello"))
            async for event in session.receive():
                if event.type == "bidi_response_complete":
                    return

    with simulator_in_thread(SimulatorSettings(pace=INSTANT), Script.of(Say("hi")).responder) as simulator:
        trio.run(talk, simulator.base_url)
    (ledger,) = simulator.sessions
    assert ledger.close_code == 1000
    assert "response.create" in ledger.received.types


@on_every_host
async def test_the_hosts_own_tasks_run_while_it_begins_and_ends():
    ticks = []

    async def tick():
        while True:
            ticks.append(None)
            await anyio.sleep(0.001)

    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        async with simulator_in_thread():
            pass
        group.cancel_scope.cancel()
    assert ticks
    assert threads() == []


@on_every_host
async def test_a_block_that_is_cancelled_ends_it():
    with anyio.move_on_after(0.05):
        async with simulator_in_thread():
            await anyio.sleep_forever()
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with simulator_in_thread():
            await anyio.sleep_forever()
    assert threads() == []


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing():
    with simulator_in_thread() as simulator, pytest.raises(ConfigError, match="port"):
        simulator_in_thread(port=simulator.port).__enter__()
    assert threads() == []


def test_what_the_block_raises_comes_out_of_it():
    with pytest.raises(ZeroDivisionError), simulator_in_thread():
        raise ZeroDivisionError
    assert threads() == []


def test_before_it_is_entered_it_has_no_address():
    with pytest.raises(LocalMisuse, match="does not run yet"):
        _ = simulator_in_thread().base_url

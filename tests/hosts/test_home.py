"""A session's home: what its own tools may do to it, and to the others in the thread."""

import asyncio
import logging
import time

import pytest
from every_host import engine_threads, everything, model, on_event_loops, simulated, started

from engine import BidiTextInputEvent, ClientSettings, ConnectionLost, SessionConfig, open_session
from engine.hosts.engine_thread import EngineThread
from engine.simulator import Call, Say
from engine.testing import MemoryConnector
from engine.tools import Tools


def config(client, tools):
    return SessionConfig(client=ClientSettings(api_key="any", **client), tools=tools.specs)


@on_event_loops
async def test_a_task_that_a_tool_begins_may_stop_the_session():
    tools, stopping = Tools(), []

    @tools.add
    async def hang_up() -> str:
        """Hang up."""
        stopping.append(asyncio.create_task(session.stop()))
        return "bye"

    async with simulated(Call("hang_up"), Say("bye")) as (_, client):  # noqa: SIM117 - it would be a long line
        async with open_session(config(client, tools)) as session:
            await session.send(BidiTextInputEvent("hang up"))
            assert [event async for event in session.run(tools)][-1].reason == "client_disconnect"
            async with asyncio.timeout(5):
                await stopping[0]


@on_event_loops
async def test_a_tool_that_exits_ends_its_session_alone(caplog):
    caplog.set_level(logging.ERROR, "engine")
    tools = Tools()

    @tools.add
    def leave() -> str:
        """Leave."""
        raise SystemExit(3)

    connector = MemoryConnector()
    other = model(connector)
    await started(other, connector)
    async with simulated(Call("leave")) as (_, client), open_session(config(client, tools)) as session:
        await session.send(BidiTextInputEvent("leave"))
        assert [event.type async for event in session.run(tools)][-1] == "bidi_connection_close"
        assert session.statistics().state == "closed"
    assert other.statistics().state == "live"
    await other.stop()
    assert session.connection_id in caplog.text


@on_event_loops
async def test_after_stop_the_thread_is_gone_though_the_session_had_ended_by_itself(monkeypatch):
    main = EngineThread._main

    async def leave_late(self, over):
        await main(self, over)
        if self is thread:
            time.sleep(0.2)  # noqa: ASYNC251 - its loop is over

    monkeypatch.setattr(EngineThread, "_main", leave_late)
    connector = MemoryConnector()
    subject = model(connector)
    peer = await started(subject, connector)
    thread = subject.session._home.thread
    thread.post(peer.transport.hang_up, 1011, "oops")
    with pytest.raises(ConnectionLost):
        await everything(subject)
    await subject.stop()
    assert engine_threads() == []

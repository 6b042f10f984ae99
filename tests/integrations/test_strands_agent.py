"""Strands' own `BidiAgent` of the newest version, on asyncio, with our model: real sockets, a simulated service."""

import asyncio
import sys
from pathlib import Path

import pytest
import trio

pytest.importorskip("strands.bidi", reason="needs strands-agents>=1.58 in this environment")
sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))

from scripted_server import serve_script
from strands_checks import CASES, LEAVING, TALK_OF, clean, service_left
from strands_talks import TALKS, hold

from engine import simulator


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.only != "classic"])
async def test_agent_talks_with_our_model(name):
    case = CASES[name]
    async with simulator.serve(case.settings, case.script.responder) as server:
        seen = await trio.to_thread.run_sync(
            lambda: hold(TALK_OF.get(name, name), "ours", server.base_url, **case.model)
        )
        with trio.fail_after(5):
            while server.active_sessions:  # noqa: ASYNC110 - it has no event for this
                await trio.sleep(0.005)
        ledgers = server.sessions
    clean(seen, ledgers)
    case.check(seen, ledgers)


async def test_agent_is_told_when_the_service_leaves():
    async with serve_script(LEAVING) as server:
        service_left(await trio.to_thread.run_sync(hold, "service_leaves", "ours", server.base_url))


def test_every_talk_is_held():
    assert {TALK_OF.get(name, name) for name in CASES} | {"service_leaves"} == TALKS.keys()


async def test_talks_in_several_loops_at_once_do_not_meddle():
    case = CASES["two_tools"]
    seen = []

    async def one():
        seen.append(await trio.to_thread.run_sync(hold, "two_tools", "ours", server.base_url))

    async with simulator.serve(case.settings, case.script.responder) as server, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(one)
    assert [(each["failure"], each["said"]) for each in seen] == [(None, ["Ten points, and it is sunny."])] * 3
    assert len(server.sessions) == 3


def test_a_model_that_cannot_connect_says_so_and_can_be_started_again():
    from engine.errors import ConnectionLost
    from engine.integrations.strands import BidiOpenAIRealtimeModel

    async def refused_twice():
        model = BidiOpenAIRealtimeModel(client_config={"api_key": "x", "base_url": "ws://127.0.0.1:9/v1"})
        for _ in range(2):
            with pytest.raises(ConnectionLost):
                await model.start()
        await model.stop()

    asyncio.run(refused_twice())

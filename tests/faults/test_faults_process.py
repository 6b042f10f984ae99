"""A server that is frozen or killed: whoever waits is told in time, `stop()` returns, and nothing is left.

The server is a process of its own: its kernel goes on taking what is sent to it when it is frozen, and resets its
connections when it is killed.
"""

from contextlib import asynccontextmanager

import pytest
import trio
from fault_proxy import until
from rooms import config, open_sockets, tasks
from rough_talks import answer, first_sound, lost
from server_process import server_process

import engine

LONG = "A word and a word. " * 4
SCRIPT = f"""
[[turn]]
when = "at length"
repeat = true
say = "{LONG}"
"""

TALKING = {"close_deadline_s": 0.3}


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.toml"
    path.write_text(SCRIPT)
    return path


@asynccontextmanager
async def serving(script):
    """Give a server; at the end no task and no socket is left of its sessions."""
    sockets, living = open_sockets(), tasks()
    with trio.fail_after(60):
        async with server_process(script=script) as server:
            yield server
    assert (open_sockets(), tasks()) == (sockets, living)


def to(server, **bounds):
    return config(client={"base_url": server.base_url}, engine=bounds)


async def ask(session, text="go on at length"):
    await session.send(engine.BidiTextInputEvent(text))
    return session.receive()


async def test_a_server_that_was_frozen_goes_on_where_it_was(script):
    async with serving(script) as server, engine.open_session(to(server, **TALKING)) as session:
        events = await ask(session)
        await first_sound(events)
        server.pause()
        await trio.sleep(0.2)
        server.resume()
        words, size = await answer(events)
        assert words == LONG
        assert size > 0
        await ask(session, "and now?")
        assert (await answer(events))[0] == "You said: and now?"


async def test_a_frozen_server_passes_the_deadlines_of_who_asks_and_of_who_stops(script):
    async with serving(script) as server:
        async with engine.open_session(to(server, response_request_deadline_s=0.3, close_deadline_s=0.3)) as session:
            server.pause()
            events = await ask(session)
            told = [event async for event in errors(events)]
            assert isinstance(told[-1], engine.DeadlinePassed)
            assert told[-1].deadline == "response_request"
            with trio.fail_after(30):
                await session.stop()
        assert session.statistics().state == "closed"
        with pytest.raises(engine.DeadlinePassed) as caught:
            async with engine.open_session(to(server, connect_deadline_s=0.3)):
                raise AssertionError("it opened")
        assert caught.value.deadline == "connect"


async def errors(events):
    async for event in events:
        if isinstance(event, engine.BidiErrorEvent):
            yield event.error
            return


@pytest.mark.parametrize("is_frozen", [False, True], ids=["in an answer", "frozen"])
async def test_a_killed_server_is_a_lost_connection(is_frozen, script):
    async with serving(script) as server:
        async with engine.open_session(to(server, **TALKING)) as session:
            await first_sound(await ask(session))
            if is_frozen:
                server.pause()
            await server.kill()
            error = await lost(session)
            assert error.code in {None, 1006}
            with pytest.raises(engine.SessionEnded):
                await ask(session)
        assert session.statistics().state == "closed"
        with pytest.raises(engine.ConnectionLost, match="Connection refused"):
            async with engine.open_session(to(server)):
                raise AssertionError("it opened")


async def test_the_facade_is_started_again_with_the_talk_so_far(script):
    async with serving(script) as server:
        client = {"api_key": "sk-test", "base_url": server.base_url}
        model = engine.BidiOpenAIRealtimeModel(client_config=client)
        await model.start()
        await model.send(engine.BidiTextInputEvent("good day"))
        await answer(model.receive())
        messages = model.session.history.messages()
        await server.restart()
        await lost(model)
        await model.stop()
        await model.start(messages=messages)
        assert len(messages) == 2
        await model.send(engine.BidiTextInputEvent("and now?"))
        assert (await answer(model.receive()))[0] == "You said: and now?"
        await model.stop()


async def test_50_talking_sessions_of_a_killed_server_are_all_told(script):
    async with serving(script) as server, trio.open_nursery() as nursery:
        ends = []

        async def talk(*, task_status):
            try:
                async with engine.open_session(to(server, **TALKING)) as session:
                    events = await ask(session)
                    await first_sound(events)
                    task_status.started()
                    ends.append(await lost(session))
            finally:
                assert session.statistics().state == "closed"

        async with trio.open_nursery() as beginning:
            for _ in range(50):
                beginning.start_soon(nursery.start, talk)
        await server.kill()
        await until(lambda: len(ends) == 50)

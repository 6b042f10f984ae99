"""Where a connection leads: the key is fetched at each connect, from whatever kind of function gives it."""

import functools
import json
import threading

import pytest
import trio
import trio.testing
from rooms import KEY

from engine.blocks import block_nursery
from engine.config import ClientSettings
from engine.endpoints import endpoint_of, sign
from engine.errors import ConfigError, ConnectionLost, DeadlinePassed, HandshakeRejected
from engine.simulator import serve
from engine.simulator.settings import SimulatorSettings
from engine.transport import trio_ws


def client(**given):
    return ClientSettings(**{"api_key": KEY, "base_url": "wss://service.example/v1", "proxy": None, **given})


async def test_an_endpoint_has_address_headers_and_proxy():
    settings = client(proxy="http://proxy:3128", organization="org")
    endpoint = await endpoint_of(settings, "gpt-realtime")

    assert endpoint.url == settings.url("gpt-realtime")
    assert list(endpoint.headers) == settings.headers()
    assert endpoint.proxy == "http://proxy:3128"
    assert endpoint.ssl_context is settings.ssl_context


async def test_an_endpoint_may_lead_to_sessions_of_other_kinds():
    translation = await endpoint_of(client(), "gpt-realtime-translate", path="/realtime/translations")

    assert (await endpoint_of(client(), intent="transcription")).url.endswith("/realtime?intent=transcription")
    assert translation.url.endswith("/v1/realtime/translations?model=gpt-realtime-translate")


async def in_this_task():
    await trio.lowlevel.checkpoint()
    return "fresh"


class Provider:
    async def __call__(self):
        return await in_this_task()


FUNCTIONS = {
    "plain": lambda: "fresh",
    "async": in_this_task,
    "plain that gives an awaitable": lambda: in_this_task(),  # noqa: PLW0108 - the point of it
    "async with arguments bound": functools.partial(in_this_task),
    "object with an async call": Provider(),
    "method": "fresh".lower,
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
async def test_a_key_may_come_from_any_kind_of_function(function):
    assert await sign(client(api_key=function)) == [("Authorization", "Bearer fresh")]


async def test_a_key_is_asked_for_at_each_connect():
    keys = iter(["first", "second"])
    settings = client(api_key=lambda: next(keys))

    assert [(await sign(settings))[0][1] for _ in range(2)] == ["Bearer first", "Bearer second"]


async def test_a_plain_function_runs_in_a_thread_for_it_may_block():
    where = []
    await sign(client(api_key=lambda: where.append(threading.get_ident()) or "k"))

    assert where != [threading.get_ident()]


async def test_a_function_that_blocks_is_left_at_the_deadline():
    release = threading.Event()
    with trio.move_on_after(0.05) as scope:
        await sign(client(api_key=lambda: release.wait(10) and "late"))
    release.set()

    assert scope.cancelled_caught


def failing():
    raise OSError(f"no token for {KEY}")


async def failing_async():
    raise OSError(f"no token for {KEY}")


@pytest.mark.parametrize("function", [failing, failing_async])
async def test_a_function_that_fails_is_a_connection_that_could_not_be_made(function):
    with pytest.raises(ConnectionLost, match=r"api_key\(\) raised OSError") as raised:
        await sign(client(api_key=function))

    assert isinstance(raised.value.__cause__, OSError)
    assert KEY not in str(raised.value) + repr(vars(raised.value))


async def test_an_error_of_the_engine_from_a_function_is_told_as_it_is():
    def late():
        raise DeadlinePassed("http request", 15.0)

    with pytest.raises(DeadlinePassed, match="http request"):
        await sign(client(api_key=late))


@pytest.mark.parametrize("wrong", ["", None, 7, KEY + "\n", KEY.encode()])
async def test_what_is_no_key_is_refused_and_not_shown(wrong):
    with pytest.raises(ConfigError) as raised:
        await sign(client(api_key=lambda: wrong))

    assert raised.value.field == "client_config.api_key"
    assert KEY not in str(raised.value)


async def test_every_way_to_a_key_is_a_checkpoint():
    for settings in (client(), client(api_key=in_this_task), client(api_key=lambda: "k")):
        with trio.testing.assert_checkpoints():
            await sign(settings)


# --- with a server --------------------------------------------------------------------------------------------------


async def first_event(settings, *, say=None, **asked):
    """Connect as a session does; give the server's first event."""
    endpoint = await endpoint_of(settings, **asked)
    async with block_nursery() as nursery:
        transport = await trio_ws.connect(nursery, endpoint)
        try:
            if say:
                await transport.send(json.dumps(say))
            with trio.fail_after(5):
                [message] = await transport.receive()
        finally:
            await transport.close(2)
    return json.loads(message)


async def test_azure_is_joined_with_a_deployment_for_a_model():
    async with serve(SimulatorSettings(keys=frozenset({KEY}))) as simulator:
        azure = ClientSettings.azure(simulator.base_url.replace("ws:", "http:").removesuffix("/v1"), api_key=KEY)
        preview = ClientSettings.azure(
            f"http://127.0.0.1:{simulator.port}", token=KEY, api_version="2025-04-01-preview"
        )

        for settings in (azure, preview):
            event = await first_event(settings, model="my-deployment")
            assert (event["type"], event["session"]["model"]) == ("session.created", "my-deployment")


async def test_sessions_of_each_kind_are_opened_at_their_addresses():
    async with serve(SimulatorSettings(keys=frozenset({KEY}))) as simulator:
        there = client(base_url=simulator.base_url)
        transcription = await first_event(there, intent="transcription")
        translation = await first_event(there, model="gpt-realtime-translate", path="/realtime/translations")

    assert [event["session"]["type"] for event in (transcription, translation)] == ["transcription", "translation"]


async def test_a_call_is_joined_by_its_id_and_one_that_is_over_is_not_there():
    async with serve(SimulatorSettings(keys=frozenset({KEY}))) as simulator:
        call = simulator.create_call()
        joined = client(base_url=simulator.base_url, call_id=call.id)
        # Who joins a call is told nothing first: the session was there before.
        update = {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}
        event = await first_event(joined, model="not named", say=update)
        call.hang_up()
        with pytest.raises(HandshakeRejected) as refused:
            await first_event(joined)

    assert (event["type"], event["session"]["model"]) == ("session.updated", call.model)
    assert refused.value.status == 404

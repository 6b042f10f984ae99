"""The browser example's servers, run as their user runs them: who is let in, what they serve, how they end."""

import json
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import httpx
import pytest
import trio
from browser_servers import SERVERS, serving
from trio_websocket import ConnectionRejected, wrap_client_stream

from engine.simulator import INSTANT, SimulatorSettings, serve

pytestmark = pytest.mark.peers

ANSWER_BOUND_S = 20


@asynccontextmanager
async def talking_with(page, origin=None):
    """A page's WebSocket; on leaving it vanishes without a close frame."""
    where = urlsplit(page)
    async with await trio.open_tcp_stream(where.hostname, where.port) as stream, trio.open_nursery() as nursery:
        headers = [("Origin", origin or page)]
        with trio.fail_after(5):
            socket = await wrap_client_stream(nursery, stream, where.netloc, "/talk", extra_headers=headers)
        yield socket
        nursery.cancel_scope.cancel()


async def rejection(page, origin=None):
    """The HTTP status that somebody gets who is not let in."""
    with pytest.RaisesGroup(ConnectionRejected, allow_unwrapped=True, flatten_subgroups=True) as rejected:
        async with talking_with(page, origin):
            pass
    error = rejected.value
    return (error.exceptions[0] if isinstance(error, ExceptionGroup) else error).status_code


async def over(simulator):
    """Wait until the service has no session any more."""
    with trio.fail_after(5):
        while simulator.active_sessions:  # noqa: ASYNC110 - of another process' doing
            await trio.sleep(0.01)


async def words_of(socket, role):
    with trio.fail_after(ANSWER_BOUND_S):
        while True:
            message = await socket.get_message()
            if isinstance(message, str) and (told := json.loads(message)).get("role") == role and told["final"]:
                return told["text"]


@pytest.mark.parametrize("server", SERVERS)
async def test_it_works_at_once_with_a_simulator_of_its_own(server):
    async with serving(server) as page, talking_with(page) as socket:
        await socket.send_message('{"type": "text", "text": "thank you"}')

        assert await words_of(socket, "assistant") == "You are welcome."


@pytest.mark.parametrize("server", SERVERS)
async def test_it_serves_the_page_and_lets_in_nobody_but_that(server):
    async with serve(SimulatorSettings(pace=INSTANT)) as simulator:
        async with serving(server, "--calls", "1", base_url=simulator.base_url) as page:
            async with httpx.AsyncClient(base_url=page) as http:
                index = await http.get("/")
                script = await http.get("/talk.js")
                outside = await http.get("/../relay.py")
            foreign = await rejection(page, "http://evil.example")
            async with talking_with(page) as socket, talking_with(page) as another:
                first, second = [json.loads(await each.get_message())["type"] for each in (socket, another)]
                await socket.send_message('{"type": "text", "text": "Hello"}')
                words = await words_of(socket, "assistant")

        assert (index.status_code, "<title>Talk</title>" in index.text) == (200, True)
        assert "javascript" in script.headers["content-type"]
        assert outside.status_code == 404
        assert foreign == 403
        assert (first, second) == ("open", "over")
        assert words == "You said: Hello"
        assert simulator.total_sessions == 1


@pytest.mark.parametrize("server", SERVERS)
async def test_a_call_that_is_open_ends_with_the_server(server):
    async with serve(SimulatorSettings(pace=INSTANT)) as simulator, AsyncExitStack() as stack:
        async with serving(server, base_url=simulator.base_url) as page:
            socket = await stack.enter_async_context(talking_with(page))
            await socket.send_message('{"type": "text", "text": "Hello"}')
            await words_of(socket, "assistant")
        await over(simulator)


@pytest.mark.parametrize("server", SERVERS)
async def test_a_browser_that_vanishes_takes_its_session_along(server):
    async with (
        serve(SimulatorSettings(pace=INSTANT)) as simulator,
        serving(server, base_url=simulator.base_url) as page,
    ):
        async with talking_with(page) as socket:
            await socket.get_message()
            assert simulator.active_sessions == 1
        await over(simulator)

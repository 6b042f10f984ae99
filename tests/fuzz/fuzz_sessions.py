"""Fuzz targets: whole connections whose frames are in order and whose messages are not.

`check_session` has a hostile server talk with a session; `check_clients` a hostile client with the simulator. A talk is
text, a message a line; see `fuzz_conversation` for `~`, `>` and `!`, of which a session knows a few.
"""

import json
from contextlib import suppress

import trio
import trio.testing
import trio_websocket
from fuzz_streams import QUICK, SILENCE_S, serves_on

from engine.config import ClientSettings, EngineSettings, SessionConfig
from engine.errors import EngineError, LocalMisuse
from engine.events import BidiTextInputEvent
from engine.session import open_session
from engine.simulator import serve
from engine.testing import MemoryConnector

MAX_LINES = 400
CLIENT = ClientSettings(api_key="sk-fuzz", base_url="ws://localhost/v1", organization="", project="")
BOUNDS = EngineSettings(
    on_timeout="raise", reconnect=None, inbox_max_bytes=2**16, message_max_bytes=2**12, reader_deadline_s=None
)
PATH = "/v1/realtime?model=gpt-realtime"
HEADERS = [(b"authorization", b"Bearer sk-fuzz")]
SPEECH = b"\1\0" * 2400


def lines_of(text):
    """Give the lines of a talk, a bounded number."""
    text = text if isinstance(text, str) else text.decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()][:MAX_LINES]


# --- a hostile server ------------------------------------------------------------------------------------------------


def check_session(text):
    """Let a server say these lines to a session that listens, speaks, and stops.

    Raises:
        AssertionError: Another error than the engine's own came out, or the session did not end.
    """
    trio.run(_hold, lines_of(text), clock=trio.testing.MockClock(autojump_threshold=0))


async def _hold(lines):
    before = trio.lowlevel.current_statistics().tasks_living
    connector = MemoryConnector()
    with trio.fail_after(7_200):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_serve, connector, lines)
            with suppress(EngineError):
                async with open_session(SessionConfig(client=CLIENT, engine=BOUNDS), connector=connector) as session:
                    await _take_part(session, [line[2:] for line in lines if line.startswith("> ")])
            nursery.cancel_scope.cancel()
    assert trio.lowlevel.current_statistics().tasks_living == before, "a task is left"


async def _serve(connector, lines):
    server = await connector.accept()
    await server.send('{"type":"session.created","session":{"type":"realtime","id":"sess_1"}}')
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "~":
            with suppress(ValueError):
                await trio.sleep(min(100.0, max(0.0, float(rest))))
        elif kind == "!":
            server.hang_up(int(rest) if rest.isdecimal() and len(rest) < 5 else 1006, None)
            return
        elif kind != ">":
            with suppress(EngineError):
                await server.send(line)
    with suppress(EngineError):
        while True:
            await server.receive()


async def _take_part(session, calls):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_read, session)
        for call in calls:
            with suppress(LocalMisuse):
                if call.startswith("interrupt"):
                    await session.interrupt()
                else:
                    await session.send(BidiTextInputEvent(call))
                    await session.send_audio(SPEECH)
            await trio.sleep(0.1)
        await trio.sleep(SILENCE_S)
        repr(session.statistics())
        session.history.messages()
        await session.stop()


async def _read(session):
    try:
        async for event in session.receive():
            repr(event)
            json.dumps(event.as_dict())
    except EngineError as error:
        repr(error)


# --- a hostile client ------------------------------------------------------------------------------------------------


def check_clients(text):
    """Let a client send these lines to a simulator, which must bear it, and then serve another client.

    Raises:
        AssertionError: It does not.
    """
    trio.run(_annoy, lines_of(text), clock=trio.testing.MockClock(autojump_threshold=0))


async def _annoy(lines):
    async with serve(QUICK, host=None) as simulator, trio.open_nursery() as nursery:
        with trio.fail_after(600):
            socket = await trio_websocket.wrap_client_stream(
                nursery, simulator.connect_stream(), "localhost", PATH, extra_headers=HEADERS
            )
            nursery.start_soon(_hear_all, socket)
            for line in lines:
                with suppress(trio_websocket.ConnectionClosed):
                    await socket.send_message(line.encode(errors="replace").decode())
            await trio.sleep(SILENCE_S)
            await socket.aclose()
            await serves_on(simulator)
        nursery.cancel_scope.cancel()


async def _hear_all(socket):
    with suppress(trio_websocket.ConnectionClosed):
        while True:
            await socket.get_message()

"""The telephone example: a whole call on virtual time, and what a carrier may send that it should not."""

import json
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pybase64
import pytest
import trio
import trio.testing
from leg import FORMATS, START_DEADLINE_S, Leg
from trio_websocket import ConnectionClosed, wrap_client_stream, wrap_server_stream

from engine import ClientSettings
from engine.audio.g711 import a_law, decode, mu_law
from engine.audio.pcm import level_dbfs
from engine.simulator import Say, Script, serve
from engine.testing import in_memory

FOLDER = Path(__file__).parents[2] / "docs" / "examples" / "telephone_leg"
PACKET = {"event": "media", "media": {"payload": pybase64.b64encode(b"\xff" * 160).decode()}}


def start(encoding="audio/x-mulaw"):
    media = {"encoding": encoding, "sampleRate": 8000, "channels": 1}
    return {"event": "start", "streamSid": "MZ1", "start": {"mediaFormat": media}}


@asynccontextmanager
async def calling(*answers):
    """The carrier's socket of a call, whose leg is `leg`, and the service."""
    ours, carriers = trio.testing.memory_stream_pair()
    script = Script.of(*answers)
    async with serve(responder_factory=script.responder, host=None) as simulator, trio.open_nursery() as nursery:
        over = trio.Event()

        async def answer():
            request = await wrap_server_stream(nursery, ours)
            client = ClientSettings(api_key="any")
            await Leg(await request.accept(), connector=in_memory(simulator), client=client).run()
            over.set()

        nursery.start_soon(answer)
        yield await wrap_client_stream(nursery, carriers, "carrier.example", "/media"), simulator, over
        nursery.cancel_scope.cancel()


async def say(socket, *messages):
    for message in messages:
        await socket.send_message(message if isinstance(message, str) else json.dumps(message))


async def hear(socket, event):
    while (message := json.loads(await socket.get_message()))["event"] != event:
        pass
    return message


def test_a_call_goes_as_its_page_shows(tmp_path):
    command = [sys.executable, "-W", "error", str(FOLDER / "carrier.py")]
    call = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert (call.stdout, call.stderr) == ((FOLDER / "call.txt").read_text("utf-8"), "")


@pytest.mark.parametrize(("encoding", "law"), [("audio/x-mulaw", mu_law), ("audio/x-alaw", a_law)])
async def test_the_caller_hears_the_model_in_the_carriers_own_law(autojump_clock, encoding, law):
    async with calling(Say("Good morning.")) as (socket, _, _over):
        await say(socket, start(encoding), {"event": "dtmf", "dtmf": {"digit": "1"}})
        levels = []
        for _ in range(75):
            packet = pybase64.b64decode((await hear(socket, "media"))["media"]["payload"])
            assert len(packet) == 160
            levels.append(level_dbfs(decode(law(), packet)))

    assert min(levels) < -60
    assert max(levels) > -30


async def test_packets_come_when_they_are_due(autojump_clock):
    async with calling() as (socket, _, _over):
        await say(socket, start())
        await hear(socket, "media")
        began = trio.current_time()
        for _ in range(50):
            await hear(socket, "media")

        assert trio.current_time() - began == pytest.approx(1)


@pytest.mark.parametrize(
    "message",
    [
        "no JSON",
        "[]",
        {"no": "event"},
        {"event": "media"},
        {"event": "media", "media": {"payload": "*"}},
        {"event": "media", "media": {"payload": 7}},
        {"event": "dtmf"},
        {"event": "stop"},
    ],
    ids=repr,
)
async def test_the_call_ends_with_the_stream_and_with_nonsense(autojump_clock, message):
    async with calling() as (socket, simulator, over):
        await say(socket, {"event": "connected"}, start(), PACKET)
        await hear(socket, "media")
        await say(socket, message)
        await over.wait()

        assert simulator.active_sessions == 0
        with pytest.raises(ConnectionClosed):
            await hear(socket, "never")


@pytest.mark.parametrize("first", ["no JSON", {"event": "start"}, start("audio/l16"), {}])
async def test_a_stream_that_does_not_begin_as_one_costs_no_session(autojump_clock, first):
    async with calling() as (socket, simulator, over):
        await say(socket, first)
        await over.wait()

        assert simulator.total_sessions == 0


async def test_a_stream_that_never_starts_is_closed(autojump_clock):
    async with calling() as (_, simulator, over):
        await over.wait()

        assert trio.current_time() >= START_DEADLINE_S
        assert simulator.total_sessions == 0


async def test_a_caller_who_hangs_up_ends_the_session(autojump_clock):
    async with calling() as (socket, simulator, over):
        await say(socket, start(), PACKET)
        await hear(socket, "media")
        await socket.aclose()
        await over.wait()

        assert simulator.active_sessions == 0


def test_both_laws_are_known():
    assert set(FORMATS.values()) == {"pcmu", "pcma"}

"""Cancelled at every step with all that a session can run, as tools, paced sound and a recording: nothing is left."""

import contextlib

import pytest
import trio
from rooms import ANSWERS, MS, TURN, cancel_everywhere, config, simulated, until
from survivors import KEPT, SURVIVES, Brain, Break, Caller, Network

from engine.audio.pcm import silence, tone
from engine.config import ClientSettings, EngineSettings, TranscriptionConfig, TranslationConfig
from engine.events import BidiInterruptionEvent, BidiResponseCompleteEvent, BidiTextInputEvent
from engine.events.listening import TranscriptEvent, TranslatedAudioEvent
from engine.session import open_session, open_transcription, open_translation
from engine.simulator import INSTANT, Script, SimulatorSettings, Translation, serve
from engine.testing import in_memory
from engine.tools import Tools

FRAMES = EngineSettings(input_frame_ms=200)


async def clock() -> str:
    """Tell the time."""
    await trio.sleep(0.01)
    return "noon"


async def play(out, played):
    """Play to the end, as a telephone does."""
    async with contextlib.aclosing(out):
        async for frame in out:
            played.append(frame)


async def whole_session(settings, connector, path):
    """Ask a tool, hear the answer, interrupt the next one, ask for something out of band; all is recorded."""
    played = []
    async with (
        open_session(settings, connector=connector, record=path) as session,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(play, session.audio_out(40), played)
        events = session.run(Tools([clock]))
        await session.send(BidiTextInputEvent("what time is it?"))
        while (await until(events, BidiResponseCompleteEvent)).stop_reason != "complete":
            pass
        async with session.record(path.with_suffix(".part")):
            await session.update(instructions="be brief")
        await session.send_audio(TURN)
        await until(events, BidiInterruptionEvent)
        await until(events, BidiResponseCompleteEvent)
        await trio.sleep(0.5)
        await session.interrupt()
        await session.stop()
    assert any(any(frame) for frame in played)


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("who", ["user", "engine"])
async def test_with_tools_and_sound_and_a_recording(tcp, who, tmp_path, autojump_clock):
    async with simulated(*ANSWERS, tcp=tcp) as (simulator, client, connector):
        settings = config(client=client, engine={"input_frame_ms": 200})

        async def run():
            await whole_session(settings, connector, tmp_path / "call.jsonl")

        assert await cancel_everywhere(simulator, who, run, stride=11 if who == "engine" else 2) > 20


async def talk_over_three_connections(simulator):
    """Type, call, be renewed, lose the connection in mid-answer, and talk on."""
    network = Network(simulator)
    where = {"base_url": "ws://localhost/v1", "timeout_s": 3.0}
    bounds = {**SURVIVES, "session_max_s": 60.0, "renew_margin_s": 10.0, "input_frame_ms": 200}
    async with open_session(config(engine=bounds, client=where), connector=network.connect) as session:
        caller = Caller(session)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller.listen)
            await caller.type("tool 1")
            await session.send_audio(MS * 200)
            await caller.until(lambda: len(caller.restarts) == 1)
            await caller.type("typed 1")
            await caller.answered("typed 1")
            network.line.end(Break("reset"))
            await caller.type("typed 2")
            await caller.answered("typed 2")
            await session.stop()
            nursery.cancel_scope.cancel()
    assert [event.reason for event in caller.restarts][:2] == ["renewal", "connection_lost"]


EACH = pytest.mark.long


@pytest.mark.parametrize(
    ("who", "stride"),
    [("user", 3), ("engine", 37), pytest.param("user", 1, marks=EACH), pytest.param("engine", 1, marks=EACH)],
)
async def test_while_it_renews_and_reconnects(who, stride, autojump_clock):
    quick = SimulatorSettings(pace=INSTANT, **{**KEPT, "ledger_max_sessions": 4})
    async with serve(quick, Brain, host=None) as simulator:

        async def run():
            await talk_over_three_connections(simulator)

        assert await cancel_everywhere(simulator, who, run, stride=stride) > (40 if who == "user" else 400)


@pytest.mark.parametrize("who", ["user", "engine"])
async def test_while_it_writes_down(who, tmp_path, autojump_clock):
    script = Script.of(transcripts=["good morning"])
    settings = TranscriptionConfig(client=ClientSettings(api_key="key", base_url="ws://localhost/v1"), engine=FRAMES)
    async with serve(SimulatorSettings(pace=INSTANT, ledger_max_sessions=3), script.responder, host=None) as simulator:

        async def run():
            opened = open_transcription(settings, connector=in_memory(simulator), record=tmp_path / "call.jsonl")
            async with opened as session:
                events = session.receive()
                await session.send_audio(tone(220, 400) + silence(900))
                while not (await until(events, TranscriptEvent)).is_final:
                    pass
                await session.stop()

        assert await cancel_everywhere(simulator, who, run) > 10


@pytest.mark.parametrize("who", ["user", "engine"])
async def test_while_it_translates(who, tmp_path, autojump_clock):
    script = Script(translations=[Translation("Good morning.", "Buenos días.")])
    client = ClientSettings(api_key="key", base_url="ws://localhost/v1")
    settings = TranslationConfig(language="es", client=client, engine=EngineSettings(input_frame_ms=200))
    async with serve(SimulatorSettings(ledger_max_sessions=3), script.responder, host=None) as simulator:

        async def run():
            async with (
                open_translation(settings, connector=in_memory(simulator), record=tmp_path / "call.jsonl") as session,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(play, session.audio_out(100), [])
                events = session.receive()
                await session.send_audio(tone(220, 600) + silence(400))
                await until(events, TranslatedAudioEvent)
                await session.send_audio(MS * 200)
                await session.finish()
                assert [event async for event in events][-1].reason == "complete"

        assert await cancel_everywhere(simulator, who, run, stride=1 if who == "user" else 3) > 10

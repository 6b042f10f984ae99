"""Other people's clients, unchanged, with our simulator: what they see is what the script says."""

import base64

import pytest
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import TypeAdapter

from engine import simulator
from engine.demo.lines import CARDS
from engine.simulator import Call, Say, Script

pytestmark = pytest.mark.peers

CLIENT_EVENTS = TypeAdapter(RealtimeClientEvent)
SERVER_EVENTS = TypeAdapter(RealtimeServerEvent)
SPOKEN = CARDS[0]
TEXTS = ["Good evening.", "Score my hand."]
ARGUMENTS = {"hand": "ten of clubs — ♣"}
SCRIPT = Script.of(
    Say("Good evening to you."),
    Call("score", '{"hand": "ten of clubs — ♣"}'),
    Say("That is ten points."),
    Say("I heard ten of clubs."),
    transcripts=(SPOKEN.transcript,),
)


def spoken_turn():
    silence = bytes(48 * 300)
    return base64.b64encode(silence + SPOKEN.read_pcm24k() + 3 * silence).decode()


async def hold_talk(process):
    """Give what the peer saw, and the simulator's ledger."""
    settings = simulator.SimulatorSettings(pace=simulator.INSTANT)
    async with simulator.serve(settings, SCRIPT.responder) as server:
        seen = await process.ask({"url": server.base_url, "texts": TEXTS, "audio": spoken_turn()})
        (ledger,) = server.sessions
    return seen, ledger


def check_seen(seen):
    assert seen["errors"] == []
    assert seen["said"] == ["Good evening to you.", "That is ten points.", "I heard ten of clubs."]
    assert seen["calls"] == [{"name": "score", "arguments": ARGUMENTS}]
    assert seen["heard"] == [SPOKEN.transcript]
    assert len(seen["audio_bytes"]) == 3
    assert all(seen["audio_bytes"])


def check_ledger(ledger):
    assert ledger.crash is None
    assert ledger.sent.counts["error"] == 0
    assert ledger.sent.counts["response.done"] == 4
    for message in ledger.sent:
        SERVER_EVENTS.validate_python(message.event)
    for message in ledger.received:
        CLIENT_EVENTS.validate_python(message.event)


async def test_openai_python_holds_text_turn_tool_call_and_audio_turn(openai_process):
    seen, ledger = await hold_talk(openai_process)
    check_seen(seen)
    check_ledger(ledger)
    assert seen["types"]["input_audio_buffer.speech_started"] == 1


async def test_openai_agents_holds_text_turn_tool_call_and_audio_turn(agents_process):
    seen, ledger = await hold_talk(agents_process)
    check_seen(seen)
    check_ledger(ledger)
    assert (seen["types"]["tool_start"], seen["types"]["tool_end"]) == (1, 1)

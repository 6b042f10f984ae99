"""A script with real ears and a real voice: it hears what is said, and answers what it was told to."""

import pytest
import trio

from engine.audio.pcm import silence
from engine.config import ClientSettings, SessionConfig
from engine.demo.lines import CARDS
from engine.events import BidiTranscriptStreamEvent
from engine.session import open_session
from engine.simulator import Call, Responder, Say, Script, Turn, Unheard, serve
from engine.simulator.ear import TranscriptionRefused
from engine.simulator.local_voice import LocalVoice
from engine.simulator.local_voice.scripted import ScriptedVoice, ScriptedVoices, scripted_voice
from engine.testing import in_memory

TEN_OF_CLUBS = CARDS[0].read_pcm24k()

SCRIPT = Script([Turn([Say("A fine card.")], when="ten of clubs"), Turn([Call("count")], when="count")])


@pytest.fixture
def voices():
    return ScriptedVoices(SCRIPT, threads=False)


@pytest.mark.parametrize("transcription", [None, {"model": "gpt-4o-transcribe"}])
async def test_what_is_said_decides_what_is_answered(autojump_clock, voices, transcription):
    async with serve(None, voices, host=None) as simulator:
        client = ClientSettings(api_key="any", base_url=simulator.base_url)
        config = SessionConfig(client=client, transcription=transcription)
        async with open_session(config, connector=in_memory(simulator)) as session:
            await session.send_audio(TEN_OF_CLUBS + silence(1000))
            async for event in session.receive():
                if isinstance(event, BidiTranscriptStreamEvent) and event.role == "assistant" and event.is_final:
                    break

    assert event.text == "A fine card."


async def test_what_the_script_hears_comes_first():
    voice = ScriptedVoice(Script(transcripts=["two of hearts", Unheard("gone")]), threads=False)

    assert await voice.transcribe(TEN_OF_CLUBS) == "two of hearts"
    with pytest.raises(TranscriptionRefused):
        await voice.transcribe(TEN_OF_CLUBS)
    assert await voice.transcribe(TEN_OF_CLUBS) == "ten of clubs"


async def test_each_session_begins_the_script_anew(voices):
    first, second = voices(), voices()
    assert isinstance(first, LocalVoice)
    assert first is not second
    responder: Responder = first
    pieces = [piece async for piece in responder.speak("Ten.", "alloy")]
    assert len(pieces) == 1
    assert first.interpreter() is not second.interpreter()


async def test_it_is_loaded_before_the_first_session():
    with trio.fail_after(60):
        voices = await scripted_voice(SCRIPT)
    assert voices.script is SCRIPT

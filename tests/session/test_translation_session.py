"""A translation session on the simulator: speech and words of another language, and an end that says all."""

import json
from contextlib import asynccontextmanager

import pybase64
import pytest
import trio
from rooms import MS, Peer, said

from engine import BidiConnectionCloseEvent, ClientSettings, TranslationConfig, open_translation
from engine.audio.pcm import bytes_to_ms, silence, tone
from engine.config import AudioSettings, EngineSettings
from engine.errors import ConfigError, ConnectionLost, DeadlinePassed, LocalMisuse, SessionEnded
from engine.events.listening import TranslatedAudioEvent, TranslationTextEvent
from engine.simulator import Script, Translation, serve
from engine.testing import MemoryConnector, in_memory

SCRIPT = Script(translations=[Translation("Good morning to you.", "Buenos días a usted.")])
SPEECH = tone(220, 600) + silence(400)


def config(**settings):
    return TranslationConfig(**{"language": "es", "client": ClientSettings(api_key="key"), **settings})


def words(events, of):
    return "".join(event.text for event in events if isinstance(event, TranslationTextEvent) and event.of == of)


def audio(events):
    return b"".join(event.pcm for event in events if isinstance(event, TranslatedAudioEvent))


async def test_speech_comes_back_in_another_language(autojump_clock):
    async with serve(None, SCRIPT.responder, host=None) as simulator:
        settings = config(transcription={"model": "gpt-realtime-whisper"})
        async with open_translation(settings, connector=in_memory(simulator)) as session:
            await session.send_audio(SPEECH)
            await trio.sleep(3)
            await session.finish()
            with trio.fail_after(20):
                events = [event async for event in session.receive()]
        assert events[-1] == BidiConnectionCloseEvent(session.connection_id, "complete")
        assert words(events, "source") == "Good morning to you."
        assert words(events, "translation") == "Buenos días a usted."
        assert bytes_to_ms(len(audio(events))) > 500
        times = [event.elapsed_ms for event in events if isinstance(event, TranslatedAudioEvent)]
        assert times == sorted(times)
        (ledger,) = simulator.sessions
        assert ledger.received.types[0] == "session.update"
        assert ledger.received.types[-1] == "session.close"
        assert not ledger.sent.counts["error"]


async def test_silence_is_filled_in_until_the_speech_is_over(autojump_clock):
    async with serve(None, SCRIPT.responder, host=None) as simulator:
        async with open_translation(config(), connector=in_memory(simulator)) as session:
            await trio.sleep(4.1)
            await session.finish()
            await trio.sleep(4)
        (ledger,) = simulator.sessions
        assert ledger.received.counts["session.input_audio_buffer.append"] == pytest.approx(20, abs=1)
        assert ledger.received.types[-1] == "session.close"


async def test_the_translation_can_be_had_in_real_time_and_in_another_rate(autojump_clock):
    async with serve(None, SCRIPT.responder, host=None) as simulator:
        settings = config(audio=AudioSettings(input_rate=16_000, output_rate=48_000))
        async with open_translation(settings, connector=in_memory(simulator)) as session:
            phone = session.audio_out(20, format="pcmu")
            await session.send_audio(tone(220, 600, rate_hz=16_000))
            await trio.sleep(3)
            await session.finish()
            frames = [frame async for frame in phone]
            events = [event async for event in session.receive()]
        assert {len(frame) for frame in frames} == {160}
        assert any(set(frame) != {0xFF} for frame in frames)
        heard = [event for event in events if isinstance(event, TranslatedAudioEvent)]
        assert {(event.sample_rate, event.format) for event in heard} == {(48_000, "pcm")}
        on_wire_ms = sum(
            bytes_to_ms(len(message.event["delta"]) * 3 // 4)
            for message in simulator.sessions[0].sent
            if message.type == "session.output_audio.delta"
        )
        assert bytes_to_ms(len(audio(events)), 48_000) == pytest.approx(on_wire_ms, abs=1)


async def test_the_language_changes_while_it_runs(autojump_clock):
    async with serve(None, SCRIPT.responder, host=None) as simulator:
        async with open_translation(config(), connector=in_memory(simulator)) as session:
            await session.update(language="fr")
            await trio.sleep(1)
            assert session.config.language == "fr"
            with pytest.raises(ConfigError, match="model"):
                await session.update(model="other")
        (ledger,) = simulator.sessions
        assert '"fr"' in [message for message in ledger.sent if message.type == "session.updated"][-1].text


async def test_what_is_turned_off_while_it_runs_is_off(autojump_clock):
    async with serve(None, SCRIPT.responder, host=None) as simulator:
        settings = config(transcription={"model": "gpt-realtime-whisper"}, noise_reduction="near_field")
        async with open_translation(settings, connector=in_memory(simulator)) as session:
            await session.update(transcription=None, noise_reduction=None)
            await trio.sleep(1)
            assert session.config.transcription is session.config.noise_reduction is None
        (ledger,) = simulator.sessions
        last = [message for message in ledger.sent if message.type == "session.updated"][-1].event["session"]
        assert last["audio"]["input"] == {"transcription": None, "noise_reduction": None}


async def test_after_the_speech_is_over_no_audio_is_taken(autojump_clock):
    async with serve(None, SCRIPT.responder, host=None) as simulator:
        async with open_translation(config(), connector=in_memory(simulator)) as session:
            await session.send_audio(MS * 100)
            await session.finish()
            with pytest.raises(LocalMisuse, match="finish"):
                await session.send_audio(MS * 100)
            assert isinstance([event async for event in session.receive()][-1], BidiConnectionCloseEvent)
        (ledger,) = simulator.sessions
        assert ledger.received.types[-1] == "session.close"


async def receive_into(heard, session):
    async for event in session.receive():
        heard.append(event)


@asynccontextmanager
async def by_hand(engine=None, **settings):
    """Open a translation with a server written by hand; give both."""
    connector = MemoryConnector()
    async with trio.open_nursery() as nursery:
        peers = []

        async def serve_by_hand():
            peers.append(Peer(await connector.accept()))
            await peers[0].say(said("session.created", session={"type": "translation", "id": "sess_1"}))

        nursery.start_soon(serve_by_hand)
        async with open_translation(
            config(engine=engine or EngineSettings(), **settings), connector=connector
        ) as session:
            yield session, peers[0]
        peers[0].transport.hang_up(1000, None)


def speech_delta(pcm):
    return said("session.output_audio.delta", delta=pybase64.b64encode(pcm).decode())


async def test_the_last_of_the_speech_is_heard_though_the_connection_breaks(autojump_clock):
    async with by_hand(audio=AudioSettings(output_rate=48_000)) as (session, peer):
        await peer.say(speech_delta(tone(220, 300)))
        await trio.sleep(0.1)
        peer.transport.hang_up(1006, "gone")
        heard = []
        with pytest.raises(ConnectionLost):
            await receive_into(heard, session)
        assert len(audio(heard)) == 2 * len(tone(220, 300))


async def test_a_slow_application_is_no_silence_of_the_service(autojump_clock):
    slow = EngineSettings(inbox_overflow="wait", inbox_max_bytes=2**16)
    async with by_hand(slow) as (session, peer), trio.open_nursery() as nursery:
        await session.finish()

        async def translate():
            for _ in range(100):
                await peer.say(said("session.output_transcript.delta", delta="palabra " * 200))
            await peer.say(said("session.closed"))

        nursery.start_soon(translate)
        await trio.sleep(100)
        events = [event async for event in session.receive()]
        assert events[-1] == BidiConnectionCloseEvent(session.connection_id, "complete")
        assert words(events, "translation").count("palabra") == 20_000


async def test_speech_that_waits_is_not_played_once_the_session_is_stopped(autojump_clock):
    async with by_hand() as (session, peer):
        phone = session.audio_out(20)
        await peer.say(speech_delta(tone(220, 5000)))
        await trio.sleep(0.1)
        assert any(await anext(phone))
        await session.stop()
        assert [frame async for frame in phone] == []


async def test_a_service_that_never_finishes_is_not_waited_for(autojump_clock):
    connector = MemoryConnector()
    async with trio.open_nursery() as nursery:

        async def serve_by_hand():
            peer = Peer(await connector.accept())
            await peer.say(said("session.created", session={"type": "translation", "id": "sess_1"}))
            await peer.hear("session.close")
            await trio.sleep(29)
            await peer.say(said("session.output_transcript.delta", delta="still here"), said("weekly.novelty"))

        nursery.start_soon(serve_by_hand)
        async with open_translation(config(engine=EngineSettings()), connector=connector) as session:
            await session.send_audio(MS * 100)
            began = trio.current_time()
            await session.finish()
            await session.finish()
            with pytest.raises(DeadlinePassed, match=r"session\.close"):
                [event async for event in session.receive()]
            assert trio.current_time() - began == pytest.approx(59, abs=0.1)
            with pytest.raises(SessionEnded):
                await session.finish()


def test_the_events_read_as_json():
    events = [
        TranslatedAudioEvent("AAAA", "pcm", 24_000, 1, elapsed_ms=200),
        TranslationTextEvent("hola", "translation"),
    ]
    assert json.loads(json.dumps([event.as_dict() for event in events])) == [
        {
            "type": "translated_audio",
            "audio": "AAAA",
            "format": "pcm",
            "sample_rate": 24_000,
            "channels": 1,
            "elapsed_ms": 200,
        },
        {"type": "translation_text", "text": "hola", "of": "translation", "elapsed_ms": None},
    ]
    assert "hola" not in repr(events)
    assert "AAAA" not in repr(events)


def test_only_pcm_can_be_translated():
    with pytest.raises(ConfigError, match="wire_format"):
        config(audio=AudioSettings(format="pcmu"))
    assert config(audio=AudioSettings(format="pcmu", wire_format="pcm")).audio.output_rate == 8000

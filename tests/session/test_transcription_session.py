"""A transcription session on the simulator and by hand: turns, words, and nothing that answers."""

import json

import pytest
import trio
from rooms import MS, Peer, names, said

from engine import ClientSettings, Transcription, TranscriptionConfig, TurnDetection, open_transcription
from engine.audio.pcm import silence, tone
from engine.errors import ConfigError, LocalMisuse, ServerReported, SessionEnded
from engine.events import (
    BidiConnectionCloseEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
)
from engine.events.listening import SpeechCommittedEvent, SpeechStartedEvent, SpeechStoppedEvent, TranscriptEvent
from engine.simulator import INSTANT, Script, SimulatorSettings, serve
from engine.testing import MemoryConnector, in_memory

SPEECH = tone(220, 400) + silence(900)


def config(base_url="ws://localhost/v1", **settings):
    return TranscriptionConfig(client=ClientSettings(api_key="key", base_url=base_url), **settings)


async def until(events, cls):
    seen = []
    async for event in events:
        seen.append(event)
        if isinstance(event, cls) and not (cls is TranscriptEvent and not event.is_final):
            return seen
    raise AssertionError(f"no {cls.__name__} among {names(seen)}")


async def test_what_is_said_is_written_down_turn_by_turn(autojump_clock):
    script = Script.of(transcripts=["good morning", "good night"])
    async with serve(SimulatorSettings(pace=INSTANT), script.responder, host=None) as simulator:
        async with open_transcription(config(), connector=in_memory(simulator)) as session:
            events = session.receive()
            for words in ("good morning", "good night"):
                await session.send_audio(SPEECH)
                turn = await until(events, TranscriptEvent)
                kinds = [type(event) for event in turn if not isinstance(event, BidiConnectionStartEvent)]
                assert kinds[:3] == [SpeechStartedEvent, SpeechStoppedEvent, SpeechCommittedEvent]
                assert turn[-1].transcript == turn[-1].text == words
                pieces = [event for event in turn if isinstance(event, TranscriptEvent) and not event.is_final]
                assert "".join(piece.text for piece in pieces) == words
                assert pieces[-1].transcript == words
                assert turn[-1].usage["type"] == "tokens"
                assert len({event.item_id for event in turn[-3:]}) == 1
            await session.stop()
            assert [type(event) for event in [event async for event in events]] == [BidiConnectionCloseEvent]
        (ledger,) = simulator.sessions
        assert ledger.received.types[0] == "session.update"
        update = next(iter(ledger.received)).event["session"]
        assert update["type"] == "transcription"
        assert not ledger.sent.counts["error"]
        assert not ledger.sent.counts["response.created"]


async def test_turns_can_be_ended_by_hand(autojump_clock):
    script = Script.of(transcripts=["by hand"])
    async with serve(SimulatorSettings(pace=INSTANT), script.responder, host=None) as simulator:
        settings = config(turn_detection=None, transcription=Transcription(model="gpt-realtime-whisper"))
        async with open_transcription(settings, connector=in_memory(simulator)) as session:
            with pytest.raises(LocalMisuse, match="0 ms"):
                await session.commit()
            await session.send_audio(MS * 300)
            await session.clear()
            await session.send_audio(MS * 300)
            await session.commit()
            turn = await until(session.receive(), TranscriptEvent)
            assert turn[-1].text == "by hand"


async def test_the_service_that_ends_turns_is_not_helped(autojump_clock):
    async with serve(host=None) as simulator:
        async with open_transcription(config(), connector=in_memory(simulator)) as session:
            await session.send_audio(MS * 300)
            with pytest.raises(LocalMisuse, match="turn_detection=None"):
                await session.commit()
        with pytest.raises(SessionEnded):
            await session.commit()


async def test_settings_change_while_it_runs(autojump_clock):
    async with serve(host=None) as simulator:
        async with open_transcription(config(), connector=in_memory(simulator)) as session:
            await session.update(noise_reduction="near_field", turn_detection=None)
            await trio.sleep(1)
            assert session.config.turn_detection is None
            with pytest.raises(ConfigError, match="language"):
                await session.update(language="es")
        (ledger,) = simulator.sessions
        last = [message for message in ledger.sent if message.type == "session.updated"][-1].event["session"]
        assert last["audio"]["input"]["noise_reduction"] == {"type": "near_field"}
        assert last["audio"]["input"]["turn_detection"] is None


async def test_what_is_turned_off_while_it_runs_is_off(autojump_clock):
    async with serve(host=None) as simulator:
        settings = config(noise_reduction="near_field", include=["item.input_audio_transcription.logprobs"])
        async with open_transcription(settings, connector=in_memory(simulator)) as session:
            await session.update(noise_reduction=None, include=None)
            await trio.sleep(1)
            assert session.config.noise_reduction is session.config.include is None
        (ledger,) = simulator.sessions
        last = [message for message in ledger.sent if message.type == "session.updated"][-1].event["session"]
        assert last["audio"]["input"]["noise_reduction"] is None
        assert last["include"] is None


async def test_of_two_changes_at_once_neither_undoes_the_other(autojump_clock):
    async with serve(host=None) as simulator:
        async with open_transcription(config(), connector=in_memory(simulator)) as session:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: session.update(noise_reduction="near_field"))
                nursery.start_soon(lambda: session.update(transcription={"model": "whisper-1"}))
                nursery.start_soon(lambda: session.update(turn_detection=None))
            await trio.sleep(1)
            assert session.config.noise_reduction.type == "near_field"
            assert session.config.model == "whisper-1"
            assert session.config.turn_detection is None
        (ledger,) = simulator.sessions
        heard = [message for message in ledger.sent if message.type == "session.updated"][-1].event["session"]["audio"]
        assert heard["input"]["noise_reduction"] == {"type": "near_field"}
        assert heard["input"]["transcription"]["model"] == "whisper-1"
        assert heard["input"]["turn_detection"] is None


def test_a_model_that_writes_while_it_hears_needs_turns_by_hand():
    live = Transcription(model="gpt-live-transcribe")
    with pytest.raises(ConfigError, match="commit"):
        config(transcription=live)
    assert config(transcription=live, turn_detection=None).model == "gpt-live-transcribe"
    with pytest.raises(ConfigError):
        config(transcription=None)


async def test_it_asks_for_no_model_in_the_address(autojump_clock):
    seen = []
    connector = MemoryConnector()

    async def connect(nursery, endpoint):
        seen.append(endpoint.url)
        return await connector(nursery, endpoint)

    async with trio.open_nursery() as nursery:

        async def serve_by_hand():
            peer = Peer(await connector.accept())
            await peer.say(said("session.created", session={"type": "transcription", "id": "sess_1"}))
            await peer.hear("session.update")
            place = {"item_id": "item_1", "content_index": 0}
            transcription = "conversation.item.input_audio_transcription"
            await peer.say(
                said(f"{transcription}.segment", **place, id="seg_1", text="hello", speaker="A", start=0.5, end=1.25),
                said(f"{transcription}.delta", item_id="item_1", delta=""),
                said(f"{transcription}.failed", **place, error={"code": "audio_unintelligible", "message": "?"}),
                said("weekly.novelty"),
                said("error", error={"type": "server_error", "code": "odd", "message": "odd"}),
                said("error", error={"type": "invalid_request_error", "code": "invalid_api_key", "message": "no"}),
            )

        nursery.start_soon(serve_by_hand)
        async with open_transcription(config(), connector=connect) as session:
            events = session.receive()
            _, segment, failed, odd, fatal = [await anext(events) for _ in range(5)]
            assert (segment.speaker, segment.start_s, segment.end_s, segment.is_final) == ("A", 0.5, 1.25, False)
            assert [event.code for event in (failed, odd, fatal)] == ["audio_unintelligible", "odd", "invalid_api_key"]
            assert isinstance(failed, BidiErrorEvent)
            with pytest.raises(ServerReported):
                await anext(events)
    assert seen == ["ws://localhost/v1/realtime?intent=transcription"]


def test_the_events_read_as_json():
    events = [
        SpeechStartedEvent(100, item_id="i"),
        SpeechStoppedEvent(900, item_id="i"),
        SpeechCommittedEvent(None, item_id="i"),
        TranscriptEvent("hi", is_final=True, transcript="hi", usage={"type": "duration", "seconds": 1}, item_id="i"),
    ]
    assert json.loads(json.dumps([event.as_dict() for event in events])) == [
        {"type": "speech_started", "item_id": "i", "audio_start_ms": 100},
        {"type": "speech_stopped", "item_id": "i", "audio_end_ms": 900},
        {"type": "speech_committed", "item_id": "i", "previous_item_id": None},
        {
            "type": "transcript",
            "item_id": "i",
            "text": "hi",
            "is_final": True,
            "transcript": "hi",
            "usage": {"type": "duration", "seconds": 1},
        },
    ]
    assert "hi" not in repr(events[-1]).replace("transcript", "")


async def test_speech_of_another_shape_is_converted(autojump_clock):
    async with serve(host=None) as simulator:
        settings = config(turn_detection=TurnDetection(type="server_vad"))
        async with open_transcription(settings, connector=in_memory(simulator)) as session:
            from engine import BidiAudioInputEvent

            await session.send_audio(BidiAudioInputEvent.from_pcm(bytes(16000), 16000, 1))
            await session.stop()
        (ledger,) = simulator.sessions
        assert ledger.received.counts["input_audio_buffer.append"] >= 12

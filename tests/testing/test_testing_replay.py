"""A recorded call as a test: our session sees again what it saw, and the replay tells what it did otherwise."""

import json

import pytest
import trio
from rooms import KEY, config, rest, simulated, until
from trio_websocket import ConnectionClosed, wrap_client_stream

from engine.audio.pcm import silence, tone
from engine.demo.wire_tap import tapped
from engine.errors import ConfigError, ConnectionLost
from engine.events import BidiAudioStreamEvent, BidiResponseCompleteEvent, BidiTextInputEvent, ToolResultEvent
from engine.recording import Recorder, read_recording
from engine.session import open_session
from engine.simulator import Call, Say
from engine.testing import replay

SPEECH = tone(220, 600) + silence(900)


def result_of(call):
    content = [{"text": "noon"}]
    return ToolResultEvent({"toolUseId": call.current_tool_use["toolUseId"], "status": "success", "content": content})


async def converse(session, *, question="what time is it?", frame_ms=40):
    """Typed text with a tool call, then speech; give the contract's events."""
    events, seen = session.receive(), []
    await session.send(BidiTextInputEvent(question))
    await _until_answered(session, events, seen)
    size = 48 * frame_ms
    for at in range(0, len(SPEECH), size):
        await session.send_audio(SPEECH[at : at + size])
        await trio.sleep(frame_ms / 1000)
    await _until_answered(session, events, seen)
    await session.stop()
    return seen + [event async for event in events]


async def _until_answered(session, events, seen):
    async for event in events:
        seen.append(event)
        if event.type == "tool_use_stream":
            await session.send(result_of(event))
        if isinstance(event, BidiResponseCompleteEvent) and event.stop_reason == "complete":
            return


async def recorded(path, **options):
    """Record a conversation with the simulator; give the contract's events."""
    async with simulated(Call("clock"), Say("noon"), Say("a b c")) as (_, client, connector):
        recorder = Recorder(path, secrets=[KEY], **options)

        def tell(direction, message):
            recorder.observe(direction, message, trio.current_time())

        async with (
            recorder.recording(),
            open_session(config(client=client), connector=tapped(connector, tell)) as session,
        ):
            return await converse(session)


def told(events):
    """What the contract's events say, without what differs between two sessions."""
    said = []
    for event in events:
        fields = event.as_dict()
        fields.pop("connection_id", None)
        said.append(fields)
    return said


@pytest.mark.parametrize("name", ["call.jsonl", "call.jsonl.gz"])
@pytest.mark.parametrize("pace", ["recorded", "at_once"])
async def test_the_session_sees_again_what_it_saw(tmp_path, name, pace, autojump_clock):
    before = await recorded(tmp_path / name)

    async with (
        replay(tmp_path / name, pace=pace) as served,
        open_session(config(), connector=served.connector) as session,
    ):
        again = await converse(session)

    assert told(again) == told(before)
    assert len(before) > 10
    assert served.differences == ()
    assert served.recording.entries


async def test_without_the_recorded_audio_it_lasts_as_long(tmp_path, autojump_clock):
    before = await recorded(tmp_path / "call.jsonl", audio="none")
    heard = sum(len(event.pcm) for event in before if isinstance(event, BidiAudioStreamEvent))

    async with (
        replay(tmp_path / "call.jsonl") as served,
        open_session(config(), connector=served.connector) as session,
    ):
        again = await converse(session, frame_ms=100)

    pcm = b"".join(event.pcm for event in again if isinstance(event, BidiAudioStreamEvent))
    assert pcm == bytes(heard)
    assert heard > 0
    assert served.differences == ()


async def test_what_the_session_does_otherwise_is_told(tmp_path, autojump_clock):
    await recorded(tmp_path / "call.jsonl")

    async with (
        replay(tmp_path / "call.jsonl") as served,
        open_session(config(), connector=served.connector) as session,
    ):
        await converse(session, question="what day is it?")

    (difference,) = served.differences
    assert (difference.recorded, difference.actual) == ("what time is it?", "what day is it?")
    assert difference.type == "conversation.item.create"


async def test_a_recording_that_was_read_can_be_played_too(tmp_path, autojump_clock):
    await recorded(tmp_path / "call.jsonl")
    recording = read_recording(tmp_path / "call.jsonl")

    async with replay(recording) as served, open_session(config(), connector=served.connector):
        assert served.recording is recording


async def test_a_connection_that_was_lost_is_lost_again(tmp_path, autojump_clock):
    recorder = Recorder(tmp_path / "call.jsonl")
    async with recorder.recording():
        recorder.observe("server", '{"type":"session.created","event_id":"e","session":{"type":"realtime"}}', 0.0)
        await trio.sleep(5)
        recorder.ended("error", trio.current_time(), lost=True, code=1011)

    async with (
        replay(tmp_path / "call.jsonl") as served,
        open_session(config(), connector=served.connector) as session,
    ):
        with pytest.raises(ConnectionLost) as caught:
            await rest(session)

    assert caught.value.code == 1011


async def test_each_link_is_played_to_its_own_connection(tmp_path, autojump_clock):
    recorder = Recorder(tmp_path / "call.jsonl")
    async with recorder.recording():
        for number in (1, 2):
            text = json.dumps({"type": "session.created", "session": {"id": f"s{number}"}})
            recorder.observe("server", text, 0.0, number)

    async with replay(tmp_path / "call.jsonl") as served:
        for _ in range(3):
            async with open_session(config(), connector=served.connector):
                pass

    assert [ledger.session_id for ledger in served.server.sessions] == ["s1", "s2", "s1"]


@pytest.mark.parametrize(
    ("format_type", "silence"), [("audio/pcm", "AAAA"), ("audio/pcmu", "////"), ("audio/pcma", "1dXV")]
)
async def test_silence_is_that_of_the_sessions_format(tmp_path, format_type, silence, autojump_clock):
    audio = {"output": {"format": {"type": format_type}}}
    recorder = Recorder(tmp_path / "call.jsonl", audio="none")
    async with recorder.recording():
        recorder.observe("server", json.dumps({"type": "session.created", "session": {"audio": audio}}), 0.0)
        recorder.observe("server", json.dumps({"type": "response.output_audio.delta", "delta": "QUJD"}), 0.0)

    async with replay(tmp_path / "call.jsonl") as served, raw_client(served) as socket:
        await socket.get_message()
        assert json.loads(await socket.get_message())["delta"] == silence


async def test_there_are_two_paces(tmp_path, autojump_clock):
    await recorded(tmp_path / "call.jsonl")

    with pytest.raises(ConfigError, match="recorded, at_once"):
        async with replay(tmp_path / "call.jsonl", pace="fast"):
            pass


# --- recordings of the real service ----------------------------------------------------------------------------------


def raw_client(served):
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def connect():
        async with trio.open_nursery() as nursery:
            stream = served.server.connect_stream()
            key = [(b"authorization", b"Bearer any-key")]
            socket = await wrap_client_stream(
                nursery, stream, "replay", "/v1/realtime", extra_headers=key, max_message_size=2**26
            )
            yield socket
            await socket.aclose()
            nursery.cancel_scope.cancel()

    return connect()


async def test_a_client_that_does_the_same_gets_every_message_in_its_order(recording, autojump_clock):
    entries = read_recording(recording).entries
    got = []

    async with replay(recording) as served, raw_client(served) as socket:
        for entry in entries:
            if entry.direction == "client":
                await socket.send_message(json.dumps(entry.event))
            else:
                got.append(json.loads(await socket.get_message()))
        await trio.sleep(1)

    assert got == [entry.event for entry in entries if entry.direction == "server"]
    assert served.differences == ()


async def test_a_client_that_does_all_at_once_gets_every_message_too(recording, autojump_clock):
    entries = read_recording(recording).entries
    got = []

    async with replay(recording, pace="at_once") as served, raw_client(served) as socket:
        for entry in entries:
            if entry.direction == "client":
                await socket.send_message(json.dumps(entry.event))
        for _ in [entry for entry in entries if entry.direction == "server"]:
            got.append(json.loads(await socket.get_message()))  # noqa: PERF401 - it awaits

    assert got == [entry.event for entry in entries if entry.direction == "server"]
    assert served.differences == ()


async def test_a_client_that_does_nothing_gets_every_message_in_the_end(recording, autojump_clock):
    count = sum(entry.direction == "server" for entry in read_recording(recording).entries)

    async with replay(recording, patience_s=5) as served, raw_client(served) as socket:
        for _ in range(count):
            await socket.get_message()

    assert served.differences != ()


async def test_our_session_can_talk_with_a_recording_of_the_real_service(recordings, autojump_clock):
    (path,) = [path for path in recordings if path.stem == "openai_ws.text_in_audio_out_turn"]
    wire = [entry.event for entry in read_recording(path).entries]
    said = next(event["item"]["content"][0]["text"] for event in wire if event["type"] == "conversation.item.create")

    async with replay(path) as served, open_session(config(), connector=served.connector) as session:
        await session.send(BidiTextInputEvent(said))
        done = await until(session.receive(), BidiResponseCompleteEvent)

    assert done.stop_reason == "complete"
    assert done.response_id == wire[-1]["response"]["id"]
    assert all(difference.type == "session.update" for difference in served.differences), served.differences


async def to_the_end(socket):
    while True:  # What was on its way comes first.
        await socket.get_message()


async def test_the_end_of_the_block_closes_what_is_open(tmp_path, autojump_clock):
    await recorded(tmp_path / "call.jsonl")
    async with trio.open_nursery() as nursery:
        async with replay(tmp_path / "call.jsonl") as served:
            stream = served.server.connect_stream()
            key = [(b"authorization", b"Bearer any-key")]
            socket = await wrap_client_stream(nursery, stream, "replay", "/v1/realtime", extra_headers=key)
            await socket.get_message()
        with pytest.raises(ConnectionClosed) as caught:
            await to_the_end(socket)
        nursery.cancel_scope.cancel()

    assert caught.value.reason.code == 1001

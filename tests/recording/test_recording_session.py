"""A session that is recorded: from its first message, or from now on; its key never."""

import pytest
import trio
from rooms import KEY, MS, config, rest, simulated, until

from engine.errors import ConfigError, ConnectionLost, LocalMisuse
from engine.events import BidiResponseCompleteEvent, BidiTextInputEvent
from engine.recording import Recorder, read_recording
from engine.session import open_session
from engine.simulator import Say


async def ask(session, text):
    await session.send(BidiTextInputEvent(text))
    return await until(session.receive(), BidiResponseCompleteEvent)


async def test_it_is_recorded_from_its_first_message_to_its_last(tmp_path, autojump_clock):
    path = tmp_path / "call.jsonl"
    async with (
        simulated(Say("noon"), keys=[KEY]) as (simulator, client, connector),
        open_session(config(client=client), connector=connector, record=path) as session,
    ):
        await ask(session, f"my key is {KEY}")

    recording, (ledger,) = read_recording(path), simulator.sessions
    sent, received = (
        [entry.type for entry in recording.entries if entry.direction == way] for way in ("client", "server")
    )
    assert sent == ledger.received.types
    assert received == ledger.sent.types[: len(received)]
    assert "response.done" in received
    assert KEY not in path.read_text()
    assert recording.timed
    assert (recording.end.reason, recording.end.lost) == ("client_disconnect", False)


async def test_what_is_still_sent_while_it_closes_is_in_it(tmp_path, autojump_clock):
    path = tmp_path / "call.jsonl"
    async with (
        simulated(Say("noon")) as (simulator, client, connector),
        open_session(config(client=client), connector=connector, record=path) as session,
    ):
        await session.send_audio(MS * 50)
        await session.send(BidiTextInputEvent("last words"))
        await session.stop()

    recording, (ledger,) = read_recording(path), simulator.sessions
    assert [entry.type for entry in recording.entries if entry.direction == "client"] == ledger.received.types
    assert "response.create" in ledger.received.types
    assert (recording.end.reason, recording.end.lost) == ("client_disconnect", False)


async def test_a_block_records_what_happens_within_it(tmp_path, autojump_clock):
    async with (
        simulated(Say("one"), Say("two"), Say("three")) as (_, client, connector),
        open_session(config(client=client), connector=connector) as session,
    ):
        await ask(session, "1")
        async with session.record(tmp_path / "call.jsonl.gz", audio="none") as recorder:
            await ask(session, "2")
        await ask(session, "3")

    recording = read_recording(tmp_path / "call.jsonl.gz")
    asked = [entry.event["item"]["content"] for entry in recording.entries if entry.type == "conversation.item.create"]
    assert asked == [[{"type": "input_text", "text": "2"}]]
    assert recorder.statistics().messages == len(recording.entries)
    assert recording.end.reason == "stopped", "the session went on"
    assert not any(entry.event.get("delta") for entry in recording.entries if entry.type.endswith("audio.delta"))


async def test_how_the_connection_was_lost_is_marked(tmp_path, autojump_clock):
    async with (
        simulated() as (simulator, client, connector),
        open_session(config(client=client), connector=connector, record=tmp_path / "call.jsonl") as session,
    ):
        await simulator.disconnect_all()
        with pytest.raises(ConnectionLost):
            await rest(session)

    end = read_recording(tmp_path / "call.jsonl").end
    assert (end.lost, end.code) == (True, 1001)


async def test_a_recording_that_can_not_be_made_is_refused_before_anything_is_connected(tmp_path):
    async with simulated() as (simulator, client, connector):
        with pytest.raises(ConfigError, match="can't be written"):
            async with open_session(
                config(client=client), connector=connector, record=tmp_path / "missing" / "call.jsonl"
            ):
                pass
        assert simulator.total_sessions == 0


async def test_two_recordings_of_one_session_are_the_same(tmp_path, autojump_clock):
    async with (
        simulated(Say("one")) as (_, client, connector),
        open_session(config(client=client), connector=connector) as session,
        session.record(tmp_path / "a"),
        session.record(tmp_path / "b"),
    ):
        await ask(session, "1")
        await trio.sleep(1)

    first, second = (read_recording(tmp_path / name).entries for name in "ab")
    assert first == second
    assert len(first) > 5


async def test_a_recorder_of_ones_own_keeps_its_settings_and_can_be_asked(tmp_path, autojump_clock):
    recorder = Recorder(tmp_path / "call.jsonl", audio="none", model="named")
    async with (
        simulated(Say("one"), keys=[KEY]) as (_, client, connector),
        open_session(config(client=client), connector=connector, record=recorder) as session,
    ):
        await ask(session, f"my key is {KEY}")

    recording = read_recording(recorder.path)
    assert (recording.header.audio, recording.header.model) == ("none", "named")
    assert recording.header.url.startswith("ws://")
    assert KEY not in recorder.path.read_text()
    assert recorder.error is None
    assert recorder.statistics().messages == len(recording.entries) > 5


async def test_a_recorder_records_once(tmp_path, autojump_clock):
    recorder = Recorder(tmp_path / "call.jsonl")
    async with (
        simulated() as (_, client, connector),
        open_session(config(client=client), connector=connector, record=recorder) as session,
    ):
        with pytest.raises(LocalMisuse, match="used before"):
            async with session.record(recorder):
                pass
        await session.stop()

    assert read_recording(recorder.path).end.reason == "client_disconnect"

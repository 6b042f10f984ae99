"""The recorder: nothing is waited for, nothing is lost without a count, and a crash costs the last moment at most."""

import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from importlib.metadata import PackageNotFoundError

import pybase64
import pytest
import trio
import trio.testing
from rooms import KEY, config, simulated, tasks, until

from engine.demo.wire_tap import tapped
from engine.errors import ConfigError, RecordingFailed
from engine.events import BidiResponseCompleteEvent, BidiTextInputEvent
from engine.recording import End, LinkRecord, Loss, Recorder, read_recording
from engine.recording import recorder as recorder_module
from engine.recording.files import RecordingFile
from engine.session import open_session
from engine.simulator import Say


def event(number=0, **fields):
    return json.dumps({"type": "x", "number": number, **fields})


def audio(size=6000):
    return json.dumps({"type": "response.output_audio.delta", "delta": pybase64.b64encode_as_string(b"\1" * size)})


def note(recorder, *messages, direction="server"):
    for message in messages:
        recorder.observe(direction, message, trio.current_time())


async def written(recorder):
    """Wait in real time until nothing waits for the disk."""
    with trio.fail_after(10):
        while recorder.statistics().waiting_bytes:  # noqa: ASYNC110 - a recorder has nothing to wait for
            await trio.sleep(0.01)


# --- what is written -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["call.jsonl", "call.jsonl.gz"])
async def test_messages_both_ways_with_their_times(tmp_path, name, autojump_clock):
    await trio.sleep(5)
    recorder = Recorder(tmp_path / name, model="gpt-realtime", url="wss://x/v1?api-key=k")
    async with recorder.recording():
        note(recorder, event(1))
        await trio.sleep(1.5)
        note(recorder, event(2), direction="client")
        recorder.linked(2, "opened", trio.current_time())
        recorder.linked(2, "took_over", trio.current_time())
        recorder.observe("server", b"\0", trio.current_time(), 2)
        recorder.linked(2, "closed", trio.current_time() + 1, loss=Loss(code=1011))
        recorder.ended("error", trio.current_time() + 1, lost=True, code=1011)
        note(recorder, event(3))

    recording = read_recording(recorder.path)
    assert [(entry.direction, entry.at_s, entry.link) for entry in recording.entries] == [
        ("server", 0.0, 1),
        ("client", 1.5, 1),
        ("server", 1.5, 2),
    ]
    assert recording.links == (
        LinkRecord(number=1),
        LinkRecord(number=2, opened_s=1.5, took_over_s=1.5, closed_s=2.5, loss=Loss(code=1011)),
    )
    assert recording.end == End(reason="error", at_s=2.5, lost=True, code=1011)
    assert (recording.header.model, recording.header.url) == ("gpt-realtime", "wss://x/v1")
    figures = recorder.statistics()
    assert (figures.messages, figures.lost, figures.thinned, figures.error) == (3, 1, 0, None)
    assert figures.written_bytes == recorder.path.stat().st_size
    assert figures.waiting_bytes == 0


async def test_a_whole_conversation_is_recorded_without_its_key(tmp_path, autojump_clock):
    path = tmp_path / "call.jsonl"
    async with simulated(Say("noon"), keys=[KEY]) as (_, client, connector):
        settings = config(client=client)
        recorder = Recorder(path, url=settings.client.base_url, secrets=[KEY])
        told = []

        def tell(direction, message):
            told.append((direction, json.loads(message)))
            recorder.observe(direction, message, trio.current_time())

        async with recorder.recording(), open_session(settings, connector=tapped(connector, tell)) as session:
            await session.send(BidiTextInputEvent(f"my key is {KEY}"))
            await until(session.receive(), BidiResponseCompleteEvent)
            await session.stop()

    recorded = [(entry.direction, entry.event) for entry in read_recording(path).entries]
    assert KEY not in path.read_text()
    assert [(way, event["type"]) for way, event in recorded] == [(way, event["type"]) for way, event in told]
    differing = [event["type"] for (_, event), (_, as_sent) in zip(recorded, told, strict=True) if event != as_sent]
    assert set(differing) <= {"conversation.item.create", "conversation.item.added", "conversation.item.done"}


@pytest.mark.parametrize(("kept", "size"), [("whole", 8000), ("cut", 960 * 4 // 3), ("none", 0)])
async def test_audio_is_kept_as_asked(tmp_path, kept, size, autojump_clock):
    recorder = Recorder(tmp_path / "call.jsonl", audio=kept)
    async with recorder.recording():
        note(recorder, audio())

    recording = read_recording(recorder.path)
    assert recording.header.audio == kept
    assert len(recording.entries[0].event["delta"]) == size
    assert recording.entries[0].event.get("audio_bytes") == (None if kept == "whole" else 6000)


async def test_an_engine_that_is_not_installed_records_too(tmp_path, monkeypatch, autojump_clock):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    looked_up_anew = recorder_module._engine_version.__wrapped__
    monkeypatch.setattr(recorder_module, "_engine_version", looked_up_anew)
    async with Recorder(tmp_path / "call.jsonl").recording():
        pass

    assert read_recording(tmp_path / "call.jsonl").header.engine is None


async def test_before_and_after_nothing_is_recorded_but_counted(tmp_path, autojump_clock):
    recorder = Recorder(tmp_path / "call.jsonl")
    note(recorder, event())
    recorder.linked(2, "opened", 0.0)
    recorder.ended("error", 0.0)
    async with recorder.recording():
        pass
    note(recorder, event())

    assert recorder.statistics().lost == 2
    assert read_recording(recorder.path).entries == ()


async def test_what_was_recorded_is_written_when_the_block_is_cancelled_or_raises(tmp_path, autojump_clock):
    for number, end in enumerate(("cancel", "raise")):
        recorder = Recorder(tmp_path / f"{number}.jsonl")
        before = tasks()
        with trio.CancelScope() as scope:
            try:
                async with recorder.recording():
                    note(recorder, event(7))
                    {}[end] if end == "raise" else scope.cancel()
                    await trio.sleep_forever()
            except KeyError:
                pass

        assert tasks() == before
        assert len(read_recording(recorder.path).entries) == 1


async def test_who_is_cancelled_at_the_end_of_the_block_goes_no_further(tmp_path, autojump_clock):
    reached = []
    with trio.CancelScope() as scope:
        async with Recorder(tmp_path / "call.jsonl").recording():
            scope.cancel()
        reached.append("what comes after the block")

    assert reached == []
    assert scope.cancelled_caught


async def test_a_block_raises_what_it_raises(tmp_path, autojump_clock):
    with pytest.raises(KeyError):
        async with Recorder(tmp_path / "call.jsonl").recording():
            raise KeyError


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"audio": "most"}, "whole, cut, none"),
        ({"max_bytes": 10}, "at least 4096"),
        ({"buffer_max_bytes": 10}, "at least 4096"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, settings, words):
    with pytest.raises(ConfigError, match=words):
        Recorder(tmp_path / "call.jsonl", **settings)


async def test_a_file_that_can_not_be_made_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="can't be written"):
        async with Recorder(tmp_path / "missing" / "call.jsonl").recording():
            pass


# --- time ------------------------------------------------------------------------------------------------------------


async def test_an_idle_recorder_costs_no_wakeup(tmp_path, autojump_clock):
    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task):
            self.count += task.name == "engine recorder"

    steps = Steps()
    async with Recorder(tmp_path / "call.jsonl").recording():
        await trio.sleep(1)
        trio.lowlevel.add_instrument(steps)
        await trio.sleep(3600)
        trio.lowlevel.remove_instrument(steps)

    assert steps.count == 0


async def test_the_end_takes_no_virtual_time(tmp_path, autojump_clock):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 3600)
        recorder = Recorder(tmp_path / "call.jsonl")
        async with recorder.recording():
            note(recorder, *[event(number) for number in range(1000)])
        assert trio.current_time() == 0
        nursery.cancel_scope.cancel()


async def test_the_event_loop_runs_on_while_the_disk_is_slow(tmp_path, monkeypatch):
    release = threading.Event()
    flush = RecordingFile.flush

    def slow(file):
        release.wait(10)
        flush(file)

    monkeypatch.setattr(RecordingFile, "flush", slow)
    recorder = Recorder(tmp_path / "call.jsonl")
    async with recorder.recording():
        note(recorder, event(1))
        await trio.sleep(0.05)
        note(recorder, event(2))
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        assert recorder.statistics().waiting_bytes == 2 * len(event(1))
        release.set()
        await written(recorder)

    assert [entry.event["number"] for entry in read_recording(recorder.path).entries] == [1, 2]


# --- bounds ----------------------------------------------------------------------------------------------------------


async def test_too_slow_a_disk_costs_the_oldest_audio_first(tmp_path, autojump_clock, caplog):
    recorder = Recorder(tmp_path / "call.jsonl", buffer_max_bytes=100_000)
    async with recorder.recording():
        note(recorder, event(0), b"\0" * 2000, *[audio()] * 30, event(1, pad="p" * 2000))

    recording = read_recording(recorder.path)
    thinned = [entry.thinned for entry in recording.entries]
    assert len(recording.entries) == 33
    assert thinned[:2] == [False, False]
    assert thinned[-12:] == [False] * 12, "the newest audio is kept"
    assert sum(thinned) == recorder.statistics().thinned > 10
    assert all(entry.event["audio_bytes"] == 6000 for entry in recording.entries if entry.thinned)
    assert (recorder.error, recorder.statistics().lost) == (None, 0)
    assert len([record for record in caplog.records if "leaves audio out" in record.message]) == 1


async def test_when_no_audio_is_left_to_leave_out_the_recording_ends(tmp_path, autojump_clock, caplog):
    recorder = Recorder(tmp_path / "call.jsonl", buffer_max_bytes=10_000)
    async with recorder.recording():
        note(recorder, *[event(number, pad="p" * 900) for number in range(20)])

    recording = read_recording(recorder.path)
    assert 5 < len(recording.entries) < 11
    assert recording.end.reason == "disk_too_slow"
    assert isinstance(recorder.error, RecordingFailed)
    assert recorder.error.path == str(recorder.path)
    assert recorder.statistics().lost == 20 - len(recording.entries)
    assert len([record for record in caplog.records if "ends early" in record.message]) == 1


async def test_large_messages_without_audio_are_kept_as_they_are(tmp_path, autojump_clock):
    recorder = Recorder(tmp_path / "call.jsonl", buffer_max_bytes=20_000)
    async with recorder.recording():
        note(recorder, event(0, pad="p" * 2000), *[audio()] * 3)

    first, *others = read_recording(recorder.path).entries
    assert (len(first.event["pad"]), first.thinned) == (2000, False)
    assert [entry.thinned for entry in others] == [True, True, False]


async def test_a_disk_that_fails_after_it_was_too_slow_is_told_once(tmp_path, autojump_clock, caplog):
    path = tmp_path / "call.jsonl"
    path.symlink_to("/dev/full")
    recorder = Recorder(path, buffer_max_bytes=10_000)
    async with recorder.recording():
        note(recorder, *[event(number, pad="p" * 900) for number in range(20)])

    assert "too slow" in str(recorder.error)
    assert len([record for record in caplog.records if "ends early" in record.message]) == 1


@pytest.mark.parametrize("name", ["call.jsonl", "call.jsonl.gz"])
async def test_a_file_never_grows_over_its_bound(tmp_path, name, autojump_clock, caplog):
    recorder = Recorder(tmp_path / name, max_bytes=5000)
    async with recorder.recording():
        for number in range(2000):
            note(recorder, event(number, pad=os.urandom(20).hex()))
            await trio.sleep(0.1)

    recording = read_recording(recorder.path)
    assert 4000 < recorder.path.stat().st_size <= 5000
    assert recording.end.reason == "max_bytes"
    assert (recorder.error, recording.torn) == (None, False)
    assert recorder.statistics().messages == len(recording.entries)
    assert recorder.statistics().lost == 2000 - len(recording.entries)
    assert len([record for record in caplog.records if "max_bytes" in record.message]) == 1


# --- what goes wrong -------------------------------------------------------------------------------------------------


async def test_a_full_disk_ends_the_recording_not_the_session(tmp_path, autojump_clock, caplog):
    path = tmp_path / "call.jsonl"
    path.symlink_to("/dev/full")
    async with simulated(Say("noon")) as (_, client, connector):
        recorder = Recorder(path)
        tell = partial(lambda way, text: recorder.observe(way, text, trio.current_time()))
        async with (
            recorder.recording(),
            open_session(config(client=client), connector=tapped(connector, tell)) as session,
        ):
            await session.send(BidiTextInputEvent("hi"))
            done = await until(session.receive(), BidiResponseCompleteEvent)
            await session.stop()

    assert done.stop_reason == "complete"
    assert isinstance(recorder.error, RecordingFailed)
    assert "No space left" in str(recorder.error)
    assert recorder.statistics().messages == 0
    assert recorder.statistics().lost > 5
    assert len([record for record in caplog.records if "ends early" in record.message]) == 1


async def test_a_fault_of_the_recorder_ends_the_recording_not_the_session(tmp_path, monkeypatch, autojump_clock):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(RecordingFile, "add", broken)
    recorder = Recorder(tmp_path / "call.jsonl")
    async with recorder.recording():
        note(recorder, event())
        await trio.sleep(1)

    assert "ZeroDivisionError" in str(recorder.error)


async def test_a_disk_that_hangs_holds_up_the_end_for_a_bounded_time(tmp_path, monkeypatch):
    release = threading.Event()
    closed = threading.Event()
    monkeypatch.setattr(recorder_module, "CLOSE_DEADLINE_S", 0.05)
    monkeypatch.setattr(RecordingFile, "flush", lambda file: release.wait(10))
    close = RecordingFile.close

    def told(file):
        close(file)
        closed.set()

    monkeypatch.setattr(RecordingFile, "close", told)
    recorder = Recorder(tmp_path / "call.jsonl")
    before = tasks()
    with trio.fail_after(5):
        async with recorder.recording():
            note(recorder, event())
            await trio.sleep(0.05)
    release.set()

    assert "did not answer" in str(recorder.error)
    assert tasks() == before
    assert closed.wait(10), "the thread closes what the recorder has left to it"


CRASH = """
import sys, trio
from engine.recording import Recorder

async def main():
    recorder = Recorder(sys.argv[1])
    async with recorder.recording():
        for number in range(100):
            recorder.observe("server", '{"type": "x", "number": %d}' % number, trio.current_time())
        while recorder.statistics().waiting_bytes:
            await trio.sleep(0.01)
        print("written", flush=True)
        recorder.observe("server", '{"type": "late"}', trio.current_time())
        await trio.sleep_forever()

trio.run(main)
"""


@pytest.mark.parametrize("name", ["call.jsonl", "call.jsonl.gz"])
def test_a_process_that_is_killed_leaves_what_it_had_written(tmp_path, name):
    path = tmp_path / name
    with subprocess.Popen([sys.executable, "-c", CRASH, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)

    recording = read_recording(path)
    numbers = [entry.event["number"] for entry in recording.entries if entry.type == "x"]
    assert numbers == list(range(100))
    assert recording.end is None


async def test_each_message_reaches_the_file_while_the_recording_goes_on(tmp_path):
    recorder = Recorder(tmp_path / "call.jsonl")
    async with recorder.recording():
        for number in range(5):
            note(recorder, event(number))
            await written(recorder)
            assert len(read_recording(recorder.path).entries) == number + 1

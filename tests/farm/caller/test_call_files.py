"""What is kept of a call: its sound, agreeing with the timeline to the sample; its events; its words."""

import gzip
import json
import resource
import stat
from contextlib import contextmanager

import pytest
from calls import CARD, LONG_ANSWER, RATE_HZ, called, grant_of, lanes, one_call, plan_of, simulated

from engine.farm.caller import CollectingSink, FolderSink
from engine.farm.plan.model import CannedTool, Contains, Keep, Say, Silence, Type, Wait
from engine.recording import read_recording
from engine.simulator import Call

soundfile = pytest.importorskip("soundfile")

WINDOW_MS = 20

LOUD = 0.005
"""Of full scale, root of the mean square in a window: speech and tones are well over it."""


def read(folder, result, kind):
    (file,) = (file for file in result.files if file.kind == kind)
    path = folder / file.path
    assert path.stat().st_size == file.size_bytes
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path


def loud_ms(samples):
    """Give the windows, by their begin in ms, in which there is sound."""
    step = RATE_HZ * WINDOW_MS // 1000
    windows = (samples[at : at + step] for at in range(0, len(samples), step))
    return [n * WINDOW_MS for n, window in enumerate(windows) if (window**2).mean() ** 0.5 > LOUD]


def sounds_only_within(samples, spans):
    """Tell whether there is sound in each span, and none elsewhere."""
    loud = loud_ms(samples)
    inside = [any(span.at_ms - WINDOW_MS <= ms <= span.until_ms for span in spans) for ms in loud]
    return all(inside) and all(any(span.at_ms <= ms <= span.until_ms for ms in loud) for span in spans)


CUT_IN = (Say(say=CARD), Say(say=CARD, interrupt_after_ms=800), Wait(wait_s=0.5), Type(type="Bye"))


@pytest.mark.parametrize("form", ["flac", "opus"])
async def test_the_sound_agrees_with_the_timeline(autojump_clock, tmp_path, form):
    plan = plan_of(*CUT_IN, plan={"keep": Keep(format=form)})
    result = await one_call(plan, LONG_ANSWER, "Yes.", "Bye.", sink=FolderSink(tmp_path))
    path = read(tmp_path, result, "audio")
    samples, rate_hz = soundfile.read(str(path))

    assert path.name == f"audio.{form}"
    assert rate_hz == RATE_HZ
    assert samples.shape == (pytest.approx(result.duration_ms * 24, abs=1), 2)
    spoken = [span for span in lanes(result, "caller") if span.until_ms > span.at_ms]
    assert len(spoken) == 2
    assert sounds_only_within(samples[:, 0], spoken)
    assert sounds_only_within(samples[:, 1], lanes(result, "heard"))


async def test_what_was_heard_is_in_it_to_the_sample(autojump_clock, tmp_path):
    result = await one_call(plan_of(*CUT_IN), LONG_ANSWER, "Yes.", "Bye.", sink=FolderSink(tmp_path))
    samples, _ = soundfile.read(str(read(tmp_path, result, "audio")), dtype="int16")

    heard = sum(turn.heard_ms for turn in result.turns)
    assert sum(span.until_ms - span.at_ms for span in lanes(result, "heard")) == pytest.approx(heard, abs=0.01)
    cut = lanes(result, "heard")[0]
    end = round(cut.until_ms * 24)
    assert not samples[end : end + RATE_HZ // 10, 1].any()
    assert samples[end - RATE_HZ // 10 : end, 1].any()


async def test_the_events_are_a_recording(autojump_clock, tmp_path):
    result = await one_call(plan_of(Say(say=CARD)), "Yes.", sink=FolderSink(tmp_path))
    recording = read_recording(read(tmp_path, result, "events"))

    assert recording.header.audio == "none"
    assert recording.entries
    assert recording.end is not None


async def test_the_transcript_tells_who_said_what_when(autojump_clock, tmp_path):
    plan = plan_of(Say(say=CARD), tools=(CannedTool(name="count", answer=3),))
    result = await one_call(plan, Call("count"), "Three.", transcripts=["ten of clubs"], sink=FolderSink(tmp_path))
    lines = [json.loads(line) for line in read(tmp_path, result, "transcript").read_text().splitlines()]

    assert [line["who"] for line in lines] == ["caller", "tool", "agent"]
    assert [line["at_ms"] for line in lines] == sorted(line["at_ms"] for line in lines)
    assert lines[0] == {"turn": 1, "who": "caller", "at_ms": 0.0, "said": CARD, "heard": "ten of clubs"}
    assert (lines[1]["name"], lines[1]["result"]) == ("count", "3")
    assert lines[2]["text"] == "Three."
    assert lines[2]["at_ms"] == pytest.approx(lanes(result, "heard")[0].at_ms, abs=0.01)


async def test_nothing_else_is_left(autojump_clock, tmp_path):
    result = await one_call(plan_of(Say(say=CARD)), "Yes.", sink=FolderSink(tmp_path))

    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {file.path for file in result.files}


@pytest.mark.parametrize(
    ("keep", "passes", "kinds"),
    [
        ({}, True, {"audio", "events", "transcript"}),
        ({"audio": False}, True, {"events", "transcript"}),
        ({"events": False}, True, {"audio", "transcript"}),
        ({"audio": False, "events": False}, True, set()),
        ({"audio": False, "events": False}, False, set()),
        ({"audio": False, "events": False, "audio_of_failed": True}, True, set()),
        ({"audio": False, "events": False, "audio_of_failed": True}, False, {"audio", "transcript"}),
        ({"audio": False, "events": False, "events_of_failed": True}, False, {"events", "transcript"}),
    ],
)
async def test_what_is_kept_of_whom(autojump_clock, tmp_path, keep, passes, kinds):
    plan = plan_of(Type(type="Hi"), expect=(Contains(contains="yes" if passes else "no"),))
    result = await one_call(plan, "Yes.", grant=grant_of(**keep), sink=FolderSink(tmp_path))

    assert {file.kind for file in result.files} == kinds
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == len(kinds)


async def test_a_call_that_broke_keeps_its_files_up_to_there(autojump_clock, tmp_path):
    plan = plan_of(Say(say=CARD), Wait(wait_s=60), deadline_s=10)
    result = await one_call(plan, "Yes.", sink=FolderSink(tmp_path))

    assert result.error_kind == "deadline"
    assert soundfile.info(str(read(tmp_path, result, "audio"))).duration == pytest.approx(10, abs=0.1)


async def test_files_keep_to_their_bound(autojump_clock, tmp_path):
    bound = 600_000
    plan = plan_of(Say(say=CARD), Silence(silence_ms=1000), *[Say(say=CARD)] * 8)
    result = await one_call(plan, *[LONG_ANSWER] * 9, grant=grant_of(max_bytes=bound), sink=FolderSink(tmp_path))

    assert sum(file.size_bytes for file in result.files) <= bound
    assert {file.kind for file in result.files} == {"audio", "events", "transcript"}
    told, note = result.notes
    assert told == "the events end early: keep.session_max_bytes of 600,000 bytes"
    assert "the audio ends after" in note
    assert "keep.session_max_bytes of 600,000" in note
    length_s = soundfile.info(str(read(tmp_path, result, "audio"))).duration
    assert f"{length_s:.0f} s" in note


async def test_a_folder_that_can_not_be_written_costs_the_files_alone(autojump_clock, tmp_path):
    (tmp_path / "sessions").write_text("a file where a folder is to be")
    result = await one_call(plan_of(Type(type="Hi")), "Yes.", sink=FolderSink(tmp_path))

    assert result.status == "passed"
    assert result.files == ()
    assert result.notes[0].startswith("no files were kept: ")


async def test_a_try_that_was_torn_before_leaves_nothing_to_the_next(autojump_clock, tmp_path):
    sink, grant = FolderSink(tmp_path), grant_of()
    (sink.begin(grant) / "agent.pcm").write_bytes(b"half")
    result = await one_call(plan_of(Type(type="Hi")), "Yes.", grant=grant, sink=sink)

    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == len(result.files) == 3


async def test_files_can_be_collected_instead(autojump_clock):
    sink = CollectingSink()
    async with simulated("Yes.") as simulator:
        result = await called(simulator, plan_of(Type(type="Hi")), sink=sink)
    contents = sink.take(result.attempt_id)
    sink.close()

    assert {path: len(content) for path, content in contents.items()} == {
        file.path: file.size_bytes for file in result.files
    }
    events = next(content for path, content in contents.items() if path.endswith(".gz"))
    assert b"session.created" in gzip.decompress(events)
    assert sink.take(result.attempt_id) == {}


async def test_of_a_call_that_never_began_there_are_no_files(autojump_clock, tmp_path):
    result = await one_call(plan_of(Say(say="missing.wav")), sink=FolderSink(tmp_path))

    assert result.error_kind == "caller"
    assert result.files == ()
    assert not list(tmp_path.rglob("*.*"))


@contextmanager
def largest_file(size_bytes):
    """Have the system refuse to let any file grow past a size, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_that_is_full_costs_the_sound_alone(autojump_clock, tmp_path):
    with largest_file(60_000):
        result = await one_call(plan_of(*CUT_IN), LONG_ANSWER, "Yes.", "Bye.", sink=FolderSink(tmp_path))

    assert result.status == "passed"
    assert {file.kind for file in result.files} == {"events", "transcript"}
    assert any(note.startswith("the agent's audio ends early: ") for note in result.notes)
    assert any(note.startswith("no audio was kept: ") for note in result.notes)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2


@pytest.mark.parametrize("bound", [0, 10_000, 150_000])
async def test_a_bound_that_leaves_no_room_for_sound_is_kept_and_told(autojump_clock, tmp_path, bound):
    grant = grant_of(max_bytes=bound)
    result = await one_call(plan_of(Say(say=CARD)), "Yes.", grant=grant, sink=FolderSink(tmp_path))

    assert result.status == "passed"
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= bound
    assert "audio" not in {file.kind for file in result.files}
    assert f"no audio was kept: keep.session_max_bytes of {bound:,} bytes" in result.notes
    assert ("the transcript ends early" in " ".join(result.notes)) is (bound == 0)


async def test_an_agent_that_talks_past_the_bound_is_told(autojump_clock, tmp_path):
    plan = plan_of(Type(type="Go"), plan={"keep": Keep(format="opus")})
    grant = grant_of(max_bytes=200_000)
    result = await one_call(plan, LONG_ANSWER * 10, grant=grant, sink=FolderSink(tmp_path))

    assert "the agent's audio ends early: keep.session_max_bytes of 200,000 bytes" in result.notes


async def test_whatever_a_sink_raises_the_result_comes(autojump_clock, tmp_path):
    class Torn(FolderSink):
        def keep(self, grant, files):
            raise RuntimeError("no such luck")

    result = await one_call(plan_of(Type(type="Hi")), "Yes.", sink=Torn(tmp_path))

    assert (result.status, result.files) == ("passed", ())
    assert result.notes == ("no files were kept: no such luck",)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_nobody_else_reads_along(autojump_clock, tmp_path):
    modes = set()

    class Looking(FolderSink):
        def keep(self, grant, files):
            modes.update(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("sessions/*/*"))
            super().keep(grant, files)

    result = await one_call(plan_of(Type(type="Hi")), "Yes.", sink=Looking(tmp_path))

    assert result.notes == ()
    assert modes == {0o700}

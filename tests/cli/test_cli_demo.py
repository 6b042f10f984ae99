"""`realtime-engine demo` in real time over TCP: it can be stopped, and says what it needs. The story: tests/demo."""

import signal
import subprocess
import sys

import orjson
import pytest
import soundfile

from engine.cli import exits


@pytest.mark.peers
def test_ctrl_c_ends_it_with_the_files_written(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-m", "engine", "demo", "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        lines = [demo.stdout.readline() for _ in range(4)]
        demo.send_signal(signal.SIGINT)
        shown, said = demo.communicate(timeout=60)

    assert demo.returncode == exits.STOPPED
    assert said == "realtime-engine: stopped\n"
    assert "real time, over TCP" in lines[0]
    assert "eight of spades four of clubs seven of hearts" in lines[2]
    assert "19 points" in lines[3]
    assert "timeline.png" in shown
    assert soundfile.info(tmp_path / "conversation.wav").duration > 3
    events = [orjson.loads(line)["event"]["type"] for line in (tmp_path / "events.jsonl").read_bytes().splitlines()]
    assert {"session.created", "input_audio_buffer.speech_started", "tool_use_stream"} <= set(events)
    assert (tmp_path / "timeline.png").stat().st_size > 10_000


def test_a_folder_that_can_not_be_made_is_one_line(command, tmp_path):
    (tmp_path / "file").write_text("")
    shown = command("demo", "--fast", "--out", tmp_path / "file")

    assert shown.code == exits.USAGE
    assert "can't be made" in shown.err
    assert len(shown.err.splitlines()) == 1


def test_a_file_that_can_not_be_written_is_told_before_it_plays(command, tmp_path):
    (tmp_path / "timeline.png").mkdir()
    shown = command("demo", "--fast", "--out", tmp_path)

    assert (shown.code, shown.out) == (exits.USAGE, "")
    assert "timeline.png can't be written: Is a directory" in shown.err


@pytest.mark.parametrize("module", ["matplotlib", "hibari"])
def test_a_missing_library_is_named_with_its_extra(command, monkeypatch, tmp_path, module):
    monkeypatch.setitem(sys.modules, module, None)
    shown = command("demo", "--out", tmp_path)

    assert shown.code == exits.USAGE
    assert shown.err == f"realtime-engine: {module} is not installed | pip install 'realtime-engine[demo]'\n"

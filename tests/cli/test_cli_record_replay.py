"""`talk --record` and `simulate --replay`: a call is recorded, and played again to any client."""

import re
import signal
import socket
import threading
from contextlib import suppress

import pytest
import trio
from test_cli_simulate import simulate
from trio_websocket import wrap_client_stream

from engine.cli import exits
from engine.recording import read_recording

LINES = ("Good morning", "How are you?")


def said(shown):
    return [line for line in shown.out.splitlines() if line.startswith(("you", "agent"))]


@pytest.mark.parametrize("name", ["call.jsonl", "call.jsonl.gz"])
def test_a_recorded_talk_can_be_had_again(command, tmp_path, name):
    path = tmp_path / name
    before = command("talk", "--simulator", "--text", "--record", path, typed=LINES)
    recording = read_recording(path)
    count = len(recording.entries)
    assert recording.end.reason == "client_disconnect"
    assert (before.code, before.err) == (0, "")
    assert f"{path}: {count} messages recorded" in before.out

    with simulate("--port", 0, "--replay", path, "--at-once") as (process, welcome):
        url = re.search(r"ws://127\.0\.0\.1:\d+/v1", welcome).group()
        again = command("talk", "--text", "--base-url", url, typed=LINES)
        lines = [process.stdout.readline() for _ in range(2)]
        other = command("talk", "--text", "--base-url", url, typed=("Good evening", LINES[1]))
        news = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)

    assert f"recording {path} at once" in welcome
    assert said(again) == said(before)
    assert said(other)[1:] == said(before)[1:], "the recording answers what it answered"
    assert "over, close code 1000" in lines[1]
    assert "conversation.item.create 1: item.content[0].text was 'Good morning', is 'Good evening'" in "".join(news)
    assert (rest, errors, process.returncode) == ("stopped\n", "", 0)


def test_the_key_is_not_in_the_recording(command, tmp_path, monkeypatch):
    key = "a-key-of-nobody-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with simulate("--port", 0) as (_, welcome):
        url = re.search(r"ws://127\.0\.0\.1:\d+/v1", welcome).group()
        shown = command("talk", "--text", "--base-url", url, "--record", tmp_path / "a", typed=[f"it is {key}"])

    assert f"it is {key}" in shown.out
    assert key.encode() not in (tmp_path / "a").read_bytes()
    assert b"it is (not shown)" in (tmp_path / "a").read_bytes()


def kill_and_refuse(process, port):
    """Kill a server, and stand in its place with a word for all who come."""
    process.kill()
    process.wait()
    listener = socket.create_server(("127.0.0.1", port))
    listener.settimeout(30)

    def refuse():
        with listener, suppress(TimeoutError):
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")

    threading.Thread(target=refuse, daemon=True).start()


def test_a_lost_connection_is_marked(command, tmp_path, monkeypatch):
    with simulate("--port", 0) as (process, welcome):
        url = re.search(r"ws://127\.0\.0\.1:\d+/v1", welcome).group()
        # Killed, it can't be had again: who comes back is refused, as nothing else would end the talk so soon.
        port = int(re.search(r":(\d+)/", url).group(1))
        fates = iter([lambda: kill_and_refuse(process, port)])
        monkeypatch.setattr("engine.cli.talk_text._echo", lambda *_, **__: next(fates, lambda: None)())
        shown = command("talk", "--text", "--base-url", url, "--record", tmp_path / "call.jsonl", typed=LINES)

    end = read_recording(tmp_path / "call.jsonl").end
    assert shown.code == exits.CONNECTION
    assert (end.reason, end.lost, end.code) == ("error", True, 1006)


def test_a_talk_whose_recording_fails_goes_on(command, tmp_path):
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    shown = command("talk", "--simulator", "--text", "--record", tmp_path / "full.jsonl", typed=LINES)

    assert shown.code == 0
    assert len(said(shown)) == 4
    assert "ends early: No space left on device" in shown.out


def test_a_replay_tells_its_own_times(tmp_path, command):
    path = tmp_path / "call.jsonl"
    command("talk", "--simulator", "--text", "--record", path, typed=LINES)
    with simulate("--port", 0, "--replay", path) as (_, welcome):
        assert f"recording {path} in its own times" in welcome


def test_a_recording_of_the_real_service_is_served(recordings):
    (path,) = [path for path in recordings if path.stem == "openai_ws.text_in_audio_out_turn"]
    with simulate("--port", 0, "--replay", path) as (_, welcome):
        port = int(re.search(r"ws://127\.0\.0\.1:(\d+)/v1", welcome).group(1))

        async def client():
            key = [(b"authorization", b"Bearer any")]
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream, trio.open_nursery() as nursery:
                socket = await wrap_client_stream(nursery, stream, "x", "/v1/realtime", extra_headers=key)
                first = await socket.get_message()
                nursery.cancel_scope.cancel()
            return first

        assert "at once" in welcome, "it has no times"
        assert '"type":"session.created"' in trio.run(client)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["talk", "--simulator", "--record", "missing/call.jsonl"], "give another with --record"),
        (["talk", "--simulator", "--in", "said.wav", "--record", "./said.wav"], "--record and --in name the same file"),
        (["talk", "--simulator", "--out", "a.wav", "--record", "a.wav"], "--record and --out name the same file"),
        (["simulate", "--replay", "missing.jsonl"], "missing.jsonl can't be read"),
        (["simulate", "--replay", "empty.jsonl"], "no message of a server"),
        (["simulate", "--replay", "empty.jsonl", "--voice", "tone"], "leave out"),
        (["simulate", "--replay", "empty.jsonl", "--script", "s.toml"], "leave out"),
        (["simulate", "--at-once"], "give one with --replay"),
    ],
)
def test_what_can_not_be_recorded_or_replayed_is_one_line(command, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.jsonl").touch()
    shown = command(*arguments)

    assert shown.code == exits.USAGE
    assert words in shown.err
    assert len(shown.err.splitlines()) == 1

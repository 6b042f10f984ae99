"""`realtime-engine simulate`: a port that our engine and openai-python can talk to, until Ctrl-C."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest
import trio
from rich.console import Console
from trio_websocket import ConnectionClosed, wrap_client_stream

from engine.cli import exits
from engine.cli.simulate import keep_serving
from engine.config import ClientSettings, SessionConfig
from engine.session import open_session
from engine.simulator import ScriptedResponder

PATH = "/v1/realtime?model=gpt-realtime"
KEY = (b"authorization", b"Bearer sk-test")

SCRIPT = """
[[turn]]
when = "weather"
say = "Rain, I am afraid."
"""


@contextmanager
def simulate(*arguments):
    """Run it, and give the process with the lines that say how to reach it."""
    with subprocess.Popen(
        [sys.executable, "-m", "engine", "simulate", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            lines = []
            while not lines or "Ctrl-C" not in lines[-1]:
                lines.append(process.stdout.readline())
                assert lines[-1] or process.poll() is None, process.stderr.read()
            yield process, "".join(lines)
        finally:
            process.kill()


def test_a_session_of_ours_follows_the_script_and_is_logged(command, tmp_path):
    (tmp_path / "script.toml").write_text(SCRIPT)
    with simulate("--port", 0, "--script", tmp_path / "script.toml") as (process, welcome):
        url = re.search(r"ws://127\.0\.0\.1:\d+/v1", welcome).group()
        shown = command("talk", "--text", "--base-url", url, typed=["What is the weather?"])
        assert re.fullmatch(r"connection 1: sess_\w+\n", process.stdout.readline())
        over = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)

    assert "Rain, I am afraid." in shown.out, shown.err
    assert re.fullmatch(r"connection 1: over, close code 1000, \d+ events received, \d+ sent\n", over)
    assert (rest, errors, process.returncode) == ("stopped\n", "", 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_stopped_closes_its_clients_and_logs_it(number):
    with simulate("--port", 0) as (process, welcome):
        port = int(re.search(r"ws://127\.0\.0\.1:(\d+)/v1", welcome).group(1))

        async def client():
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream, trio.open_nursery() as nursery:
                socket = await wrap_client_stream(nursery, stream, "sim", PATH, extra_headers=[KEY])
                await socket.get_message()
                process.send_signal(number)
                with pytest.raises(ConnectionClosed) as caught:
                    await socket.get_message()
                nursery.cancel_scope.cancel()
            return caught.value.reason.code

        code = trio.run(client)
        rest, errors = process.communicate(timeout=60)

    assert code == 1001
    assert re.fullmatch(r"(?s).*connection 1: over, close code 1001, 0 events received, 1 sent\nstopped\n", rest), rest
    assert (errors, process.returncode) == ("", 0)


def test_a_script_goes_with_the_local_voice(tmp_path):
    (tmp_path / "script.toml").write_text(SCRIPT)
    with simulate("--port", 0, "--script", tmp_path / "script.toml", "--voice", "local") as (_, welcome):
        assert f"script {tmp_path / 'script.toml'}, voice local" in welcome


def test_the_welcome_tells_each_client_how_to_come(command):
    with simulate("--port", 0) as (_, welcome):
        url = re.search(r"ws://127\.0\.0\.1:\d+/v1", welcome).group()

    assert f"realtime-engine talk --base-url {url}" in welcome
    assert f'base_url="{url}"' in welcome
    assert f'websocket_base_url="{url}"' in welcome
    assert "voice tone" in welcome


def test_a_refused_client_is_logged_too(command):
    with simulate("--port", 0) as (process, welcome):
        url = re.search(r"ws://127\.0\.0\.1:\d+/v1", welcome).group()
        shown = command("talk", "--model", "davinci", "--base-url", url, typed=["hi"])
        lines = [process.stdout.readline() for _ in range(2)]

    assert shown.code == exits.SERVICE
    assert lines[0] == "connection 1: no session\n"
    assert "over" in lines[1]


def test_others_are_let_in_only_with_a_warning():
    with simulate("--port", 0, "--host", "0.0.0.0") as (_, welcome):
        assert "Others can reach it" in welcome


def test_a_port_in_use_says_what_to_do(command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        shown = command("simulate", "--port", port)

    assert shown.code == exits.USAGE
    assert str(port) in shown.err
    assert "take another" in shown.err
    assert len(shown.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--script", "missing.toml"], "missing.toml"),
        (["--script", "broken.toml"], "a TOML file"),
        (["--script", "wrong.toml"], "allowed: the keys"),
        (["--host", "192.0.2.1"], "can't listen on '192.0.2.1'"),
    ],
)
def test_what_can_not_be_served_is_one_line(command, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.toml").write_text("= broken")
    (tmp_path / "wrong.toml").write_text("colour = 'red'")
    (tmp_path / "good.toml").write_text(SCRIPT)
    shown = command("simulate", "--port", "0", *arguments)

    assert shown.code == exits.USAGE
    assert len(shown.err.splitlines()) == 1
    assert words in shown.err


async def test_who_comes_and_goes_is_printed(autojump_clock):
    console = Console(file=io.StringIO(), highlight=False, soft_wrap=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_serving, console, "127.0.0.1", 0, "voice tone", ScriptedResponder)
        await trio.testing.wait_all_tasks_blocked(0.05)
        url = re.search(r"ws://\S+/v1", console.file.getvalue()).group()
        config = SessionConfig(client=ClientSettings(api_key="any", base_url=url))
        async with open_session(config):
            await trio.sleep(1)
            assert re.search(r"connection 1: sess_\w+\n$", console.file.getvalue())
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert "connection 1: over, close code 1000, 1 events received, 2 sent" in console.file.getvalue()


def test_ctrl_c_is_how_it_ends(command, monkeypatch):
    async def stopped(console, *_):
        os.kill(os.getpid(), signal.SIGINT)
        await trio.sleep_forever()

    monkeypatch.setattr("engine.cli.simulate.keep_serving", stopped)
    shown = command("simulate", "--voice", "local")

    assert (shown.code, shown.out, shown.err) == (0, "stopped\n", "")

"""The simulator is for this machine: it listens on the loopback, all of it, and says so when it is told otherwise."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from inspect import signature
from pathlib import Path

import pytest
import trio
from rooms import KEY

from engine.config import is_loopback
from engine.simulator import serve
from engine.simulator.replay import serve_replay
from engine.simulator.server import serve_forever
from engine.simulator.settings import SimulatorSettings

WARNING = "others can reach it"


@contextmanager
def simulate(*arguments):
    """Run the command, and give what it prints at first, on both channels."""
    command = [sys.executable, "-m", "engine", "simulate", "--port", "0", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], "".join(lines)
        yield "".join(lines)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def listening():
    """Give the addresses on which sockets of this process listen, as the system tells them: IPv4 and IPv6."""
    mine = {link.readlink().name for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = cells = row.split()
            if state == "0A" and f"socket:[{cells[9]}]" in mine:
                address, port = local.split(":")
                found.add((address, int(port, 16)))
    return found


LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
EVERYBODY = {"00000000", "00000000000000000000000000000000"}


@pytest.mark.parametrize("start", [serve, serve_forever, serve_replay])
def test_by_default_each_way_to_serve_takes_the_loopback(start):
    assert signature(start).parameters["host"].default == "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "addresses"),
    [("127.0.0.1", LOOPBACK), ("::1", LOOPBACK), ("localhost", LOOPBACK), ("0.0.0.0", EVERYBODY), ("::", EVERYBODY)],
)
async def test_it_listens_where_it_was_told_and_nowhere_else(host, addresses, caplog):
    async with serve(host=host) as simulator:
        mine = {address for address, port in listening() if port == simulator.port}
    assert mine
    assert mine <= addresses
    assert (WARNING in caplog.text) == (addresses is EVERYBODY)


async def test_all_its_parts_are_on_that_one_port():
    """Sessions, the HTTP API with its calls, and what it says of MCP servers: it opens no other."""
    before = listening()
    async with serve() as simulator:
        assert {port for _, port in listening() - before} == {simulator.port}
        for path, wants in (("/v1/realtime/client_secrets", b"200"), ("/v1/nothing", b"404")):
            stream = await trio.open_tcp_stream("127.0.0.1", simulator.port)
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 2\r\n\r\n{{}}"
            async with stream:
                await stream.send_all(head.encode())
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 " + wants)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_the_command_warns_on_the_terminal(host):
    with simulate("--host", host) as said:
        assert WARNING in said.lower()
        assert "127.0.0.1" in said


def test_the_command_does_not_warn_of_the_loopback():
    with simulate() as said:
        assert WARNING not in said.lower()
        assert re.search(r"ws://127\.0\.0\.1:\d+/v1", said)


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_what_counts_as_this_machine(host, own):
    assert is_loopback(host) is own


async def test_a_key_that_is_not_taken_is_not_repeated_whole():
    async with serve(SimulatorSettings(keys=["another"])) as simulator:
        stream = await trio.open_tcp_stream("127.0.0.1", simulator.port)
        head = f"POST /v1/realtime/client_secrets HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
        async with stream:
            await stream.send_all(head.encode() + b"content-length: 0\r\n\r\n")
            answer = await stream.receive_some()
    assert b"401" in answer
    assert KEY.encode() not in answer

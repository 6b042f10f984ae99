"""A run on Ray with a cluster of its own: started beside others' on this machine, locked, and gone afterwards."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import trio
from real_runs import typed_plan

from engine.farm.backends.ray import ray_backend
from engine.farm.ledger import Ledger
from engine.farm.run import Run

pytestmark = pytest.mark.ray


def children():
    """Name the processes that this one has started and that live."""
    told = subprocess.run(
        ["ps", "-o", "comm=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False
    ).stdout
    return sorted(set(told.split()) - {"ps"})


@pytest.fixture
def scratch(monkeypatch):
    """Give Ray a folder for all of its files, with a short name; it is to be empty in the end."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    yield
    folder.rmdir()


@pytest.fixture
def anothers_cluster(tmp_path):
    """Have somebody else's cluster on this machine, with a token that nobody knows; give its address."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    theirs = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "HOME": str(tmp_path)}
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--port", str(port)]
    options = ["--num-cpus=1", "--include-dashboard=false", "--object-store-memory=80000000", "--disable-usage-stats"]
    with subprocess.Popen([*command, *options], env=theirs, stdout=subprocess.PIPE, text=True) as node:
        assert any("Ray runtime started" in line for line in node.stdout)
        yield f"127.0.0.1:{port}"
        assert node.poll() is None
        node.terminate()
        node.communicate()


async def test_a_plan_runs_on_a_cluster_that_is_started_for_it_beside_anothers(
    tmp_path, monkeypatch, anothers_cluster, scratch
):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("RAY_ADDRESS", anothers_cluster)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    before = children()
    plan = typed_plan(tmp_path, 6)
    with trio.fail_after(60):
        summary = await Run(plan, out=tmp_path / "run", workers=1, backend=ray_backend("ray:local")).run()
    assert summary.done == {"passed": 6}
    ledger = Ledger.open(tmp_path / "run", write=False)
    assert {attempt.worker for attempt in ledger.attempts()} == {"worker-1"}
    # It leaves nothing: no process, no handler, no token in the home directory; nor a file of Ray's, see `scratch`.
    assert children() == before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert list(home.iterdir()) == []
    assert os.environ["RAY_AUTH_MODE"] == "token"

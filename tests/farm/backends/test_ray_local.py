"""A run on Ray without a cluster: one is started on this machine, locked, and gone afterwards."""

import os
import signal
import subprocess

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


async def test_a_plan_runs_on_a_cluster_that_is_started_for_it(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    before = children()
    plan = typed_plan(tmp_path, 6)
    with trio.fail_after(60):
        summary = await Run(plan, out=tmp_path / "run", workers=1, backend=ray_backend("ray:local")).run()
    assert summary.done == {"passed": 6}
    ledger = Ledger.open(tmp_path / "run", write=False)
    assert {attempt.worker for attempt in ledger.attempts()} == {"worker-1"}
    # It leaves nothing: no process, no handler, and no token in the home directory.
    assert children() == before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert list(home.iterdir()) == []
    assert os.environ["RAY_AUTH_MODE"] == "token"

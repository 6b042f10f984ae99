"""Workers in processes: killed, stopped, too large, dying as they start; and what the coordinator makes of it."""

import logging
import re
import signal
import sys
from collections import Counter
from pathlib import Path

import attrs
import pytest
import trio
from real_runs import alive, children_of, send, typed_plan

from engine.errors import BackendUnavailable, FarmError
from engine.farm.backends import WorkerSpec
from engine.farm.backends.processes import DEATHS_MAX, ProcessesBackend
from engine.farm.ledger import Ledger
from engine.farm.plan.model import FunctionTool
from engine.farm.processes.target import target_of
from engine.farm.run import Run

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through /proc"),
    pytest.mark.peers,
]

WORKER = "process_worker"


def results_of(folder, *, final_only=True):
    with Ledger.open(folder, write=False) as ledger:
        return list(ledger.results(final_only=final_only))


async def until(condition, within_s=90.0):
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110 - no event tells of others' processes
            await trio.sleep(0.02)


async def test_two_processes_share_the_jobs_and_are_gone_afterwards(tmp_path):
    run = Run(typed_plan(tmp_path, 30, sessions=6), out=tmp_path / "run", workers=2)
    summary = await run.run()
    assert summary.done == {"passed": 30}
    assert (summary.stopped, summary.open_jobs) == (False, 0)
    assert set(Counter(result.worker for result in results_of(tmp_path / "run"))) == {"worker-1", "worker-2"}
    assert children_of() == []


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (signal.SIGKILL, "killed by signal 9"),
        pytest.param(signal.SIGSTOP, "said nothing", marks=pytest.mark.long),
    ],
)
async def test_a_worker_that_dies_or_stalls_is_replaced_and_its_sessions_run_again(tmp_path, how, words):
    plan = typed_plan(tmp_path, 30, sessions=10, wait_s=1.0)
    run = Run(plan, out=tmp_path / "run", workers=2, lease_s=3.0)
    async with trio.open_nursery() as nursery:

        async def hit():
            await until(lambda: [worker for worker in run.snapshot().workers if worker.active][1:])  # both have some
            send(children_of(having=WORKER)[0], how)

        nursery.start_soon(hit)
        summary = await run.run()
    assert summary.done == {"passed": 30}
    lost = [result for result in results_of(tmp_path / "run", final_only=False) if result.status == "lost"]
    assert lost
    assert all(words in result.error for result in lost)
    assert len({result.worker for result in lost}) == 1
    assert children_of() == []


async def test_a_worker_that_takes_too_much_memory_is_killed_and_it_is_told(tmp_path):
    greedy = 'kept = []\n\ndef hello() -> str:\n    """Say hello."""\n    kept.append(bytearray(400 * 2**20))\n'
    plan = plan_with_tool(tmp_path, greedy, wait_s=1.0)
    plan = attrs.evolve(plan, retries=attrs.evolve(plan.retries, attempts=2))
    run = Run(plan, out=tmp_path / "run", workers=1, backend="processes", memory_max_bytes=300 * 2**20)
    summary = await run.run()
    assert summary.done == {"lost": 1}
    (result,) = results_of(tmp_path / "run")
    assert "over its bound of 300" in result.error
    assert result.attempt == 2


async def test_workers_that_die_as_they_start_end_the_run_with_their_last_words(tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    spec = WorkerSpec(plan=typed_plan(tmp_path), folder=str(tmp_path), count=2)

    async def on_link(link):
        raise AssertionError

    backend = ProcessesBackend(spec, module="engine.farm.no_such_worker", again_s=0.01)
    with pytest.raises(BackendUnavailable, match=f"{DEATHS_MAX} times.*No module named") as caught:
        await backend.run(on_link)
    assert "\n" not in str(caught.value)
    assert re.search(r"more in workers/worker-[12]\.log\) \|", str(caught.value))
    for number in (1, 2):
        log = (tmp_path / "workers" / f"worker-{number}.log").read_text()
        assert log.count("--- process ") == log.count("No module named") == DEATHS_MAX
    assert children_of(having="no_such_worker") == []


def plan_with_tool(folder, code, *, jobs=1, **more):
    (folder / "tools.py").write_text(code)
    script = folder / "script.toml"
    script.write_text('[[turn]]\nparts = [{ call = "hello" }]\n\n[[turn]]\nrepeat = true\nsay = "done"\n')
    plan = typed_plan(folder, jobs, tools=(FunctionTool(function="tools.py:hello"),), **more)
    return attrs.evolve(plan, target=attrs.evolve(plan.target, script=str(script)))


PRINTS_AND_READS = """
import os, subprocess, sys

def hello() -> str:
    \"""Say hello.\"""
    print("x" * 100_000)
    os.write(1, b"y" * 1000)
    subprocess.run([sys.executable, "-c", "import sys; print(len(sys.stdin.read()))"], check=True)
    return f"heard {sys.stdin.read()!r} {os.read(0, 10)!r}"
"""


async def test_what_a_tool_prints_or_reads_is_no_frame(tmp_path, monkeypatch):
    # Nor is a module taken from the folder that people happen to stand in.
    (tmp_path / "queue.py").write_text("raise AssertionError('not this one')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [place for place in sys.path if place])
    plan = plan_with_tool(tmp_path, PRINTS_AND_READS, jobs=2)
    summary = await Run(plan, out=tmp_path / "run", backend="processes").run()
    assert summary.done == {"passed": 2}
    tools = [use.result for result in results_of(tmp_path / "run") for turn in result.turns for use in turn.tools]
    assert len(tools) == 2
    assert all("heard '' b''" in told for told in tools)
    log = (tmp_path / "run" / "workers" / "worker-1.log").read_text()
    # Two threads print at once, so that one's words may stand amid the other's.
    assert log.count("x") >= 200_000
    assert log.count("y") >= 2000


async def test_a_tool_that_blocks_the_event_loop_is_named_and_does_not_come_again_for_ever(tmp_path):
    code = 'import time\n\nasync def hello() -> str:\n    """Say hello."""\n    time.sleep(60)\n'
    plan = plan_with_tool(tmp_path, code)
    plan = attrs.evolve(plan, retries=attrs.evolve(plan.retries, attempts=1))
    summary = await Run(plan, out=tmp_path / "run", backend="processes", lease_s=5.0).run()
    assert summary.done == {"lost": 1}
    (result,) = results_of(tmp_path / "run")
    assert result.error.startswith("it said nothing for 5 s (stuck in File")
    assert 'tools.py", line 5 in hello' in result.error
    assert result.error.endswith("and was killed; more in workers/worker-1.log")
    log = (tmp_path / "run" / "workers" / "worker-1.log").read_text()
    assert "most recent call first" in log
    assert "in run_call" in log or "worker.py" in log
    assert children_of() == []


async def test_a_process_that_the_system_does_not_start_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    backend = ProcessesBackend(WorkerSpec(plan=typed_plan(tmp_path), folder=str(tmp_path)), again_s=0.01)

    async def on_link(link):
        raise AssertionError

    with pytest.raises(BackendUnavailable, match="can't be started: No such file") as caught:
        await backend.run(on_link)
    assert "\n" not in str(caught.value)
    with pytest.raises(FarmError, match="can't be started"):
        async with target_of(typed_plan(tmp_path), 1):
            pass


async def test_cancelled_it_leaves_no_process_behind(tmp_path):
    plan = typed_plan(tmp_path, 10, wait_s=30.0)
    run = Run(plan, out=tmp_path / "run", workers=2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.run)
        await until(lambda: run.snapshot().active > 0)
        pids = children_of()
        assert len(pids) == 4  # two workers, two simulators
        nursery.cancel_scope.cancel()
    assert alive(pids) == []


async def test_stop_ends_sessions_in_processes_at_once(tmp_path):
    plan = typed_plan(tmp_path, 10, wait_s=30.0)
    run = Run(plan, out=tmp_path / "run", workers=2)
    async with trio.open_nursery() as nursery:

        async def stop():
            await until(lambda: run.snapshot().figures.count("response_time") == 8)  # all wait
            run.stop("Ctrl-C")

        nursery.start_soon(stop)
        summary = await run.run()
    assert (summary.stopped, summary.why, summary.open_jobs) == (True, "Ctrl-C", 10)
    assert Counter(result.status for result in results_of(tmp_path / "run", final_only=False)) == {"stopped": 8}
    assert children_of() == []

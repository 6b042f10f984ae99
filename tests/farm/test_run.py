"""A run from its first worker to the last line of its ledger: settings, the two-step stop, resuming."""

import os
import sys
from collections import Counter
from pathlib import Path

import attrs
import pytest
import trio
from real_runs import children_of, send, typed_plan

from engine.blocks import block_nursery
from engine.errors import BackendUnavailable, ConfigError, FarmError, LedgerUnusable, LocalMisuse, TargetLost
from engine.farm.backends.local import LocalBackend
from engine.farm.ledger import Ledger
from engine.farm.plan.model import Target
from engine.farm.plan.thresholds import read_threshold
from engine.farm.run import Run, run_plan
from engine.farm.worker.vitals import machine_cores


def results_of(folder, *, final_only=True):
    with Ledger.open(folder, write=False) as ledger:
        return list(ledger.results(final_only=final_only))


async def test_a_plan_runs_in_this_loop_and_the_summary_tells_what_came_of_it(tmp_path):
    thresholds = tuple(map(read_threshold, ("error_rate < 1%", "p95(session_time) < 1ms")))
    plan = attrs.evolve(typed_plan(tmp_path, 6), thresholds=thresholds)
    pictures = []
    summary = await run_plan(plan, out=tmp_path / "run", on_snapshot=pictures.append, every_s=0.05)
    assert (summary.done, summary.open_jobs, summary.why) == ({"passed": 6}, 0, "all jobs are done")
    assert [judged.held for judged in summary.thresholds] == [True, False]
    assert summary.folder == tmp_path / "run"
    assert pictures[0].phase == "starting"
    assert pictures[-1] == summary.snapshot
    assert summary.snapshot.phase == "over"
    assert children_of() == []


@pytest.mark.peers
async def test_finish_then_resume_runs_every_job_once(tmp_path):
    plan = typed_plan(tmp_path, 12, sessions=4, wait_s=2.0)
    run = Run(plan, out=tmp_path / "run")
    async with trio.open_nursery() as nursery:

        async def finish():
            # All four wait: what is granted and has not begun would be handed back.
            while run.snapshot().figures.count("response_time") < 4:  # noqa: ASYNC110 - snapshots are looked at
                await trio.sleep(0.02)
            run.finish("Ctrl-C")

        nursery.start_soon(finish)
        first = await run.run()
    assert (first.why, first.stopped, first.done) == ("Ctrl-C", True, {"passed": 4})
    # The plan is the ledger's where none is given.
    second = await Run(None, out=tmp_path / "run", resume=True).run()
    assert (second.done, second.stopped, second.open_jobs) == ({"passed": 12}, False, 0)
    assert Counter(result.job for result in results_of(tmp_path / "run")) == Counter(range(12))
    assert second.run_id == first.run_id
    third = await Run(plan, out=tmp_path / "run", resume=True).run()
    assert third.done == {"passed": 12}


async def test_told_to_stop_before_it_began_it_starts_nothing(tmp_path):
    run = Run(typed_plan(tmp_path, 5), out=tmp_path / "run")
    run.finish("changed my mind")
    run.stop("really")
    assert run.snapshot().phase == "starting"
    summary = await run.run()
    assert (summary.done, summary.open_jobs, summary.why) == ({}, 5, "changed my mind")
    assert summary.stopped


async def test_sessions_take_the_place_of_the_plans(tmp_path):
    plan = typed_plan(tmp_path, 12, sessions=12, wait_s=0.3)
    pictures = []
    await run_plan(plan, out=tmp_path / "run", sessions=3, on_snapshot=pictures.append, every_s=0.02)
    assert max(picture.active for picture in pictures) == 3


async def test_a_run_is_run_once(tmp_path):
    run = Run(typed_plan(tmp_path, 1), out=tmp_path / "run")
    await run.run()
    with pytest.raises(LocalMisuse, match="resume"):
        await run.run()


async def test_a_folder_that_holds_a_run_is_not_written_over(tmp_path):
    await Run(typed_plan(tmp_path, 1), out=tmp_path / "run").run()
    with pytest.raises(LedgerUnusable):
        await Run(typed_plan(tmp_path, 1), out=tmp_path / "run").run()


async def test_two_runs_can_not_share_a_folder(tmp_path):
    run = Run(typed_plan(tmp_path, 4, wait_s=30.0), out=tmp_path / "run")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.run)
        while not run.snapshot().active:  # noqa: ASYNC110
            await trio.sleep(0.02)
        with pytest.raises(LedgerUnusable):
            await Run(None, out=tmp_path / "run", resume=True).run()
        run.stop("enough")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"workers": 0}, "workers=0"),
        ({"sessions": 0}, "sessions=0"),
        ({"lease_s": 0.5}, "lease_s=0.5"),
        ({"grace_s": -1.0}, "grace_s"),
        ({"backend": "dask"}, "local or processes"),
        ({"plan": None}, "no plan"),
        (
            {"workers": 9999},
            r"9,999 workers and \d+ simulators are more processes than this machine has memory for \([\d,]+\)",
        ),
    ],
)
def test_settings_that_can_not_be_are_told_before_anything_starts(tmp_path, settings, words):
    plan = settings.pop("plan", typed_plan(tmp_path, 1))
    with pytest.raises(ConfigError, match=words):
        Run(plan, out=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


async def test_without_a_key_the_service_is_not_called(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    plan = attrs.evolve(typed_plan(tmp_path, 1), target=Target(kind="service"))
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        await Run(plan, out=tmp_path / "run").run()


async def test_a_backend_of_ones_own_gets_all_that_its_workers_need(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "sk-canary-0123456789")
    seen = []

    def factory(spec):
        seen.append(spec)
        return LocalBackend(spec)

    await Run(typed_plan(tmp_path, 2), out=tmp_path / "run", workers=3, backend=factory).run()
    (spec,) = seen
    assert (spec.count, spec.folder, spec.memory_max_bytes) == (3, str(tmp_path / "run"), None)
    assert "canary" not in repr(attrs.evolve(spec, key="sk-canary-0123456789"))


@pytest.mark.peers
async def test_auto_takes_one_worker_a_core(tmp_path):
    seen = []

    def factory(spec):
        seen.append(spec.count)
        return LocalBackend(spec)

    await Run(typed_plan(tmp_path, 1), out=tmp_path / "run", workers="auto", backend=factory).run()
    assert seen == [machine_cores()]
    assert 1 <= machine_cores() <= os.cpu_count()


async def test_the_last_picture_adds_up_with_the_ledger_also_where_sessions_were_stopped(tmp_path):
    run = Run(typed_plan(tmp_path, 8, sessions=4, wait_s=30.0), out=tmp_path / "run")
    async with trio.open_nursery() as nursery:

        async def stop():
            # Turns are over, and told as they end; their sessions are not.
            while not run.snapshot().figures.count("response_time"):  # noqa: ASYNC110
                await trio.sleep(0.02)
            run.stop("enough")

        nursery.start_soon(stop)
        summary = await run.run()
    with Ledger.open(tmp_path / "run", write=False) as ledger:
        assert summary.snapshot.figures.count("response_time") == ledger.figures().count("response_time") == 0
        assert summary.snapshot.tokens == ledger.counts().tokens > 0


class NoWorkers:
    def __init__(self, spec, after_s):
        self.after_s = after_s

    async def run(self, on_link):
        await trio.sleep(self.after_s)
        raise BackendUnavailable("no cluster | start one")


async def test_what_can_not_be_had_is_told_before_the_run_says_that_it_began(tmp_path, monkeypatch):
    run = Run(typed_plan(tmp_path, 1), out=tmp_path / "no-simulator")
    with monkeypatch.context() as patch:
        patch.setattr("sys.executable", str(tmp_path / "no-python"))
        with pytest.raises(FarmError, match="can't be started"):
            await run.run()
    assert not run.opened.is_set()
    run = Run(typed_plan(tmp_path, 1, url="ws://127.0.0.1:9"), out=tmp_path / "a", backend=lambda s: NoWorkers(s, 0.0))
    with pytest.raises(BackendUnavailable):
        await run.run()
    assert not run.opened.is_set()


async def test_a_run_that_waits_long_for_its_first_worker_says_that_it_began(tmp_path, autojump_clock):
    plan = typed_plan(tmp_path, 1, url="ws://127.0.0.1:9")
    run = Run(plan, out=tmp_path / "run", backend=lambda spec: NoWorkers(spec, 60.0))
    with pytest.raises(BackendUnavailable):
        await run.run()
    assert run.opened.is_set()


async def test_a_resumed_runs_figures_are_of_all_stretches_or_of_none_yet(tmp_path):
    plan = typed_plan(tmp_path, 10, sessions=2, wait_s=0.2)
    run = Run(plan, out=tmp_path / "run")
    async with trio.open_nursery() as nursery:

        async def finish():
            while sum(run.snapshot().done.values()) < 2:  # noqa: ASYNC110
                await trio.sleep(0.02)
            run.finish("enough")

        nursery.start_soon(finish)
        await run.run()
    earlier = len(results_of(tmp_path / "run"))
    assert 2 <= earlier < 10
    pictures = []
    summary = await run_plan(plan, out=tmp_path / "run", resume=True, on_snapshot=pictures.append, every_s=0.01)
    counts = [picture.figures.count("sessions") for picture in pictures]
    assert all(count == 0 or count >= earlier for count in counts)
    assert counts[-1] == 10
    assert summary.snapshot.figures.count("turns") == 10


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.peers
async def test_a_simulator_that_dies_is_told_as_that_and_no_worker_is(tmp_path, workers):
    plan = typed_plan(tmp_path, 8, wait_s=30.0)
    run, pictures = Run(plan, out=tmp_path / "run", workers=workers), []

    async def look():
        while run.snapshot().active < 8:  # noqa: ASYNC110
            await trio.sleep(0.02)
        send(children_of(having="target_server")[0])
        while True:
            pictures.append(run.snapshot())
            await trio.sleep(0.002)

    with trio.fail_after(60), pytest.raises(TargetLost):  # noqa: PT012
        async with block_nursery() as nursery:
            nursery.start_soon(look)
            await run.run()
    pictures.append(run.snapshot())
    assert {worker.state for picture in pictures for worker in picture.workers} == {"up"}


FULL = """
import resource, sys, trio
sys.path[:0] = sys.argv[1:3]
from real_runs import typed_plan
from engine.errors import LedgerUnusable
from engine.farm.run import Run

resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    trio.run(Run(typed_plan(sys.argv[3], 2000, sessions=50), out=sys.argv[3] + "/run", workers=int(sys.argv[4])).run)
except LedgerUnusable as error:
    print(error)
"""


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.peers
async def test_a_disk_that_fills_up_ends_the_run_in_one_line_and_it_can_be_resumed(tmp_path, workers):
    here = Path(__file__).parent
    command = [sys.executable, "-c", FULL, str(here), str(here.parents[1]), str(tmp_path), str(workers)]
    done = await trio.run_process(command, capture_stdout=True)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 1
    assert " | " in lines[0]
    before = results_of(tmp_path / "run")
    assert 0 < len(before) < 2000
    resumed = Run(None, out=tmp_path / "run", resume=True)
    async with trio.open_nursery() as nursery:

        async def stop():
            while sum(resumed.snapshot().done.values()) < len(before) + 20:  # noqa: ASYNC110
                await trio.sleep(0.02)
            resumed.stop("it goes on")

        nursery.start_soon(stop)
        await resumed.run()
    after = Counter(result.job for result in results_of(tmp_path / "run"))
    assert max(after.values()) == 1
    assert {result.job for result in before} < set(after)

"""Workers on two Ray nodes of this machine, which die, stall and disappear; and clusters that can't be had."""

import os
import signal
from collections import Counter
from functools import partial

import pytest
import trio
from ray_nodes import worker_processes

from engine.errors import BackendUnavailable
from engine.farm.backends import WorkerSpec
from engine.farm.backends.ray import RayBackend, ray_backend
from engine.farm.backends.ray_actor import RayWorker
from engine.farm.backends.ray_address import Place, place_of
from engine.farm.backends.ray_cluster import cluster
from engine.farm.ledger import Ledger
from engine.farm.plan.model import Caps, Keep, Plan, Retries, Scenario, Target, Type, Wait
from engine.farm.run import Run
from engine.simulator import INSTANT, SimulatorSettings, serve

pytestmark = pytest.mark.ray

CAP = 12
JOBS = 60
LEASE_S = 3.0


def talks(url, jobs=JOBS, wait_s=1.0):
    scenario = Scenario(name="talk", turns=(Type(type="hello"), Wait(wait_s=wait_s)), repeat=jobs)
    return Plan(
        name="on nodes",
        scenarios=(scenario,),
        target=Target(kind="url", url=url),
        caps=Caps(sessions=CAP, starts_per_s=100.0),
        retries=Retries(attempts=5, wait_s=0.1),
        keep=Keep(audio=0.0, events=0.0),
    )


class Watched:
    """A run against a simulator of ours, whose own ledger is the witness."""

    def __init__(self, ray_nodes, folder, server):
        self.server = server
        self.folder = folder
        self.peak = 0
        on = f"ray:{ray_nodes.address}"
        plan = talks(server.base_url)
        self.run = Run(plan, out=folder, workers=2, backend=ray_backend(on), lease_s=LEASE_S)

    async def watch(self):
        while True:
            self.peak = max(self.peak, self.server.active_sessions)
            await trio.sleep(0.01)

    async def until(self, done):
        """Wait until so many jobs are done, and both workers have sessions."""
        while True:
            snapshot = self.run.snapshot()
            busy = [worker for worker in snapshot.workers if worker.state == "up" and worker.active]
            if sum(snapshot.done.values()) >= done and len(busy) == 2:
                return
            await trio.sleep(0.05)

    def check(self, summary):
        """Each job has one final result, the cap held, and the server saw nothing that the ledger does not explain."""
        ledger = Ledger.open(self.folder, write=False)
        assert summary.done == {"passed": JOBS}
        assert sorted(result.job for result in ledger.results()) == list(range(JOBS))
        assert self.peak <= CAP
        tried = {attempt.attempt_id for attempt in ledger.attempts()}
        # Without an id is who went before its upgrade was read.
        seen = Counter(session.request_id for session in self.server.sessions if session.request_id)
        assert set(seen) <= tried
        assert max(seen.values()) == 1
        return Counter(result.status for result in ledger.results(final_only=False))


async def run_with(ray_nodes, folder, disturb):
    """Run the plan, and disturb it in its middle."""
    async with serve(SimulatorSettings(pace=INSTANT)) as server, trio.open_nursery() as nursery:
        watched = Watched(ray_nodes, folder, server)
        nursery.start_soon(watched.watch)

        async def later():
            await watched.until(10)
            await trio.to_thread.run_sync(disturb)

        nursery.start_soon(later)
        with trio.fail_after(90):
            summary = await watched.run.run()
        nursery.cancel_scope.cancel()
    return watched.check(summary), summary.snapshot


def kill_a_worker():
    os.kill(worker_processes()[0][0], signal.SIGKILL)


def stall_a_worker():
    os.kill(worker_processes()[0][0], signal.SIGSTOP)


async def test_sessions_of_a_killed_worker_are_tried_again_and_the_cap_holds(ray_nodes, tmp_path):
    results, snapshot = await run_with(ray_nodes, tmp_path / "run", kill_a_worker)
    assert 1 <= results["lost"] <= CAP
    assert sorted(worker.starts for worker in snapshot.workers) == [1, 2]


async def test_a_stalled_worker_is_killed_before_others_have_its_sessions(ray_nodes, tmp_path):
    results, _ = await run_with(ray_nodes, tmp_path / "run", stall_a_worker)
    assert 1 <= results["lost"] <= CAP


async def test_a_dead_nodes_sessions_go_to_the_other_node(ray_nodes, tmp_path):
    try:
        results, _ = await run_with(ray_nodes, tmp_path / "run", ray_nodes.kill_second)
    finally:
        ray_nodes.add()
    assert 1 <= results["lost"] <= CAP


async def test_no_worker_is_left_on_the_cluster_after_a_run(ray_nodes, tmp_path):
    async with serve(SimulatorSettings(pace=INSTANT)) as server:
        watched = Watched(ray_nodes, tmp_path / "run", server)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watched.run.run)
            await watched.until(1)
            assert len(worker_processes()) == 2
            watched.run.stop("enough")
    with trio.fail_after(10):
        while worker_processes():  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.1)
    assert list((tmp_path / "run").glob(".ray-*")) == []


# --- clusters that can't be had ------------------------------------------------------------------------------------


async def no_link(link):
    pytest.fail("a worker came up")


def backend_at(place, tmp_path, **more):
    plan = talks("ws://127.0.0.1:9")
    return RayBackend(WorkerSpec(plan=plan, folder=str(tmp_path), count=2), place=place, **more)


async def test_a_full_cluster_is_told_within_the_deadline(ray_nodes, tmp_path):
    place = place_of(f"ray:{ray_nodes.address}")
    async with cluster(place, 1) as other:
        hogs = [other.ray.remote(RayWorker).options(num_cpus=1).remote() for _ in range(2)]
        await trio.to_thread.run_sync(
            partial(other.ray.wait, [hog.stop.remote("", 0.0) for hog in hogs], num_returns=2)
        )
        with pytest.raises(BackendUnavailable, match=r"none of 2 workers found room .* within 2 s: 0 of its 2 CPUs"):
            await backend_at(place, tmp_path, room_s=2.0).run(no_link)


async def test_one_worker_a_cpu_of_the_cluster(ray_nodes, tmp_path):
    names = set()

    async def on_link(link):
        names.add(link.name)
        while len(names) < 2:  # noqa: ASYNC110
            await trio.sleep(0.05)

    with trio.fail_after(30):
        await backend_at(place_of(f"ray:{ray_nodes.address}"), tmp_path, workers="auto").run(on_link)
    assert names == {"worker-1", "worker-2"}


@pytest.mark.parametrize("theirs", [{"ray_version": "2.49.1"}, {"python_version": "3.11.1"}], ids=["ray", "python"])
async def test_a_cluster_of_another_version_is_told_with_both_sides(ray_nodes, tmp_path, theirs):
    (version,) = theirs.values()
    with ray_nodes.of_another_version(**theirs), pytest.raises(BackendUnavailable, match="to the last digit") as told:
        await backend_at(place_of(f"ray:{ray_nodes.address}"), tmp_path).run(no_link)
    assert version in str(told.value)
    assert "pip install ray==" in str(told.value)
    assert "\n" not in str(told.value)


async def test_a_wrong_token_is_told(ray_nodes, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    with pytest.raises(BackendUnavailable, match="does not take our token"):
        await backend_at(place_of(f"ray:{ray_nodes.address}"), tmp_path).run(no_link)


async def test_the_cluster_of_this_machine_is_found_without_its_address(ray_nodes, tmp_path):
    async with cluster(Place("running"), 1) as found:
        assert await found.room() == (2.0, 2.0)

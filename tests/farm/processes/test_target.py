"""The simulator that a run starts: there for its sessions, and gone with the run, however it ends."""

import signal
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
import trio
from real_runs import alive, children_of, send, typed_plan

from engine.errors import FarmError, TargetLost
from engine.farm.plan.model import Target
from engine.farm.processes.target import servers_of, target_of
from engine.farm.worker.vitals import machine_cores

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through /proc"),
    pytest.mark.peers,
]

SERVER = "target_server"


async def test_each_worker_has_a_server_unless_the_plan_says_otherwise(tmp_path):
    plan = typed_plan(tmp_path)
    async with target_of(plan, 2) as urls:
        assert len(set(urls)) == 2
        assert all(url.startswith("ws://127.0.0.1:") for url in urls)
        assert len(children_of(having=SERVER)) == 2
    assert children_of(having=SERVER) == []
    async with target_of(attrs.evolve(plan, target=attrs.evolve(plan.target, servers=1)), 2) as urls:
        assert len(urls) == 1
    assert servers_of(plan, 10**6) == machine_cores()
    assert servers_of(attrs.evolve(plan, target=Target(kind="service")), 2) == 0


async def test_nothing_is_started_for_a_service_of_others(tmp_path):
    plan = attrs.evolve(typed_plan(tmp_path), target=Target(kind="url", url="ws://127.0.0.1:1/v1"))
    async with target_of(plan, 2) as urls:
        assert urls == ()
        assert children_of(having=SERVER) == []


async def test_a_server_that_dies_ends_the_block_and_tells_how(tmp_path):
    lost = []
    with pytest.raises(TargetLost, match=r"signal 9.*--resume"):  # noqa: PT012 - it is the block that ends
        async with target_of(typed_plan(tmp_path), 1, lambda: lost.append(1)):
            send(children_of(having=SERVER)[0])
            await trio.sleep(10)
    assert lost == [1]


async def test_what_it_can_not_serve_it_says_in_one_line(tmp_path):
    plan = attrs.evolve(typed_plan(tmp_path), target=Target(script="missing.toml"))
    with pytest.raises(FarmError, match=r"missing\.toml") as caught:
        async with target_of(plan, 1):
            pass
    assert "\n" not in str(caught.value)
    assert children_of(having=SERVER) == []


async def test_what_the_block_raises_comes_out_as_it_is(tmp_path):
    with pytest.raises(KeyError):
        async with target_of(typed_plan(tmp_path), 1):
            raise KeyError("of the block")


PARENT = """
import sys, trio
sys.path.insert(0, sys.argv[1])
from real_runs import typed_plan
from engine.farm.processes.target import target_of

async def main():
    async with target_of(typed_plan(sys.argv[2]), 2) as urls:
        print(*urls, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


async def test_servers_end_with_a_parent_that_was_killed(tmp_path):
    command = [sys.executable, "-c", PARENT, str(Path(__file__).parents[1]), str(tmp_path)]
    parent = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    await parent.stdout.receive_some(1000)
    servers = children_of(parent.pid, having=SERVER)
    assert len(servers) == 2
    parent.kill()
    await parent.wait()
    await parent.stdout.aclose()
    with trio.fail_after(10):
        while alive(servers):  # noqa: ASYNC110
            await trio.sleep(0.02)
    assert -parent.returncode == signal.SIGKILL

"""A child ends with its parent, also while its event loop is stuck."""

import subprocess
import sys
from pathlib import Path

import pytest
import trio
from real_runs import alive

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through /proc"),
    pytest.mark.peers,
]

STUCK = """
from engine.farm.processes import lifeline
lifeline.hold(0)
print('held', flush=True)
while True: pass
"""
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {STUCK!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


async def test_a_stuck_child_ends_when_its_parent_was_killed():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    parent = await trio.lowlevel.open_process([sys.executable, "-c", PARENT], **pipes)
    child = int(await parent.stdout.receive_some(100))
    assert alive([child]) == [child]
    parent.kill()
    await parent.wait()
    await parent.stdin.aclose()
    await parent.stdout.aclose()
    with trio.fail_after(20):
        while alive([child]):  # noqa: ASYNC110
            await trio.sleep(0.02)

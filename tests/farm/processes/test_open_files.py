"""How many files a run needs open is told before it begins, not by its 1,000th session."""

import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from real_runs import typed_plan

from engine.farm.plan.model import Keep
from engine.farm.processes.open_files import OF_PROCESS, needed

pytestmark = pytest.mark.peers

pytest.importorskip("resource", reason="this system has no such bound")

RUN = """
import resource, sys, trio
sys.path[:0] = sys.argv[1:3]
import attrs
from real_runs import typed_plan
from engine.errors import ConfigError
from engine.farm.plan.model import Caps
from engine.farm.run import Run

folder, jobs, sessions, soft, hard = sys.argv[3], *map(int, sys.argv[4:])
plan = attrs.evolve(typed_plan(folder, jobs), caps=Caps(sessions=sessions, starts_per_s=200.0))
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    print(trio.run(Run(plan, out=folder + "/run").run).done)
except ConfigError as error:
    print(error)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def run(folder, *numbers):
    here = Path(__file__).parents[1]
    command = [sys.executable, "-c", RUN, str(here), str(here.parents[1]), str(folder), *map(str, numbers)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()


def test_the_soft_limit_is_raised_and_fewer_jobs_than_the_cap_need_no_more(tmp_path):
    assert run(tmp_path, 5, 2000, 100, 300) == ["{'passed': 5}", "300"]


def test_what_the_hard_limit_does_not_allow_is_told_before_the_run(tmp_path):
    (line, _) = run(tmp_path, 5000, 2000, 100, 300)
    assert line.startswith("caps.sessions=2,000 needs 2,064 open files in each of 1 workers")
    assert "allows 300 | more workers" in line


def test_sessions_that_keep_files_need_more(tmp_path):
    plan = typed_plan(tmp_path)
    assert needed(plan, 100) == OF_PROCESS + 100
    assert needed(attrs.evolve(plan, keep=Keep(audio=0.1, events=0.0)), 100) == OF_PROCESS + 300

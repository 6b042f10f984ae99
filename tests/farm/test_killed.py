"""Coordinator and workers are killed at random: nothing is run twice, nothing is lost, nobody outlives."""

from pathlib import Path

import pytest

from benchmarks.farm_kills import ordeal

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through /proc"),
    pytest.mark.peers,
]


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.long)])
async def test_a_run_that_is_killed_again_and_again_has_one_final_result_a_job(tmp_path, kills):
    jobs = 15 * kills
    found = await ordeal(tmp_path / "run", kills=kills, jobs=jobs, sessions=20, workers=2, wait_s=0.7, seed=kills)
    assert sum(found.kills.values()) == kills, "it was over too soon"
    assert found.good, found
    assert found.lost > 0

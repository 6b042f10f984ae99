"""Killed at any moment, the ledger has all that it took: no job has two final results, and no lease is forgotten."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROUNDS = int(os.environ.get("LEDGER_KILLS", "15"))


def test_a_ledger_that_is_killed_over_and_over_keeps_its_word(folder):
    here = Path(__file__).parent
    command = [sys.executable, "-W", "error", here / "killed_writer.py", folder, str(ROUNDS), str(os.getpid())]
    path = os.pathsep.join([str(here.parents[2]), str(here)])

    result = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=600
    )

    assert result.returncode == 0, result.stdout + result.stderr
    kills, _, attempts, final, lost = map(int, re.findall(r"\d+", result.stdout))
    assert kills == ROUNDS
    assert attempts > final > 100, result.stdout
    assert lost > 0, result.stdout

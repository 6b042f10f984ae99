"""The tutorial "Evaluate an agent": its commands as written; which calls fail, and which pass, is as the page tells."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.farm.ledger import Ledger

RESTAURANT = Path(__file__).parents[2] / "docs" / "examples" / "restaurant"
MENDED = (
    ("agent.toml", 'when = "soup"', 'when = "soup|super"'),
    ("agent.toml", "You can pay with all cards.", "You can pay with all cards, and in cash."),
    ("plan.toml", "at_most = 0.2", "at_most = 0.3"),
    # This machine may have much else to do; how fast the agent answers is not what the page shows.
    ("plan.toml", "p95(time_to_first_audio) < 5s", "p95(time_to_first_audio) < 60s"),
)


def farm(*arguments: str, cwd: Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "engine", "farm", *arguments],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def restaurant(tmp_path):
    shutil.copytree(RESTAURANT, tmp_path / "restaurant")
    mend(tmp_path / "restaurant", MENDED[-1])
    return tmp_path


def mend(folder, *changes):
    for name, before, after in changes:
        text = (folder / name).read_text("utf-8")
        assert before in text
        (folder / name).write_text(text.replace(before, after), "utf-8")


def failed(folder):
    with Ledger.open(folder, write=False) as ledger:
        return [result.job for result in ledger.results() if result.status != "passed"]


def test_the_plan_is_explained_as_the_page_shows(tmp_path):
    shutil.copytree(RESTAURANT, tmp_path / "restaurant")

    assert farm("check", "restaurant/plan.toml", cwd=tmp_path) == (RESTAURANT / "check.txt").read_text("utf-8")


@pytest.mark.peers
def test_three_calls_of_twenty_fail_and_all_pass_once_the_agent_is_mended(restaurant):
    printed = farm("run", "restaurant/plan.toml", "--out", "first", cwd=restaurant, code=7)
    assert failed(restaurant / "first") == [4, 14, 15]
    assert re.search(r"call 4 .*'tomato', found: I am sorry, I did not understand that\.", printed)
    assert "what is the super the day" in (restaurant / "first" / "report.html").read_text("utf-8")

    mend(restaurant / "restaurant", *MENDED[:-1])
    farm("run", "restaurant/plan.toml", "--out", "second", cwd=restaurant)
    assert failed(restaurant / "second") == []
    compared = farm("compare", "first", "second", cwd=restaurant)
    assert "passed in B and not in A: 3 calls (4, 14, 15)" in compared

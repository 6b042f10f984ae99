"""The README's own example runs, and its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

from engine.farm.plan.explain import explain
from engine.farm.plan.load import load_plan

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_example_runs_and_prints_what_its_comment_says(tmp_path: Path):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    program = tmp_path / "example.py"
    program.write_text(example, "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}

    printed = subprocess.run(
        [sys.executable, "-W", "error", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
        env=environment,
    )

    assert printed.stdout == "assistant: You said: Good morning\n"


def test_every_link_to_a_file_leads_to_one():
    links = re.findall(r"\]\(([^)#]+)\)", README)

    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_the_plan_is_one_that_the_farm_takes(tmp_path: Path):
    (plan,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "plan.toml").write_text(plan, "utf-8")

    assert explain(load_plan(tmp_path / "plan.toml")).estimate.sessions == 100

"""The plans that the docs show can be loaded, and say of themselves what they say."""

import re
from pathlib import Path

import attrs
import pytest
from plans_made import write_sound

from engine.farm.codec import from_json, to_json
from engine.farm.metrics import METRICS
from engine.farm.plan import model
from engine.farm.plan.explain import explain
from engine.farm.plan.jobs import Jobs
from engine.farm.plan.load import load_plan
from engine.farm.plan.model import Plan
from engine.farm.plan.thresholds import read_threshold

PLANS = Path(__file__).parents[3] / "docs" / "examples" / "plans"
SCRIPTS = {"tools_script.toml"}
EXAMPLES = sorted(path.name for path in PLANS.glob("*.toml") if path.name not in SCRIPTS)


def test_there_are_examples():
    assert {"first.toml", "prompts.toml", "load.toml", "tools.toml", "service.toml", "voices.toml"} <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_plan_without_a_warning(name, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    plan = load_plan(PLANS / name)
    assert from_json(to_json(plan), Plan) == plan
    assert explain(plan).warnings == ()


PAGE = (PLANS.parents[1] / "reference" / "plans.md").read_text("utf-8")


def test_the_page_shows_what_farm_check_prints(monkeypatch):
    monkeypatch.chdir(PLANS)
    assert "\n".join(explain(load_plan("first.toml")).lines) in PAGE


def test_the_page_names_every_key():
    records = [getattr(model, name) for name in dir(model) if attrs.has(getattr(model, name))]
    from_files = {"rows", "folder", "source", "scenarios"}
    of_thresholds = {field.name for field in attrs.fields(model.Threshold)}
    keys = {field.name for record in records for field in attrs.fields(record)} - from_files - of_thresholds
    assert len(keys) > 50
    missing = [key for key in sorted(keys) if not re.search(rf"\b{key}\b", PAGE)]
    assert missing == []


def test_the_page_names_every_metric_and_its_figures_can_be_read():
    assert [metric for metric in METRICS if f"`{metric}`" not in PAGE] == []
    listed = re.findall(r'^  "(.*)",$', PAGE[PAGE.index("(thresholds)=") :], re.MULTILINE)
    assert len(listed) == 4
    for text in listed:
        read_threshold(text)


def test_the_pages_plan_in_python_is_a_plan(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "plan.py"
    path.write_text(code, "utf-8")
    assert Jobs(load_plan(path)).total == 3


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL), ids=lambda block: block[:20])
def test_each_piece_of_toml_on_the_page_is_taken(block, tmp_path):
    top, scenario = 'name = "x"\n', '[[scenario]]\nname = "order"\ntags = ["short"]\n'
    turns = 'turns = [{ type = "x" }]\n'
    if block.startswith("turns"):
        text = top + scenario + block
    elif block.startswith("["):
        text = top + scenario + turns + block
    else:
        text = top + block + scenario + turns
    write_sound(tmp_path / "sounds" / "order.wav", 0.5)
    (tmp_path / "my_tools.py").write_text("def book_table(): ...")
    path = tmp_path / "plan.toml"
    path.write_text(text, "utf-8")
    load_plan(path)

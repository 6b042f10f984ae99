import sys

import pytest

from benchmarks.harness.contenders import ENGINE, OURS, chosen, peers
from benchmarks.harness.scenarios import SCENARIOS
from benchmarks.harness.venvs import is_there, last_words, python_for
from benchmarks.harness.wanted import WANTED

LIST = """
common = ["anyio==4.0"]

[seed]
title = "the seed"
requirements = ["a==1"]
import = "a"

[agent]
title = "its agent"
requirements = ["a==1"]
venv = "seed"
cannot = {churn = "no API"}
"""


@pytest.fixture
def listed(tmp_path):
    (tmp_path / "peers.toml").write_text(LIST)
    return tmp_path / "peers.toml"


def test_peers_are_read_in_the_order_of_the_file(listed):
    seed, agent = peers(listed)
    assert (seed.name, seed.title, seed.driver, seed.module) == ("seed", "the seed", "seed", "a")
    assert seed.requirements == ("a==1", "anyio==4.0")
    assert agent.cannot == {"churn": "no API"}


def test_peers_may_share_an_environment(listed, tmp_path):
    seed, agent = peers(listed)
    python = tmp_path / "seed" / "bin" / "python"
    assert not is_there(agent, tmp_path)
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    assert is_there(agent, tmp_path)
    assert python_for(seed, tmp_path) == python_for(agent, tmp_path) == str(python)


def test_ours_run_where_the_harness_does():
    assert {python_for(contender) for contender in OURS} == {sys.executable}


def test_engine_and_seed_take_part_whoever_is_named(listed):
    assert [one.name for one in chosen(["agent"], listed)] == [ENGINE, "seed", "agent"]
    assert [one.name for one in chosen(None, listed)] == [*(one.name for one in OURS), "seed", "agent"]
    assert [one.name for one in chosen([ENGINE], listed)] == [*(one.name for one in OURS), "seed"]


def test_the_list_that_the_harness_has_can_be_used():
    real = {peer.name: peer for peer in peers()}
    assert {"seed", "floor_picows"} <= real.keys()
    for peer in real.values():
        assert peer.cannot.keys() <= SCENARIOS.keys()
        assert peer.requirements


def test_what_was_asked_for_names_scenarios_loads_and_figures_that_exist():
    for row in WANTED:
        scenario = SCENARIOS[row.scenario]
        assert row.variant in {variant.name for variant in scenario.variants}
        assert row.contender in {contender.name for contender in OURS}


def test_an_installers_words_are_cut_to_the_line_that_tells_most():
    assert last_words("Collecting a\nERROR: No matching distribution found for a==1\nmore") == (
        "ERROR: No matching distribution found for a==1"
    )
    assert last_words("\n it could not be made \n pip install a \n") == "it could not be made"
    assert last_words("") == "no words"

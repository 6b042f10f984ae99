import json

import pytest
from harness_cases import run
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capacity import STEP, holds, main, most


@given(st.integers(0, 3000))
def test_the_search_finds_the_most_to_within_its_step(carried):
    asked = []
    found = most(lambda sessions: asked.append(sessions) or sessions <= carried, 25, 2000)
    assert len(asked) < 20
    if carried < 25:
        assert found == 0
    elif carried >= 2000:
        assert found == 2000
    else:
        assert found <= carried <= found * (1 + STEP) + 1


def probe(**changed):
    figures = {"in_time": True, "p99_ms": 19.9, "lost": 0, "mic_lost_ms": 0, "broken": []}
    return run("engine", scenario="live", **(figures | changed))


def test_a_number_is_carried_only_with_nothing_lost_and_nobody_late():
    assert holds(probe())
    for changed in ({"in_time": False}, {"p99_ms": 20.0}, {"lost": 1}, {"mic_lost_ms": 20.0}, {"broken": ["x"]}):
        assert not holds(probe(**changed))
    assert not holds(run("engine", scenario="live", outcome="hang", words="not done"))


@pytest.mark.peers
def test_the_farm_and_the_search_run_and_are_written(tmp_path, capsys):
    small = ["--sessions", "20", "--one-in", "2", "--turn-s", "0.3", "--limit", "25", "--seconds", "0.3"]
    assert main([*small, "--out", str(tmp_path)]) == 0
    page = (tmp_path / "capacity.md").read_text()
    assert capsys.readouterr().out == page + "\n"
    kept = json.loads((tmp_path / "capacity.json").read_text())
    plain, frozen = kept["farm"]
    assert [farm["figures"]["frozen"] for farm in (plain, frozen)] == [False, True]
    for farm in (plain, frozen):
        assert farm["figures"]["lost"] == farm["figures"]["mic_lost_ms"] == 0
        assert farm["figures"]["frames_sent"] == 20 * 15
    assert kept["search"].keys() == {"engine", "engine-100ms"}

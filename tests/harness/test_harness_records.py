import json

import pytest
from harness_cases import results_of, run

from benchmarks.harness.records import Results


def test_each_run_is_on_disk_as_soon_as_it_is_made(tmp_path):
    path = tmp_path / "out" / "results.json"
    results = results_of(run("engine", cpu_us_per_event=1.5), path=path)
    assert [kept["contender"] for kept in json.loads(path.read_text())["runs"]] == ["engine"]
    results.add(run("seed", outcome="hang", words="not done after 5 s"))
    again = Results.read(path)
    assert list(again) == list(results)
    assert again.about == results.about


def test_a_write_that_is_cut_off_leaves_the_results_of_before(tmp_path):
    path = tmp_path / "results.json"
    results = results_of(run("engine", cpu_us_per_event=1.5), path=path)
    with pytest.raises(TypeError):
        results.add(run("engine", 1, cpu_us_per_event=object()))
    assert len(list(Results.read(path))) == 1


@pytest.mark.parametrize("text", ["", "[]", '{"about": {}}', '{"about": {}, "runs": [{"contender": "x"}]}'])
def test_what_is_no_results_is_refused_by_name(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(SystemExit, match=r"other\.json holds no results of a benchmark"):
        Results.read(path)


def test_runs_are_found_by_scenario_load_and_contender():
    results = results_of(
        run("engine", 1, scenario="live", variant="10 sessions"),
        run("engine", 0, scenario="live", variant="10 sessions"),
        run("seed", 0, scenario="live", variant="100 sessions"),
        run("seed", 0),
    )
    assert [found.round for found in results.of("live", "10 sessions")] == [0, 1]
    assert results.contenders("live") == ["engine", "seed"]
    assert results.of("live", "100 sessions", "engine") == []

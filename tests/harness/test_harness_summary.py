from harness_cases import results_of, run
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness.summary import Spread, Where, ratio, spread

CPU = Where("burst", "", "engine", "cpu_us_per_event")
FINITE = st.floats(min_value=0.001, max_value=1e9)


@given(st.lists(FINITE, min_size=1))
def test_a_median_lies_between_the_least_and_the_most(values):
    found = Spread.of(values)
    assert found.least <= found.median <= found.most
    assert found.count == len(values)


def test_of_nothing_there_is_no_spread():
    assert Spread.of([]) is None


def test_ratios_are_taken_round_by_round_and_not_of_the_medians():
    # The machine was three times slower in the second round, for both.
    ours, theirs = (10.0, 30.0, 12.0), (20.0, 60.0, 48.0)
    results = results_of(
        *(run("engine", at, cpu_us_per_event=value) for at, value in enumerate(ours)),
        *(run("seed", at, cpu_us_per_event=value) for at, value in enumerate(theirs)),
    )
    assert ratio(results, CPU, "seed") == Spread(0.5, 0.25, 0.5, 3)


def test_a_round_that_one_side_did_not_finish_is_in_no_ratio():
    results = results_of(
        run("engine", 0, cpu_us_per_event=10.0),
        run("engine", 1, cpu_us_per_event=10.0),
        run("seed", 0, outcome="error", words="it broke"),
        run("seed", 1, cpu_us_per_event=40.0),
    )
    assert ratio(results, CPU, "seed") == Spread(0.25, 0.25, 0.25, 1)


def test_there_is_no_ratio_to_nothing():
    results = results_of(run("engine", cpu_us_per_event=10.0), run("seed", cpu_us_per_event=0.0))
    assert ratio(results, CPU, "seed") is None


def test_figures_that_a_run_lacks_are_left_out():
    results = results_of(run("seed", 0, scenario="tools", p50_ms=None), run("seed", 1, scenario="tools", p50_ms=4.0))
    assert spread(results, Where("tools", "", "seed", "p50_ms")) == Spread(4.0, 4.0, 4.0, 1)

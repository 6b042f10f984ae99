import pytest
from harness_cases import results_of, run

from benchmarks.harness import plan
from benchmarks.harness.contenders import OURS, Contender
from benchmarks.harness.scenarios import BURST, LIVE, SCENARIOS

A, B = (Contender(name=name, title=name, driver=name) for name in "ab")


def named(steps):
    return [(step.scenario.name, step.variant.name, step.round, step.contender.name) for step in steps]


def measured(step, **figures):
    return run(step.contender.name, step.round, scenario=step.scenario.name, variant=step.variant.name, **figures)


def test_runs_are_interleaved():
    steps = plan.steps([BURST], [A, B], 2, quick=False)
    assert named(steps) == [("burst", "", 0, "a"), ("burst", "", 0, "b"), ("burst", "", 1, "a"), ("burst", "", 1, "b")]


def test_the_lightest_load_comes_first_and_a_quick_run_has_fewer():
    steps = plan.steps([LIVE], [A], 1, quick=False)
    loads = [step.variant.load["sessions"] for step in steps if not step.variant.tls]
    assert loads == sorted(loads)
    assert loads[-1] == 1000
    quick = plan.steps([LIVE], [A], 1, quick=True)
    assert 0 < len(quick) < len(steps)


def test_variants_of_ours_take_part_only_where_they_differ():
    steps = plan.steps(list(SCENARIOS.values()), OURS, 1, quick=False)
    assert {step.scenario.name for step in steps if step.contender.name == "engine-trio-websocket"} == {"burst", "live"}
    assert {step.scenario.name for step in steps if step.contender.name == "engine"} == set(SCENARIOS)


def test_who_can_not_keep_real_time_is_not_asked_for_more():
    results, done = results_of(), []

    def do(step):
        done.append(step)
        keeps_up = step.contender.name == "a" or step.variant.load["sessions"] < 100
        return measured(step, in_time=keeps_up)

    list(plan.carry_out(plan.steps([LIVE], [A, B], 1, quick=False), results, do))
    assert max(step.variant.load["sessions"] for step in done if step.contender.name == "a") == 1000
    assert max(step.variant.load["sessions"] for step in done if step.contender.name == "b") == 100
    left_out = results.of("live", "500 sessions", "b")
    assert [(found.outcome, found.words) for found in left_out] == [
        ("skipped", "did not keep real time with 100 sessions")
    ]


@pytest.mark.parametrize("outcome", ["hang", "cannot", "not installed"])
def test_what_would_only_repeat_itself_is_not_repeated(outcome):
    results = results_of()
    steps = plan.steps([BURST], [A], 3, quick=False)
    made = [found for _, found in plan.carry_out(steps, results, lambda step: run("a", step.round, outcome=outcome))]
    assert [found is not None for found in made] == [True, False, False]


def test_a_run_that_failed_is_tried_in_the_next_round():
    results = results_of()
    steps = plan.steps([BURST], [A], 2, quick=False)
    made = [found for _, found in plan.carry_out(steps, results, lambda step: run("a", step.round, outcome="error"))]
    assert None not in made


def test_what_was_measured_before_is_not_measured_again():
    results = results_of(run("a", 0), run("b", 0))
    done = []
    steps = plan.steps([BURST], [A, B], 2, quick=False)
    list(plan.carry_out(steps, results, lambda step: done.append(step.key) or measured(step)))
    assert done == [("burst", "", "a", 1), ("burst", "", "b", 1)]

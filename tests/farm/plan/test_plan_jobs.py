"""Jobs are numbered by the plan alone: each combination as often as it says, the same each time."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.farm.plan.jobs import Jobs
from engine.farm.plan.model import Load, Plan, Scenario, Stage, Type

TURNS = (Type(type="hi"),)


def scenario_of(name, rows=1, repeat=1, **matrix):
    data = tuple({"row": number} for number in range(rows))
    return Scenario(name=name, turns=TURNS, rows=data, repeat=repeat, matrix=matrix)


scenarios = st.lists(
    st.builds(
        lambda rows, repeat, sizes: (rows, repeat, sizes),
        st.integers(1, 4),
        st.integers(1, 3),
        st.lists(st.integers(1, 3), max_size=3),
    ),
    min_size=1,
    max_size=4,
)
LOADS = {
    "once": Load(),
    "constant without a time": Load(shape="constant", sessions=2),
    "constant with a time": Load(shape="constant", sessions=2, duration_s=5),
    "ramp": Load(shape="ramp", stages=[Stage(duration_s=5, to=3)]),
    "arrival without a time": Load(shape="arrival", rate_per_s=2),
    "arrival in stages": Load(shape="arrival", stages=[Stage(duration_s=5, to=3)]),
}
BEGIN_AGAIN = {"constant with a time", "ramp", "arrival in stages"}


def plan_of(shapes, load="once"):
    made = [
        scenario_of(f"s{number}", rows, repeat, **{f"m{at}": list(range(size)) for at, size in enumerate(sizes)})
        for number, (rows, repeat, sizes) in enumerate(shapes)
    ]
    return Plan(name="p", scenarios=made, load=LOADS[load])


@given(scenarios)
def test_each_row_and_choice_is_a_job_as_often_as_it_is_repeated(shapes):
    plan = plan_of(shapes)
    jobs = Jobs(plan)
    numbered = [jobs.numbered(number) for number in range(jobs.total)]
    assert [job.number for job in numbered] == list(range(jobs.total))
    for scenario in plan.scenarios:
        had = Counter(tuple(sorted(job.values.items())) for job in numbered if job.scenario == scenario.name)
        assert set(had.values()) == {scenario.repeat}
        assert sum(had.values()) == jobs.open[scenario.name]


@given(scenarios, st.sampled_from(sorted(BEGIN_AGAIN)), st.integers(0, 10_000))
def test_a_number_and_an_index_name_the_same_job_in_every_cycle(shapes, load, number):
    jobs = Jobs(plan_of(shapes, load))
    job = jobs.numbered(number)
    assert jobs.nth(job.scenario, job.index) == job
    assert job.number == number
    assert jobs.numbered(number + jobs.cycle).values == job.values


@given(scenarios, st.data())
def test_the_next_index_of_a_scenario_has_the_next_number_that_is_its_own(shapes, data):
    jobs = Jobs(plan_of(shapes, "ramp"))
    name = data.draw(st.sampled_from(sorted(jobs.open)))
    first = [jobs.nth(name, index) for index in range(3 * jobs.cycle)]
    assert [job.index for job in first] == list(range(3 * jobs.cycle))
    assert all(before.number < after.number for before, after in itertools.pairwise(first))


def test_all_choices_are_tried_before_a_row_comes_again():
    plan = Plan(name="p", scenarios=[scenario_of("a", rows=2, repeat=2, voice=["x", "y"])])
    jobs = Jobs(plan)
    order = [(job.values["row"], job.values["voice"]) for job in map(jobs.numbered, range(8))]
    assert order == [(0, "x"), (0, "y"), (1, "x"), (1, "y")] * 2


@pytest.mark.parametrize("load", LOADS)
def test_jobs_begin_again_where_the_load_has_a_time_of_its_own(load):
    jobs = Jobs(plan_of([(2, 1, [])], load))
    assert jobs.total == (None if load in BEGIN_AGAIN else 2)
    assert jobs.open == {"s0": None if load in BEGIN_AGAIN else 2}


def test_what_is_not_in_the_plan_is_refused():
    jobs = Jobs(plan_of([(2, 1, [])]))
    with pytest.raises(ConfigError, match=r"s0\.index=2 .* 0 to 1"):
        jobs.nth("s0", 2)
    with pytest.raises(ConfigError, match=r"job=2 .* 0 to 1"):
        jobs.numbered(2)
    with pytest.raises(ConfigError, match="job=-1"):
        jobs.numbered(-1)
    with pytest.raises(ConfigError, match=r"scenario='other' .* s0"):
        jobs.nth("other", 0)

"""The real coordinator and policy in virtual time: workers fail, caps hold, and every job ends once.

The same at full size: `python -m benchmarks.farm_scale`.
"""

import attrs
import pytest
import trio

from benchmarks.farm_scale import Size, World, decisions, run
from engine.farm.job import Grant, Job

SMALL = Size(sessions=60, starts_per_s=10.0, jobs=240, life_s=12.0, workers=3, dies_every_s=None)


@pytest.mark.parametrize(
    ("size", "most_active"),
    [
        pytest.param(SMALL, 60, id="sessions are what bounds"),
        pytest.param(attrs.evolve(SMALL, life_s=3.0, jobs=300), 45, id="starts are what bounds"),
        # Twelve, not three: what a silent worker holds until its lease is over must be a small share, as in a cluster.
        pytest.param(attrs.evolve(SMALL, workers=12, dies_every_s=160.0, jobs=400), 60, id="workers fail"),
        pytest.param(
            Size(sessions=4000, starts_per_s=200.0, jobs=1200, life_s=4.0, workers=200, dies_every_s=None),
            4000,
            id="each of many workers is heard once a second",
        ),
    ],
)
async def test_caps_hold_and_are_used_and_every_job_ends_once(autojump_clock, tmp_path, size, most_active):
    report = await run(size, tmp_path)

    assert report.faults == []
    assert report.most_active <= most_active
    assert (report.deaths > 0) == (report.lost > 0) == (size.dies_every_s is not None)
    assert report.attempts >= size.jobs + report.lost


@pytest.mark.parametrize("workers", [1, 7])
async def test_real_workers_keep_the_cap_of_starts_together(autojump_clock, tmp_path, workers):
    size = attrs.evolve(SMALL, life_s=2.0, jobs=300, workers=workers)
    report = await run(size, tmp_path, real_workers=True)

    # A start that a worker spreads may fall into the next second.
    assert attrs.evolve(report, size=attrs.evolve(size, starts_per_s=11.0)).faults == []


async def test_what_is_wrong_is_told(autojump_clock, tmp_path):
    report = await run(attrs.evolve(SMALL, jobs=120), tmp_path)
    strict = attrs.evolve(SMALL, sessions=50, starts_per_s=5.0, jobs=121)

    assert attrs.evolve(report, size=strict, doubles=2, used_share=0.94).faults == [
        "60 sessions at a time",
        "10 starts in a second",
        "2 jobs twice at a time",
        "final results by count: {1: 120}",
        "94.0% of the caps used",
    ]


def grant(number, attempt=1):
    return Grant(
        attempt_id=f"run-{number}-{attempt}", job=Job(number=number, scenario="s", index=number), attempt=attempt
    )


async def test_the_world_sees_a_job_that_is_had_twice_at_a_time(autojump_clock):
    world = World()
    world.begin(grant(1), 10.0)
    world.begin(grant(1, attempt=2), 10.0)
    await trio.sleep(10.0)
    world.begin(grant(1, attempt=3), 10.0)

    assert world.doubles == [1]


async def test_the_world_counts_at_every_moment(autojump_clock):
    world = World()
    for number in range(4):
        world.begin(grant(number), 2.0)
        await trio.sleep(0.5)
    world.end(grant(3), 2.25)
    world.settle(4.0)

    assert world.most_active == 4
    assert world.most_starts_in_a_second() == 2
    assert world.seconds[:3] == pytest.approx([1.5, 3.5, 1.75])
    assert world.used_share(4, 2.0) == 1.0


def test_the_cost_of_a_decision_is_measured_on_a_policy_that_is_full():
    start_us, replace_us = decisions(200)

    assert start_us > 0
    assert replace_us > 0

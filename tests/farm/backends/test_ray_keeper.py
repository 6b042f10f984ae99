"""A worker on Ray is begun again when it is lost, given up when it can't be had, and let go when the run is over."""

import pytest
import trio
from real_runs import typed_plan
from stand_in_ray import GONE, Handle, StandIn

from engine.errors import BackendUnavailable
from engine.farm.backends import WorkerSpec
from engine.farm.backends.ray_actor import Begin, Look
from engine.farm.backends.ray_keeper import BEGIN_S, DEATHS_MAX, Crew, Keeper
from engine.farm.backends.ray_link import RayActor
from engine.farm.link import Down, LinkLost

SPEC = WorkerSpec(plan=typed_plan("/run"), folder="/run", slots=7, key="sk-secret")


@pytest.fixture
def patient_clock(autojump_clock):
    """Ray is called in threads; time must not jump over them."""
    autojump_clock.autojump_threshold = 0.02
    return autojump_clock


class Supplied:
    async def begin(self, name, hello):
        return Begin(name=name, spec=None, files=None, shares_folder=hello.sees_folder, own_simulator=False)


def keeper_of(handle, crew, name="worker-1"):
    actor = RayActor(StandIn(), handle, Look(folder="/run", mark="m", word="w"))
    return Keeper(name, actor, SPEC, Supplied(), crew)


class Coordinator:
    """Drives links until so many were lost."""

    def __init__(self, lives=1, during=None):
        self.lives = lives
        self.links = []
        self.during = during

    async def __call__(self, link):
        self.links.append(link)
        last = len(self.links) >= self.lives
        try:
            for _ in range(3 if last else 1000):
                await link.exchange(Down(lease_s=10.0, linger_s=0.5))
                if not last and self.during is not None:
                    self.during()
        except LinkLost:
            return


async def test_a_lost_worker_is_begun_again_as_a_new_link_of_the_same_name(patient_clock, nursery):
    handle = Handle(nursery)
    coordinator = Coordinator(lives=2, during=handle.die)
    crew = Crew(1, trio.current_time())
    await keeper_of(handle, crew).run(coordinator)
    first, second = coordinator.links
    assert first is not second
    assert (first.name, first.slots, first.shares_folder) == (second.name, second.slots, True) == ("worker-1", 7, True)
    assert handle.asked.count("begin") == 2
    assert handle.asked[-1] == "stop"
    assert crew.up == 0


async def test_when_the_run_is_over_nobody_waits_for_a_worker_that_has_no_room(patient_clock, nursery):
    waiting = Handle(nursery)
    waiting.dead = True
    crew = Crew(2, trio.current_time())
    with trio.fail_after(60):
        async with trio.open_nursery() as workers:
            workers.start_soon(keeper_of(waiting, crew, "worker-2").run, Coordinator())
            workers.start_soon(keeper_of(Handle(nursery), crew).run, Coordinator())
    assert "begin" not in waiting.asked
    assert await crew.next_link(keeper_of(Handle(nursery), crew)) is None


async def test_a_worker_that_dies_as_it_starts_is_given_up(patient_clock, nursery):
    handle = Handle(nursery, begins=[GONE] * 100)
    with pytest.raises(BackendUnavailable, match=f"died {DEATHS_MAX} times as it started") as told:
        await keeper_of(handle, Crew(1, 0.0)).run(Coordinator())
    assert handle.asked.count("begin") == DEATHS_MAX
    assert handle.killed == [True]
    assert "\n" not in str(told.value)
    assert SPEC.key not in str(told.value)


async def test_a_worker_that_never_gets_ready_is_killed_and_tried_again(patient_clock, nursery):
    handle = Handle(nursery)
    begun = []

    async def begin(begin):
        begun.append(trio.current_time())
        if len(begun) == 1:
            await trio.sleep(BEGIN_S + 1)

    handle.on_begin = begin
    await keeper_of(handle, Crew(1, 0.0)).run(Coordinator())
    assert begun[1] >= BEGIN_S
    assert handle.killed == [False]


@pytest.mark.parametrize(
    ("handle", "told"),
    [
        ({"engine": "0.0.9"}, "has realtime-engine 0.0.9, and this process"),
        (
            {"begins": [ModuleNotFoundError("No module named 'soxr'")]},
            r"No module named 'soxr' \| install realtime-engine",
        ),
        ({"begins": [ValueError("no\nway")]}, r"can't start on its node: ValueError: no way"),
    ],
    ids=["version", "module", "crash"],
)
async def test_a_worker_that_can_not_work_is_given_up_at_once(patient_clock, nursery, handle, told):
    handle = Handle(nursery, **handle)
    with pytest.raises(BackendUnavailable, match=told):
        await keeper_of(handle, Crew(1, 0.0)).run(Coordinator())
    assert handle.killed == [True]


async def test_the_run_goes_on_with_the_others_while_one_is_left(patient_clock, nursery):
    crew, coordinator = Crew(2, 0.0), Coordinator()
    async with trio.open_nursery() as workers:
        workers.start_soon(keeper_of(Handle(nursery, engine="0.0.9"), crew, "worker-2").run, coordinator)
        workers.start_soon(keeper_of(Handle(nursery), crew).run, coordinator)
    assert [link.name for link in coordinator.links] == ["worker-1"]


async def test_what_the_coordinator_raises_comes_out(patient_clock, nursery):
    async def broken(link):
        raise ZeroDivisionError

    crew = Crew(1, 0.0)
    with pytest.raises(ZeroDivisionError):
        await keeper_of(Handle(nursery), crew).run(broken)
    assert crew.up == 0

"""A link to an actor tells how its worker was lost, and never too early that it is dead."""

import pytest
import trio
from stand_in_ray import Handle, StandIn

from engine.farm.backends.ray_actor import Look, OtherIncarnation
from engine.farm.backends.ray_calls import ActorGone, AnswerLate
from engine.farm.backends.ray_link import KILL_S, RayActor, RayLink
from engine.farm.job import Result
from engine.farm.link import Down, LinkLost, Up

DOWN = Down(lease_s=10.0, linger_s=0.5)


@pytest.fixture
def patient_clock(autojump_clock):
    """Ray is called in threads; time must not jump over them."""
    autojump_clock.autojump_threshold = 0.02
    return autojump_clock


async def link_to(handle, ray=None, **more):
    actor = RayActor(ray or StandIn(), handle, Look(folder="/run", mark="m", word="w"))
    hello = await actor.hello(1.0)
    return RayLink(actor, hello, name="worker-1", slots=None, shares_folder=True, **more)


async def lost_by(link, happens, nursery):
    nursery.start_soon(happens)
    with pytest.raises(LinkLost) as lost:
        await talk(link)
    assert link.lost is lost.value
    return lost.value


async def talk(link):
    while True:
        await link.exchange(DOWN)


async def test_what_is_asked_is_answered(patient_clock, nursery):
    link = await link_to(Handle(nursery))
    assert (await link.exchange(DOWN)).memory_bytes == 1
    assert trio.current_time() == 0.5
    assert link.lost is None
    await link.stop(1.0)


async def test_a_dead_worker_is_dead_for_sure_once_ray_has_started_another(patient_clock, nursery):
    handle = Handle(nursery, restart_s=3.0)
    link = await link_to(handle)

    async def die():
        await trio.sleep(1.2)
        handle.die()

    lost = await lost_by(link, die, nursery)
    assert lost.confirmed
    assert 4.2 <= trio.current_time() < 5.0
    assert str(lost) == "worker-1 died: RpcError: Socket closed"


async def test_a_worker_that_ray_does_not_start_again_may_be_cut_off_only(patient_clock, nursery):
    handle = Handle(nursery, restart_s=None)
    link = await link_to(handle)

    async def die():
        handle.die()

    lost = await lost_by(link, die, nursery)
    assert not lost.confirmed
    assert trio.current_time() >= DOWN.lease_s


async def test_a_worker_whose_node_ray_gave_up_may_be_cut_off_only(patient_clock, nursery):
    handle, ray = Handle(nursery), StandIn()
    link = await link_to(handle, ray)

    async def node_dies():
        ray.nodes_alive["node-a"] = False
        handle.node_id = "node-b"
        handle.die()

    assert not (await lost_by(link, node_dies, nursery)).confirmed


async def test_a_silent_worker_is_killed_and_its_death_awaited(patient_clock, nursery):
    handle = Handle(nursery, restart_s=2.0)
    link = await link_to(handle)

    async def stall():
        handle.silent = True

    lost = await lost_by(link, stall, nursery)
    assert handle.killed == [False]
    assert lost.confirmed
    assert "silent for 10.5 s, and was killed" in str(lost)
    assert 12.5 <= trio.current_time() < 14.0


async def test_a_silent_worker_that_can_not_be_killed_is_given_back_unconfirmed(patient_clock, nursery):
    handle = Handle(nursery, restart_s=None)
    link = await link_to(handle)

    async def stall():
        handle.silent = True

    assert not (await lost_by(link, stall, nursery)).confirmed
    assert trio.current_time() <= 0.5 + 10.5 + 2.0 + KILL_S + 1.0


async def test_a_worker_that_takes_too_much_memory_is_killed_and_told(patient_clock, nursery):
    handle = Handle(nursery)
    link = await link_to(handle, memory_max_bytes=100 * 2**20)

    async def grow():
        handle.memory_bytes = 300 * 2**20

    lost = await lost_by(link, grow, nursery)
    assert handle.killed == [False]
    assert lost.confirmed
    assert "300 MiB of memory, over its bound of 100" in str(lost)


async def test_results_that_a_worker_told_before_it_was_killed_for_its_memory_count(patient_clock, nursery):
    handle = Handle(nursery)
    link = await link_to(handle, memory_max_bytes=100 * 2**20)
    told = Result(attempt_id="run-0-1", job=0, scenario="talk")

    async def answer(incarnation, down):
        return Up(memory_bytes=300 * 2**20, results=(told,))

    handle.on_exchange = answer
    assert (await link.exchange(DOWN)).results == (told,)
    assert handle.killed == [False]
    with pytest.raises(LinkLost, match="over its bound of 100"):
        await link.exchange(DOWN)


async def test_an_answer_of_the_next_incarnation_says_that_this_one_is_dead(patient_clock, nursery):
    handle = Handle(nursery)
    link = await link_to(handle)

    async def refuse(incarnation, down):
        raise OtherIncarnation

    handle.on_exchange = refuse
    lost = await lost_by(link, trio.lowlevel.checkpoint, nursery)
    assert lost.confirmed


async def test_a_bug_on_the_node_is_raised_here(patient_clock, nursery):
    handle = Handle(nursery)
    link = await link_to(handle)

    async def crash(incarnation, down):
        raise ZeroDivisionError("there")

    handle.on_exchange = crash
    with pytest.raises(ZeroDivisionError, match="there"):
        await link.exchange(DOWN)


async def test_stop_returns_whatever_the_worker_does(patient_clock, nursery):
    silent = Handle(nursery)
    link = await link_to(silent)
    silent.silent = True
    await link.stop(2.0)
    assert trio.current_time() == 7.0
    dead = Handle(nursery)
    link = await link_to(dead)
    dead.die(for_good=True)
    await link.stop(2.0)
    assert trio.current_time() == 7.0


async def test_hello_waits_for_a_new_start_and_not_for_one_that_never_comes(patient_clock, nursery):
    handle = Handle(nursery, restart_s=4.0)
    actor = RayActor(StandIn(), handle, Look(folder="/run", mark="m", word="w"))
    handle.die()
    assert await actor.hello(1.0) is None
    assert (await actor.hello(10.0)).incarnation == "2"
    handle.die(for_good=True)
    with pytest.raises(ActorGone) as gone:
        await actor.hello(10.0)
    assert gone.value.final


async def test_an_answer_after_its_time_disturbs_nobody(patient_clock, nursery):
    handle = Handle(nursery)
    actor = RayActor(StandIn(), handle, Look(folder="/run", mark="m", word="w"))
    with pytest.raises(AnswerLate):
        await actor.ask("exchange", "1", Down(linger_s=5.0), within_s=1.0)
    await trio.sleep(10)

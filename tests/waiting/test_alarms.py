"""Alarms: each rings once at the time that was set last, by one task that lives no longer than it is needed."""

import math

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.waiting.alarms import LINGER_S, Alarm


class Rung(list):
    """When it rang."""

    def __call__(self):
        self.append(trio.current_time())


def clock_tasks():
    """Count the tasks of all alarms."""
    system = trio.lowlevel.current_root_task().child_nurseries
    return sum(task.name == "engine alarms" for nursery in system for task in nursery.child_tasks)


async def test_it_rings_once_when_it_is_due(autojump_clock):
    rung = Rung()
    alarm = Alarm(rung)
    alarm.set(2)
    await trio.sleep(1.999)
    assert rung == []
    await trio.sleep(10)
    assert (rung, alarm.due) == ([2], math.inf)


async def test_it_rings_at_the_time_that_was_set_last(autojump_clock):
    later, sooner, again, never = Rung(), Rung(), Rung(), Rung()
    first, second, third, fourth = map(Alarm, (later, sooner, again, never))
    for alarm in (first, second, third, fourth):
        alarm.set(5)
    first.set(7)
    second.set(3)
    third.set(9)
    third.set(5)
    fourth.set(math.inf)
    await trio.sleep(20)
    assert (later, sooner, again, never) == ([7], [3], [5], [])


async def test_one_that_is_due_already_rings_at_once(autojump_clock):
    await trio.sleep(5)
    rung = Rung()
    Alarm(rung).set(4)
    await trio.testing.wait_all_tasks_blocked()
    assert rung == [5]


async def test_a_sooner_one_wakes_the_clock_for_itself(autojump_clock):
    late, soon = Rung(), Rung()
    Alarm(late).set(100)
    await trio.testing.wait_all_tasks_blocked()
    Alarm(soon).set(1)
    await trio.sleep(200)
    assert (late, soon) == ([100], [1])


async def test_one_may_be_set_again_as_it_rings(autojump_clock):
    times = []

    def ring():
        times.append(trio.current_time())
        if len(times) < 3:
            alarm.set(trio.current_time() + 1)

    alarm = Alarm(ring)
    alarm.set(1)
    await trio.sleep(10)
    assert times == [1, 2, 3]


async def test_there_is_one_task_for_all_and_none_when_nothing_is_set(autojump_clock):
    alarms = [Alarm(Rung()) for _ in range(100)]
    assert clock_tasks() == 0
    for n, alarm in enumerate(alarms):
        alarm.set(n / 100)
    assert clock_tasks() == 1
    await trio.sleep(1 + LINGER_S / 2)
    assert clock_tasks() == 1
    alarms[0].set(trio.current_time() + 0.1)
    await trio.sleep(LINGER_S * 0.9)
    assert clock_tasks() == 1, "the next came in time"
    await trio.sleep(LINGER_S * 2)
    assert clock_tasks() == 0
    alarms[0].set(trio.current_time() + 0.1)
    await trio.sleep(0.2)
    assert clock_tasks() == 1


async def test_what_is_put_off_all_the_time_wakes_nobody_and_leaves_nothing_behind(autojump_clock):
    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task):
            Steps.count += task.name == "engine alarms"

    alarms = [Alarm(Rung()) for _ in range(100)]
    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    for _ in range(100):
        for alarm in alarms:
            alarm.set(trio.current_time() + 0.04)
        await trio.sleep(0.02)
    trio.lowlevel.remove_instrument(steps)
    assert Steps.count <= 1 + 2 / 0.02, "for a hundred alarms no more often than for one"
    for alarm in alarms:
        alarm.set(math.inf)
    await trio.sleep(LINGER_S * 3)
    assert clock_tasks() == 0


def test_each_run_has_its_own_clock():
    async def main():
        rung = Rung()
        Alarm(rung).set(trio.current_time() + 1)
        await trio.sleep(2)
        return len(rung)

    for _ in range(2):
        assert trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)) == 1


def test_a_run_may_end_while_one_is_set():
    async def main():
        Alarm(Rung()).set(trio.current_time() + 1e6)
        await trio.testing.wait_all_tasks_blocked()

    trio.run(main)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([math.inf, 0, 1, 2, 5])), max_size=40))
def test_whatever_is_set_each_rings_as_if_it_were_alone(moves):
    async def main():
        rung = [Rung() for _ in range(5)]
        alarms = [Alarm(each) for each in rung]
        plain, expected = [math.inf] * 5, [[] for _ in range(5)]
        for which, wait in moves:
            alarms[which].set(trio.current_time() + wait)
            plain[which] = trio.current_time() + wait
            await trio.sleep(0.75)
            for n, due in enumerate(plain):
                if due < trio.current_time():
                    expected[n].append(due)
                    plain[n] = math.inf
        await trio.sleep(10)
        for n, due in enumerate(plain):
            expected[n] += [due] if due != math.inf else []
        return rung, expected

    rung, expected = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert [pytest.approx(each) for each in expected] == rung

"""The watchdog: each deadline on time, on Trio's clock, and no wake-up in between."""

import math
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from engine.actors.watchdog import Deadlines, Watchdog, deadline
from engine.errors import DeadlinePassed


class Asked:
    """A conversation that has a deadline now and then."""

    def __init__(self):
        self.deadline = None
        self.ticks = []

    def tick(self, now):
        self.ticks.append(now)
        if self.deadline is not None and now >= self.deadline:
            self.deadline = None
            return ["lost"]
        return []


async def watch(nursery, lifetime_s=100.0):
    asked, applied, ended = Asked(), [], []
    start = trio.current_time()
    watchdog = Watchdog(asked, applied.extend)
    watchdog.set("lifetime", start + lifetime_s, lambda: ended.append(trio.current_time()))
    nursery.start_soon(watchdog.run)
    await trio.testing.wait_all_tasks_blocked()
    return watchdog, asked, applied, ended


async def test_the_lifetime_ends_on_time_and_once(autojump_clock):
    async with trio.open_nursery() as nursery:
        _, asked, applied, ended = await watch(nursery, 100.001)
        await trio.sleep(1000)
        nursery.cancel_scope.cancel()
    assert ended == [pytest.approx(100.001, abs=1e-9)]
    assert len(asked.ticks) == 1
    assert applied == []


async def test_a_deadline_that_was_set_later_is_kept(autojump_clock):
    async with trio.open_nursery() as nursery:
        watchdog, asked, applied, _ = await watch(nursery)
        await trio.sleep(1)
        asked.deadline = trio.current_time() + 15
        watchdog.rearm()
        await trio.sleep(14.999)
        assert applied == []
        await trio.sleep(0.002)
        assert applied == ["lost"]
        nursery.cancel_scope.cancel()


async def test_a_deadline_that_is_off_again_wakes_it_once_for_nothing(autojump_clock):
    async with trio.open_nursery() as nursery:
        watchdog, asked, applied, ended = await watch(nursery)
        asked.deadline = 10
        watchdog.rearm()
        asked.deadline = None
        await trio.sleep(99)
        assert applied == []
        assert len(asked.ticks) == 1
        await trio.sleep(2)
        assert len(ended) == 1
        nursery.cancel_scope.cancel()


async def test_both_at_once(autojump_clock):
    async with trio.open_nursery() as nursery:
        watchdog, asked, applied, ended = await watch(nursery, 10)
        asked.deadline = 10
        watchdog.rearm()
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert (applied, len(ended)) == (["lost"], 1)


async def test_rearming_before_it_runs_and_after_its_end_is_harmless(autojump_clock):
    asked, ended = Asked(), []
    watchdog = Watchdog(asked, lambda _: None)
    watchdog.set("lifetime", 5.0, lambda: ended.append(trio.current_time()))
    watchdog.rearm()
    with trio.move_on_after(8):
        await watchdog.run()
    watchdog.rearm()
    watchdog.set("late", 9, lambda: ended.append("never"))
    assert ended == [5]


async def test_called_off_it_ends_and_may_run_again_where_it_was(autojump_clock):
    asked, ended = Asked(), []
    watchdog = Watchdog(asked)
    watchdog.set("lifetime", 10, lambda: ended.append(trio.current_time()))
    for _ in range(3):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watchdog.run)
            await trio.sleep(1)
            watchdog.call_off()
            watchdog.call_off()
    assert (trio.current_time(), asked.ticks, ended) == (3, [], [])
    with trio.move_on_after(20):
        await watchdog.run()
    assert ended == [10]


async def test_called_off_by_what_is_done_at_a_deadline_it_ends(autojump_clock):
    watchdog = Watchdog()
    watchdog.set("lifetime", 10, watchdog.call_off)
    await watchdog.run()
    assert trio.current_time() == 10


async def test_the_core_is_left_alone_while_nothing_can_be_done_for_it(autojump_clock):
    async with trio.open_nursery() as nursery:
        watchdog, asked, applied, ended = await watch(nursery, 20)
        asked.deadline = 5
        watchdog.core = None
        watchdog.rearm()
        await trio.sleep(30)
        assert (asked.ticks, applied, len(ended)) == ([], [], 1)
        watchdog.core = asked
        watchdog.rearm()
        await trio.sleep(1)
        assert applied == ["lost"]
        nursery.cancel_scope.cancel()


# --- deadlines with names -------------------------------------------------------------------------------------------


@asynccontextmanager
async def watching():
    """Run a watchdog that has nothing to watch yet; give it, and a maker of callbacks that note their time."""
    watchdog, done = Watchdog(), []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watchdog.run)
        await trio.testing.wait_all_tasks_blocked()
        yield watchdog, done, lambda name: lambda: done.append((name, trio.current_time()))
        nursery.cancel_scope.cancel()


async def test_each_deadline_is_met_once_at_its_time_whatever_the_order_of_setting(autojump_clock):
    async with watching() as (watchdog, done, note):
        for name, when in (("idle", 30), ("lifetime", 50), ("reader", 10)):
            watchdog.set(name, when, note(name))
        await trio.sleep(1000)
    assert done == [("reader", 10), ("idle", 30), ("lifetime", 50)]


async def test_a_deadline_that_is_set_again_is_moved_and_one_that_is_cleared_is_never_met(autojump_clock):
    async with watching() as (watchdog, done, note):
        watchdog.set("idle", 5, note("old"))
        watchdog.set("reader", 6, note("reader"))
        watchdog.set("idle", 20, note("new"))
        watchdog.clear("reader")
        watchdog.clear("unknown")
        await trio.sleep(100)
    assert done == [("new", 20)]


async def test_what_is_done_at_a_deadline_may_set_it_anew_and_clear_another_that_is_due(autojump_clock):
    async with watching() as (watchdog, done, note):

        def renew():
            done.append(("lifetime", trio.current_time()))
            watchdog.set("lifetime", trio.current_time() + 50, renew)
            watchdog.clear("idle")

        watchdog.set("lifetime", 50, renew)
        watchdog.set("idle", 50, note("idle"))
        await trio.sleep(160)
    assert done == [("lifetime", 50), ("lifetime", 100), ("lifetime", 150)]


class Steps(trio.abc.Instrument):
    """Counts the steps of one task."""

    def __init__(self, name):
        self.name, self.count = name, 0

    def before_task_step(self, task):
        self.count += task.name == self.name


async def test_moving_a_deadline_wakes_nobody(autojump_clock):
    watchdog, steps, done = Watchdog(), Steps("watched"), []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watchdog.run, name="watched")
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(steps)
        for n in range(1000):
            watchdog.set("idle", n + 10, lambda: done.append(trio.current_time()))
            await trio.sleep(1)
        assert (steps.count, done) == (0, [])
        await trio.sleep(20)
        assert (steps.count, done) == (1, [1009])
        trio.lowlevel.remove_instrument(steps)
        nursery.cancel_scope.cancel()


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"), st.one_of(st.none(), st.integers(0, 20), st.just(math.inf)), st.integers(0, 5)
        ),
        max_size=30,
    )
)
def test_the_table_gives_each_that_is_due_once_and_the_earliest_first(steps):
    table, plain, now = Deadlines(), {}, 0
    for name, after, passes in steps:
        if after is None:
            table.clear(name)
            plain.pop(name, None)
        else:
            table.set(name, now + after, lambda key=(name, now + after): key)
            plain[name] = now + after
        now += passes
        taken = []
        while (do := table.take(now)) is not None:
            taken.append(do())
        assert sorted(taken) == sorted((name, when) for name, when in plain.items() if when <= now)
        assert [when for _, when in taken] == sorted(when for _, when in taken)
        plain = {name: when for name, when in plain.items() if when > now}
        assert table.next == min(plain.values(), default=math.inf)


async def test_a_named_deadline(autojump_clock):
    with deadline("connect", 5):
        await trio.sleep(4.9)
    with pytest.raises(DeadlinePassed, match="'connect' of 5 s") as caught, deadline("connect", 5):
        await trio.sleep_forever()
    assert (caught.value.deadline, caught.value.limit_s) == ("connect", 5)


async def test_a_named_deadline_that_is_called_off_is_left_at_once_and_not_told(autojump_clock):
    with deadline("connect", 5) as connecting:
        connecting.call_off()
        await trio.sleep_forever()
    assert trio.current_time() == 0


async def test_a_named_deadline_lets_errors_through_as_they_are(autojump_clock):
    with pytest.raises(ZeroDivisionError), deadline("connect", 5):
        raise ZeroDivisionError

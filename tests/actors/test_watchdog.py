"""The watchdog: each deadline on time, on Trio's clock, and no wake-up in between."""

import pytest
import trio
import trio.testing

from engine.actors.watchdog import Watchdog, deadline
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
    watchdog = Watchdog(asked, applied.extend, start + lifetime_s, lambda: ended.append(trio.current_time()))
    nursery.start_soon(watchdog.run)
    await trio.testing.wait_all_tasks_blocked()
    return watchdog, asked, applied, ended


async def test_the_lifetime_ends_on_time_and_once(autojump_clock):
    async with trio.open_nursery() as nursery:
        _, asked, applied, ended = await watch(nursery, 100.001)
        await trio.sleep(1000)
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


async def test_both_at_once(autojump_clock):
    async with trio.open_nursery() as nursery:
        watchdog, asked, applied, ended = await watch(nursery, 10)
        asked.deadline = 10
        watchdog.rearm()
        await trio.sleep(20)
    assert (applied, len(ended)) == (["lost"], 1)


async def test_rearming_before_it_runs_and_after_its_end_is_harmless(autojump_clock):
    asked = Asked()
    watchdog = Watchdog(asked, lambda _: None, 5.0, lambda: None)
    watchdog.rearm()
    await watchdog.run()
    watchdog.rearm()
    assert trio.current_time() == 5


async def test_a_named_deadline(autojump_clock):
    with deadline("connect", 5):
        await trio.sleep(4.9)
    with pytest.raises(DeadlinePassed, match="'connect' of 5 s") as caught, deadline("connect", 5):
        await trio.sleep_forever()
    assert (caught.value.deadline, caught.value.limit_s) == ("connect", 5)

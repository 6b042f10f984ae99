"""Sleepers: woken in the order in which they came, and one that was cancelled takes nobody's turn."""

import trio
import trio.testing

from engine.waiting.sleepers import Sleepers


async def started(nursery, sleepers, count):
    woken = []

    async def sleep(name):
        await sleepers.sleep()
        woken.append(name)

    for n in range(count):
        nursery.start_soon(sleep, n)
        await trio.testing.wait_all_tasks_blocked()
    return woken


async def test_they_wake_one_by_one_in_order_or_all():
    sleepers = Sleepers()
    assert not sleepers
    sleepers.wake()
    sleepers.wake_all()
    async with trio.open_nursery() as nursery:
        woken = await started(nursery, sleepers, 5)
        assert sleepers
        for _ in range(2):
            sleepers.wake()
            await trio.testing.wait_all_tasks_blocked()
        assert woken == [0, 1]
        sleepers.wake_all()
        assert not sleepers
    assert sorted(woken) == [0, 1, 2, 3, 4]


async def test_one_that_is_cancelled_takes_nobodys_turn():
    sleepers, woken = Sleepers(), []
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(0):
            await sleepers.sleep()
        assert not sleepers
        woken = await started(nursery, sleepers, 1)
        sleepers.wake()
    assert woken == [0]


async def test_one_that_is_woken_as_it_is_cancelled_was_woken():
    sleepers = Sleepers()
    async with trio.open_nursery() as nursery:
        woken = await started(nursery, sleepers, 1)
        sleepers.wake()
        nursery.cancel_scope.cancel()
    assert woken == [0]

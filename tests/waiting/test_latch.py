"""The latch: as an event, but cheap until somebody waits, and it can be cleared."""

import trio
import trio.testing

from engine.waiting.latch import Latch


async def test_all_who_wait_are_woken_once_it_is_set(autojump_clock):
    latch, woken = Latch(), []

    async def wait(name):
        await latch.wait()
        woken.append((name, trio.current_time()))

    async with trio.open_nursery() as nursery:
        for name in "ab":
            nursery.start_soon(wait, name)
        await trio.sleep(5)
        assert not latch.is_set()
        latch.set()
        latch.set()
    assert sorted(woken) == [("a", 5), ("b", 5)]
    assert latch.is_set()


async def test_who_asks_when_it_is_set_only_passes_a_checkpoint():
    latch = Latch(is_set=True)
    with trio.testing.assert_checkpoints():
        await latch.wait()


async def test_cleared_it_is_waited_for_again_and_who_was_woken_before_is_not_lost(autojump_clock):
    latch, woken = Latch(), []

    async def wait():
        await latch.wait()
        woken.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(1)
        latch.set()
        latch.clear()
        assert not latch.is_set()
        nursery.start_soon(wait)
        await trio.sleep(1)
        assert woken == [1]
        latch.set()
    assert woken == [1, 2]


async def test_who_is_cancelled_leaves_it_as_it_was(autojump_clock):
    latch = Latch()
    with trio.move_on_after(1) as scope:
        await latch.wait()
    assert scope.cancelled_caught
    assert not latch.is_set()
    latch.set()
    await latch.wait()

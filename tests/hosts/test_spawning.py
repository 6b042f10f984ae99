"""Where a session's supervisor lives on Trio."""

import pytest
import trio
import trio.lowlevel
import trio.testing

from engine.hosts import spawner


async def test_in_the_nursery_that_is_given():
    async with trio.open_nursery() as nursery:
        done = trio.Event()

        async def supervise():
            assert trio.lowlevel.current_task().parent_nursery is nursery
            done.set()

        spawner(nursery)(supervise)
        [task] = nursery.child_tasks
        assert task.name == "engine session"
        await done.wait()


async def test_as_a_system_task_else():
    done = trio.Event()

    async def supervise():
        task = trio.lowlevel.current_task()
        assert task.name == "engine session"
        done.set()

    spawner(None)(supervise)
    with trio.fail_after(10):
        await done.wait()


def test_a_system_task_is_cancelled_when_the_run_ends_and_may_clean_up():
    steps = []

    async def supervise():
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.lowlevel.checkpoint()
            steps.append("cleaned up")

    async def main():
        spawner(None)(supervise)
        await trio.testing.wait_all_tasks_blocked()
        steps.append("main is over")

    trio.run(main)
    assert steps == ["main is over", "cleaned up"]


async def test_a_closed_nursery_refuses():
    async with trio.open_nursery() as nursery:
        pass

    async def supervise():
        pytest.fail("it does not run")

    with pytest.raises(RuntimeError):
        spawner(nursery)(supervise)

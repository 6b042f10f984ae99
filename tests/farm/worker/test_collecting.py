"""Sessions are frozen as they grow in number, and looked at again when most of them have gone."""

import gc

import pytest
import trio

from engine.farm.worker.collecting import FEW_SESSIONS, LOOK_EVERY_S, tuned_collection


@pytest.fixture(autouse=True)
def _thawed():
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()  # As tests/conftest.py left it.


async def test_what_ended_in_cycles_is_freed_when_most_sessions_have_gone_and_not_before(autojump_clock):
    class Session:
        def __init__(self):
            self.itself = self
            alive.append(id(self))

        def __del__(self):
            alive.remove(id(self))

    alive, count = [], [0]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tuned_collection, lambda: count[0])
        await trio.sleep(0.1)
        at_rest = gc.get_freeze_count()
        sessions = [Session() for _ in range(4 * FEW_SESSIONS)]
        count[0] = len(sessions)
        await trio.sleep(LOOK_EVERY_S)
        assert gc.get_freeze_count() >= at_rest + len(sessions)
        for left in (len(sessions) // 2, FEW_SESSIONS):
            del sessions[left:]
            count[0] = left
            await trio.sleep(LOOK_EVERY_S)
            gc.collect()
            assert len(alive) == 4 * FEW_SESSIONS
        sessions.clear()
        count[0] = 0
        await trio.sleep(LOOK_EVERY_S)
        assert alive == []
        nursery.cancel_scope.cancel()


async def test_the_last_few_are_frozen_once_the_number_stops_growing(autojump_clock):
    count = [4 * FEW_SESSIONS]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tuned_collection, lambda: count[0])
        await trio.sleep(LOOK_EVERY_S + 0.1)
        before, later = gc.get_freeze_count(), [[] for _ in range(1000)]
        count[0] += 10
        await trio.sleep(LOOK_EVERY_S)
        assert gc.get_freeze_count() < before + len(later) / 2  # Others' objects come and go.
        await trio.sleep(LOOK_EVERY_S)
        assert gc.get_freeze_count() > before + len(later) / 2
        nursery.cancel_scope.cancel()


async def test_few_sessions_are_left_to_python(autojump_clock):
    count = [FEW_SESSIONS - 1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tuned_collection, lambda: count[0])
        await trio.sleep(0.1)
        before, kept = gc.get_freeze_count(), [[] for _ in range(1000)]
        await trio.sleep(3 * LOOK_EVERY_S)
        assert gc.get_freeze_count() < before + len(kept)
        nursery.cancel_scope.cancel()

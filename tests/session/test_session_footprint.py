"""What a session costs while nobody speaks, and what it leaves behind: bytes, tasks and objects are counted."""

import gc
import json
import tracemalloc
from collections import Counter

import pytest
import trio
import trio.testing
from rooms import config, tasks

from engine.config.listening import TranscriptionConfig, TranslationConfig
from engine.session import open_session, open_transcription, open_translation
from engine.transport.base import TransportStatistics

IDLE_MAX_BYTES = 48 * 2**10
"""Some quarter more than it takes now, with the task that reads and its own settings, but without a connection."""

OPEN = {
    "talk": lambda connector: open_session(config(), connector=connector),
    "transcription": lambda connector: open_transcription(
        TranscriptionConfig(client=config().client), connector=connector
    ),
    "translation": lambda connector: open_translation(
        TranslationConfig(language="fr", client=config().client), connector=connector
    ),
}


class Quiet:
    """A connection whose service opens the session and says nothing more, in as few bytes as can be."""

    __slots__ = ("waits",)

    CREATED = (json.dumps({"type": "session.created", "event_id": "e", "session": {"type": "realtime"}}),)

    def __init__(self):
        self.waits = False

    async def send(self, text):
        await trio.lowlevel.checkpoint()

    async def send_many(self, texts):
        await trio.lowlevel.checkpoint()

    def send_nowait(self, text):
        return True

    async def receive(self):
        if self.waits:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        self.waits = True
        return self.CREATED

    async def ping(self):
        await trio.lowlevel.checkpoint()

    async def close(self, deadline_s):
        await trio.lowlevel.checkpoint()

    def statistics(self):
        return TransportStatistics(0, 0)


async def quiet(nursery, endpoint):
    return Quiet()


async def idle(open_one, *, task_status):
    """Hold a session open, and take what it says, as an application does."""
    async with open_one(quiet) as session:
        task_status.started()
        async for _ in session.receive():
            pass


async def hold(nursery, open_one, count):
    for _ in range(count):
        await nursery.start(idle, open_one)
    await trio.testing.wait_all_tasks_blocked()
    gc.collect()


def ours():
    """Count the objects of the engine's classes."""
    gc.collect()
    kinds = (type(each) for each in gc.get_objects())
    return Counter(kind.__qualname__ for kind in kinds if str(kind.__module__).startswith("engine."))


@pytest.mark.parametrize("kind", OPEN)
async def test_an_idle_session_stays_under_its_bound_of_memory(kind, autojump_clock, nursery):
    await hold(nursery, OPEN[kind], 3)  # What is made once for all sessions is made now.
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        await hold(nursery, OPEN[kind], 20)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    nursery.cancel_scope.cancel()
    assert (after - before) / 20 < IDLE_MAX_BYTES


async def test_an_idle_session_has_two_tasks_beside_the_applications(autojump_clock, nursery):
    await hold(nursery, OPEN["talk"], 1)
    before = tasks()
    await hold(nursery, OPEN["talk"], 10)
    after = tasks()
    nursery.cancel_scope.cancel()
    assert after - before == 10 * (1 + 2)


@pytest.mark.parametrize("kind", OPEN)
async def test_two_hundred_sessions_that_are_over_leave_nothing_of_ours(kind, autojump_clock):
    async def one():
        async with OPEN[kind](quiet) as session:
            async for _ in session.receive():
                break

    for _ in range(3):
        await one()
    before = ours()
    for _ in range(200):
        await one()
    await trio.sleep(5)
    assert ours() - before == Counter()


async def test_the_memory_of_sessions_that_come_and_go_stays_as_it_is(autojump_clock):
    """What the engine asked for: Trio keeps deadlines that are off for a while, up to a bound of its own."""

    async def some():
        for _ in range(50):
            async with OPEN["talk"](quiet):
                pass
        await trio.sleep(5)
        gc.collect()
        held = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/engine/*")])
        return sum(trace.size for trace in held.traces)

    tracemalloc.start()
    try:
        await some()
        before = await some()
        for _ in range(3):
            after = await some()
    finally:
        tracemalloc.stop()
    assert (after - before) / 150 < 16, "bytes a session"

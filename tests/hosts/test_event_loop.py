"""An event loop as the engine's thread knows it."""

import asyncio

from engine.hosts import event_loop
from engine.hosts.event_loop import EventLoop


def test_a_closed_loop_takes_nothing_however_often_it_is_asked():
    loop = asyncio.new_event_loop()
    known = EventLoop(loop)
    assert known.post(list)  # Nobody comes to it any more.
    loop.close()
    assert [known.post(list) for _ in range(3)] == [False] * 3
    assert not known._jobs


async def _enter():
    EventLoop.current().enter("guest", _nothing)


async def _nothing():
    pass


def test_a_loop_that_was_closed_before_its_session_left_is_not_kept():
    async def leave():
        EventLoop.current().leave("guest")

    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(_enter())
        loop.close()
    last = asyncio.new_event_loop()
    last.run_until_complete(_enter())
    assert set(event_loop._known) == {last}
    last.run_until_complete(leave())
    last.close()
    assert not event_loop._known

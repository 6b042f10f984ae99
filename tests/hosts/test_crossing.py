"""Calls into the engine's thread, where they are cancelled, or the thread ends, at the worst moment."""

import asyncio
import errno
import os
import resource

import pytest
from every_host import engine_threads, model, on_event_loops, started

from engine import SessionEnded
from engine.hosts import crossing
from engine.protocol.effects import End
from engine.testing import MemoryConnector


@on_event_loops
async def test_a_cancellation_while_the_last_one_out_waits_for_the_thread_is_no_lost_one(monkeypatch):
    connector, slept = MemoryConnector(), []
    subject = model(connector)
    await started(subject, connector)
    wait_until_gone = crossing.gone

    async def gone(*given):
        stopping.cancel()
        await wait_until_gone(*given)

    async def stop():
        await subject.stop()
        slept.append(True)

    monkeypatch.setattr(crossing, "gone", gone)
    stopping = asyncio.create_task(stop())
    await asyncio.wait([stopping])
    assert stopping.cancelled()
    assert not slept
    assert engine_threads() == []


@on_event_loops
async def test_what_came_for_one_who_is_cancelled_as_the_thread_ends_is_given_back(monkeypatch):
    wait_until_gone, back = crossing.gone, []

    async def gone(*given):
        asking.cancel()
        await wait_until_gone(*given)

    async def give():
        return "a frame"

    monkeypatch.setattr(crossing, "gone", gone)
    asking = asyncio.create_task(crossing.cross_or_undo(give, back.append))
    await asyncio.wait([asking])
    assert asking.cancelled()
    assert back == ["a frame"]


@on_event_loops
async def test_a_look_at_a_session_that_ends_meanwhile_is_answered(monkeypatch):
    monkeypatch.setattr(crossing, "HOP_DEADLINE_S", 0.5)
    connector = MemoryConnector()
    subject = model(connector)
    await started(subject, connector)
    session = subject.session
    thread = session._home.thread
    post = thread.post

    def post_late(*job):
        thread.post = post
        post(session._it._supervisor.finish, End("complete"))
        thread.join(0.2)  # Nobody but the caller holds it now.
        post(*job)

    thread.post = post_late
    assert session.statistics().state == "closed"
    await subject.stop()


def test_a_thread_that_can_not_begin_says_why():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []

    async def start():
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, limits[1]))
        try:
            while True:
                taken.append(os.dup(0))
        except OSError:
            with pytest.raises(SessionEnded) as caught:
                await model(MemoryConnector()).start()
        return caught.value

    try:
        error = asyncio.run(start())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in taken:
            os.close(fd)
    assert isinstance(error.__cause__, OSError)
    assert error.__cause__.errno == errno.EMFILE

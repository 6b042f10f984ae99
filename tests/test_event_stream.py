"""The event stream: an asynchronous generator by type that may be left at any point."""

import inspect
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
import trio
import trio.testing
from rooms import text_event

from engine.errors import NotStarted
from engine.event_stream import EventStream
from engine.inbox import Inbox


def filled(count=3):
    inbox = Inbox(10**6, "fail")
    for n in range(count):
        inbox.put(text_event(str(n)))
    return inbox


def texts(events):
    return [event.text for event in events]


async def test_it_is_an_asynchronous_generator_to_whoever_asks():
    stream = EventStream(filled)
    assert isinstance(stream, AsyncGenerator)
    assert aiter(stream) is stream
    assert not inspect.iscoroutine(stream)


async def test_breaking_out_leaves_the_rest_for_the_next():
    inbox = filled(5)
    async for event in EventStream(lambda: inbox):
        if event.text == "1":
            break
    inbox.close()
    assert texts([event async for event in EventStream(lambda: inbox)]) == ["2", "3", "4"]


async def test_the_inbox_is_looked_for_when_the_first_event_is_asked_for():
    def none():
        raise NotStarted("call start before sending")

    stream = EventStream(none)
    with pytest.raises(NotStarted):
        await anext(stream)


async def test_it_stays_ended():
    inbox = filled(0)
    inbox.close()
    stream = EventStream(lambda: inbox)
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_an_ended_stream_still_has_checkpoints():
    stream = EventStream(filled)
    await stream.aclose()
    with trio.CancelScope() as scope:
        scope.cancel()
        await anext(stream)
    assert scope.cancelled_caught


async def test_asend_gives_the_next_event():
    stream = EventStream(filled)
    assert (await stream.asend(None)).text == "0"


async def test_aclosing_ends_this_stream_and_loses_nothing():
    inbox = filled(3)
    async with aclosing(EventStream(lambda: inbox)) as stream:
        assert (await anext(stream)).text == "0"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert (await anext(EventStream(lambda: inbox))).text == "1"


@pytest.mark.parametrize(
    "thrown", [(ValueError,), (ValueError("given"),), (ValueError, ValueError("given")), (ValueError, None)]
)
async def test_athrow_raises_and_ends(thrown):
    stream = EventStream(filled)
    with pytest.raises(ValueError, match=r"given|^$"):
        await stream.athrow(*thrown)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_it_is_cancelled_while_it_waits_and_goes_on_after():
    inbox = Inbox(10**6, "fail")
    stream = EventStream(lambda: inbox)
    with trio.move_on_after(0):
        await anext(stream)
    inbox.put(text_event("later"))
    assert (await anext(stream)).text == "later"

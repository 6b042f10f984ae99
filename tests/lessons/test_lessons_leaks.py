"""What leaks elsewhere: tasks, sockets and waiters are counted, after sessions of every fate."""

import gc
import weakref
from collections import Counter

import pytest
import trio
import trio.testing
from rooms import config, open_sockets, tasks
from talks import LONG

from engine import (
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    EngineError,
    ServerReported,
    ToolUseStreamEvent,
    open_session,
)
from engine.simulator import INSTANT, Call, Say, Script, SimulatorSettings, serve
from engine.testing import in_memory
from engine.tools import Tools

ROUNDS = 5


async def ends_in_order(session, simulator):
    await session.send(BidiTextInputEvent("go"))
    async for event in session.receive():
        if isinstance(event, BidiResponseCompleteEvent):
            break
    await session.stop()


async def is_left(session, simulator):
    """The block is left in mid-answer, with a paced output and a reader of the wire open."""
    session.audio_out()
    await session.send(BidiTextInputEvent("go"))
    with session.raw.listen() as wire:
        await anext(wire)


async def is_cancelled(session, simulator):
    with trio.move_on_after(0):
        await session.responses.create(conversation="none")
    with trio.CancelScope() as scope:
        scope.cancel()
        await session.items.create(text="x")
    await ends_in_order(session, simulator)


async def breaks(session, simulator):
    async with trio.open_nursery() as nursery:

        async def ask():
            with pytest.raises(EngineError):
                await (await session.responses.create(instructions=LONG)).done()

        nursery.start_soon(ask)
        await simulator.disconnect_all()
        with pytest.raises(EngineError):
            async for _ in session.receive():
                pass
        # A request may have been answered before the end; then its response was not.
    assert session.statistics().state in ("closing", "closed")


async def raises(session, simulator):
    raise LookupError("the application's own")


async def hangs_in_a_tool(session, simulator):
    tools = Tools()

    @tools.add
    async def hang():
        await trio.sleep_forever()

    await session.update(tools=tools.specs)
    await session.send(BidiTextInputEvent("call"))
    async for event in session.run(tools):
        if isinstance(event, ToolUseStreamEvent):
            break


FATES = (ends_in_order, is_left, is_cancelled, breaks, raises, hangs_in_a_tool)


@pytest.mark.parametrize("fate", FATES, ids=lambda fate: fate.__name__)
async def test_after_a_session_of_any_fate_no_task_socket_or_session_is_left(fate):
    """livekit #6319: each session left a task behind."""
    answers = [Call("hang")] if fate is hangs_in_a_tool else [Say("hello")]
    script, gone = Script.of(*answers), []
    async with serve(SimulatorSettings(pace=INSTANT), script.responder) as simulator:
        settings = config(client={"base_url": simulator.base_url})
        for number in range(ROUNDS):
            try:
                with trio.fail_after(10):
                    async with open_session(settings) as session:
                        gone.append(weakref.ref(session))
                        await fate(session, simulator)
            except LookupError:
                assert fate is raises
            del session
            await all_gone(simulator)
            if number == 0:  # What is made once, for the process, is there now.
                before = tasks(), open_sockets()
        assert (tasks(), open_sockets()) == before
        gc.collect()
        assert [ref() for ref in gone] == [None] * ROUNDS


async def all_gone(simulator):
    """Wait until the service has noticed too."""
    with trio.fail_after(10):
        while simulator.active_sessions:  # noqa: ASYNC110 - a count sets no event
            await trio.sleep(0.005)
        await trio.testing.wait_all_tasks_blocked()


WAITERS = ("_Slot", "_Pending", "ResponseStream", "Inbox", "EventStream", "Tap", "Event", "CancelScope", "Task")
"""What is made for each wait."""


def waiters():
    gc.collect()
    return Counter(name for each in gc.get_objects() if (name := type(each).__name__) in WAITERS and not is_over(each))


def is_over(each):
    """A scope that was left waits for its deadline in Trio's own heap, which is sorted out by the thousand."""
    return isinstance(each, trio.CancelScope) and "exited" in repr(each)


async def many_requests(session):
    """Requests that are answered, refused, given up and cut short."""
    for number in range(20):
        item = await session.items.create(text=f"{number}")
        await session.items.delete(item.id)
        with pytest.raises(ServerReported):
            await session.items.delete("item_gone")
        with trio.move_on_after(0):
            await session.update(instructions=f"{number}")
        aside = await session.responses.create(conversation="none", input=[], output_modalities="text")
        await aside.done()
        with trio.CancelScope() as scope:
            scope.cancel()
            await (await session.responses.create(conversation="none")).done()
        assert await session.responses.cancel() is False
        with session.raw.listen():
            pass
    await trio.sleep(60)


async def test_a_session_that_has_asked_much_holds_no_more_waiters_than_before(autojump_clock):
    """openai-agents-js PR #955: promises of requests that were over stayed in a map."""
    async with (
        serve(SimulatorSettings(), Script(echo="yes").responder, host=None) as simulator,
        open_session(config(), connector=in_memory(simulator)) as session,
    ):
        await many_requests(session)
        before, running = waiters(), tasks()
        await many_requests(session)
        more = waiters() - before
        assert sum(more.values()) < 5, "each round makes 20 of a kind at least"
        assert tasks() == running
        assert before["_Slot"] == before["ResponseStream"] == 0

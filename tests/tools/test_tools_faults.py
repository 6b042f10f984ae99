"""Tools that break in the worst ways: while they are cancelled, in what they raise, at the session's end."""

import logging

import pytest
import trio
import trio.testing
from rooms import call_done, live, response_created, response_done, rest
from tool_host import room

from engine.errors import SessionEnded
from engine.events import BidiTextInputEvent
from engine.tools import Deferred, Tools


async def breaks_when_cancelled():
    """A tool with tasks of its own, one of which raises when it cleans up."""

    async def task():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("the clean-up broke")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(task)
        await trio.sleep_forever()


def added(**settings):
    tools = Tools()
    tools.add(**settings)(breaks_when_cancelled)
    return tools


async def test_a_fault_beside_the_deadline_is_told_with_it(autojump_clock):
    reports = []
    async with room(tools=added(deadline_s=3), on_report=reports.append) as it:
        await it.calls("breaks_when_cancelled")
        await trio.sleep(4)

        assert "gave no result within 3 s" in it.answers["c1"]
    (report,) = reports
    assert (report.ending, report.took_s) == ("timed_out", 3)
    assert isinstance(report.exception.exceptions[0], ValueError)


async def test_a_fault_beside_an_interruption_is_told_with_it(autojump_clock):
    reports = []
    async with room(tools=added(cancel_on_interruption=True), on_report=reports.append) as it:
        await it.calls("breaks_when_cancelled")
        it.runner.interrupted()
        await it.quiet()

        assert "was interrupted by the user" in it.answers["c1"]
    assert [(each.ending, type(each.exception)) for each in reports] == [("interrupted", ExceptionGroup)]


async def test_a_fault_of_deferred_work_beside_its_deadline_is_told_with_it(autojump_clock):
    reports = []
    async with room(tools=added(deferred=True, deadline_s=3), on_report=reports.append) as it:
        await it.calls("breaks_when_cancelled")
        await trio.sleep(4)

        assert "gave no result within 3 s" in it.host.told[0]
        assert it.runner.statistics().deferred == 0
    assert [(each.ending, type(each.exception)) for each in reports] == [("timed_out", ExceptionGroup)]


async def test_a_tool_with_tasks_that_stop_in_order_has_no_fault(autojump_clock):
    async def tidy():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            await trio.sleep_forever()

    reports, tools = [], Tools()
    tools.add(deadline_s=3)(tidy)
    async with room(tools=tools, on_report=reports.append) as it:
        await it.calls("tidy")
        await trio.sleep(4)

    assert [(each.ending, each.exception) for each in reports] == [("timed_out", None)]


@pytest.mark.parametrize("settings", [{}, {"deferred": True}])
async def test_a_fault_at_the_sessions_end_is_no_crash_of_the_session(settings, autojump_clock, caplog):
    tools = added(**settings)
    with caplog.at_level(logging.INFO):
        async with live(tools=tools.specs) as (session, peer):
            session.run(tools)
            await peer.say(response_created(), call_done(name="breaks_when_cancelled"), response_done())
            await trio.testing.wait_all_tasks_blocked()
            await session.stop()

    assert "a tool raised ValueError when it was cancelled" in caplog.messages
    assert not any("crashed" in message for message in caplog.messages)


class Unspeakable(Exception):
    """What can't even be said."""

    def __str__(self):
        raise RuntimeError("no words")


async def test_an_exception_without_words_is_told_by_its_class(autojump_clock):
    async def odd():
        raise Unspeakable

    async with room(odd) as it:
        await it.calls("odd")

        assert it.answers["c1"] == "Error: odd failed with Unspeakable."


async def test_work_that_is_put_off_again_is_waited_for_within_the_first_deadline(autojump_clock):
    async def at_last():
        await trio.sleep(2)
        return "done at last"

    async def again():
        await trio.sleep(2)
        return Deferred(at_last)

    async with room() as it:
        it.runner._tools.add(deferred=True, deadline_s=5)(again)
        it.runner._tools.add(name="late", deferred=True, deadline_s=3)(again)
        await it.calls("again", "late")
        await trio.sleep(10)

        late, done = sorted(it.host.told, key=len, reverse=True)
        assert done == "Result of again (call c1): done at last"
        assert late.startswith("Result of late (call c2): Error: late gave no result within 3 s")


async def test_a_tool_that_ends_while_the_session_closes_keeps_nothing_from_being_sent(autojump_clock, caplog):
    """The session is over, and still sends what waits: a result that comes now is dropped, and no crash."""
    tools = Tools()

    @tools.add
    async def works():
        await trio.sleep(0.5)

    async with live(tools=tools.specs) as (session, peer):
        events = session.run(tools)
        calls = [call_done(call_id, "works") for call_id in ("c1", "c2")]
        await peer.say(response_created(), *calls, response_done())
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(2000):  # The server reads nothing.
            with trio.move_on_after(0.01):
                await session.send(BidiTextInputEvent("word"))
        before = trio.current_time()
        await session.stop()

        assert trio.current_time() - before > 0.6, "the tool's end was not the session's"
        assert session.statistics().tools.dropped == 2
        assert [event.type async for event in events][-1] == "bidi_connection_close"
    assert not any("crashed" in message for message in caplog.messages)


async def test_a_set_of_tools_that_is_full_of_faults_leaves_the_session_alive(autojump_clock):
    """All of them in one response, and the session still ends by the application's own wish."""
    tools = added(deadline_s=1)

    @tools.add
    async def odd():
        raise Unspeakable

    async with live(tools=tools.specs) as (session, peer):
        session.run(tools)
        calls = [call_done("c1", "breaks_when_cancelled"), call_done("c2", "odd")]
        await peer.say(response_created(), *calls, response_done())
        answers = [(await peer.hear("conversation.item.create"))["item"]["call_id"] for _ in calls]
        await session.stop()

        assert answers == ["c1", "c2"]
        assert (await rest(session))[-1].reason == "client_disconnect"
        with pytest.raises(SessionEnded):
            session.run(tools)

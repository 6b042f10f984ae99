"""How a session takes its tools: told to the service in time, run once however often, and its figures told."""

import pytest
import trio
from rooms import call_done, config, error, live, response_created, response_done, rest, simulated, until
from tool_sessions import talk

from engine.errors import LocalMisuse, NotStarted, SessionEnded
from engine.events import (
    BidiErrorEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.session import Session, open_session
from engine.simulator import Call, Say
from engine.tools import Tools

MINE = {"name": "mine", "description": "By hand.", "inputSchema": {"json": {"type": "object"}}}


@pytest.fixture
def tools():
    tools = Tools()

    @tools.add
    async def wait(seconds: float):
        await trio.sleep(seconds)
        return f"waited {seconds:g}"

    return tools


async def completed(events):
    while (await until(events, BidiResponseCompleteEvent)).stop_reason != "complete":
        pass


def updates(ledger):
    return [each.event["session"] for each in ledger.received if each.type == "session.update"]


def tool_names(settings):
    return [tool["name"] for tool in settings["tools"]]


def outputs(ledger):
    items = [each.event["item"] for each in ledger.received if each.type == "conversation.item.create"]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


# --- what the service is told of them ---------------------------------------------------------------------------------


async def test_the_service_knows_the_tools_before_it_hears_the_first_word(tools, autojump_clock):
    async with (
        simulated(Call("wait", {"seconds": 1}), Say("fine")) as (simulator, client, connector),
        open_session(config(client=client), connector=connector) as session,
    ):
        events = session.run(tools)
        await session.send(BidiTextInputEvent("go"))
        await completed(events)

        assert simulator.sessions[0].received.types[:4] == [
            "session.update",
            "session.update",
            "conversation.item.create",
            "response.create",
        ]


async def test_tools_that_an_update_named_stay(tools, autojump_clock):
    async with (
        simulated(Say("fine")) as (simulator, client, connector),
        open_session(config(client=client), connector=connector) as session,
    ):
        await session.update(tools=[MINE])
        session.run(tools)
        await trio.sleep(1)

        assert [tool_names(each) for each in updates(simulator.sessions[0])[1:]] == [["mine"], ["mine", "wait"]]


async def test_what_the_service_says_against_them_is_told(tools, autojump_clock):
    async with live() as (session, peer):
        events = session.run(tools)
        await peer.hear("session.update")
        update = await peer.hear("session.update")
        await peer.say(error("invalid_value", event_id=update["event_id"], param="session.tools"))
        refused = await until(events, BidiErrorEvent)

        assert (refused.code, refused.error.client_event_id) == ("invalid_value", update["event_id"])
        await session.stop()


async def test_a_service_that_says_nothing_to_them_is_told_of_after_a_while(tools, autojump_clock):
    async with live(engine={"request_deadline_s": 3}) as (session, _):
        events = session.run(tools)
        late = await until(events, BidiErrorEvent)

        assert (type(late.error).__name__, trio.current_time()) == ("DeadlinePassed", pytest.approx(3))


async def test_the_end_of_the_session_is_not_told_as_an_error_of_theirs(tools, autojump_clock):
    async with live() as (session, _):
        session.run(tools)
        await session.stop()

        assert [event.type for event in await rest(session)] == ["bidi_connection_start", "bidi_connection_close"]


# --- when, and how often ----------------------------------------------------------------------------------------------


async def test_run_again_they_go_on_with_the_same_calls(tools, autojump_clock):
    calls = [Call("wait", {"seconds": 1}), Call("wait", {"seconds": 4})]
    async with (
        simulated(calls, Say("fine")) as (simulator, client, connector),
        open_session(config(client=client, tools=tools.specs), connector=connector) as session,
    ):
        begun = trio.current_time()
        await session.send(BidiTextInputEvent("go"))
        await until(session.run(tools), ToolUseStreamEvent)
        await completed(session.run(tools))

        assert trio.current_time() - begun < 5, "nobody waited for the end of a response that was told to others"
        assert outputs(simulator.sessions[0]) == ['[{"text": "waited 1"}]', '[{"text": "waited 4"}]']
        assert session.statistics().tools.done == 2


async def test_run_again_the_service_is_told_of_those_that_were_added(tools, autojump_clock):
    async with (
        simulated(Call("later"), Say("fine")) as (simulator, client, connector),
        open_session(config(client=client, tools=tools.specs), connector=connector) as session,
    ):
        session.run(tools)

        @tools.add
        async def later():
            return "added later"

        events = session.run(tools)
        session.run(tools)
        await session.send(BidiTextInputEvent("go"))
        await completed(events)

        assert [tool_names(each) for each in updates(simulator.sessions[0])] == [["wait"], ["wait", "later"]]
        assert outputs(simulator.sessions[0]) == ['[{"text": "added later"}]']


async def test_a_session_runs_one_set(tools, autojump_clock):
    async with live(tools=tools.specs) as (session, _):
        session.run(tools)
        with pytest.raises(LocalMisuse, match="add yours to that set"):
            session.run(Tools())


async def test_they_run_while_the_session_is_open_and_not_before_or_after(tools, autojump_clock):
    with pytest.raises(NotStarted):
        Session(config(tools=tools.specs)).run(tools)
    async with live(tools=tools.specs) as (session, _):
        await session.stop()
        with pytest.raises(SessionEnded):
            session.run(tools)


# --- whose call it is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named_by", ["config", "update"])
async def test_a_tool_that_the_application_named_by_itself_is_its_own_to_answer(named_by, tools, autojump_clock):
    async with (
        simulated(Call("mine"), Say("fine")) as (simulator, client, connector),
        open_session(config(client=client, tools=[MINE] * (named_by == "config")), connector=connector) as session,
    ):
        events = session.run(tools)
        if named_by == "update":
            await session.update(tools=[MINE, *tools.specs])
        await session.send(BidiTextInputEvent("go"))
        call = (await until(events, ToolUseStreamEvent)).current_tool_use
        await trio.sleep(10)
        await session.send(ToolResultEvent({"toolUseId": call["toolUseId"], "content": [{"text": "by hand"}]}))
        await completed(events)

        assert outputs(simulator.sessions[0]) == ['[{"text": "by hand"}]']


async def test_of_two_tools_by_one_name_the_service_knows_the_configured_one_and_the_sets_runs(tools, autojump_clock):
    told = {"name": "wait", "description": "Other words.", "inputSchema": {"json": {"type": "object"}}}
    async with (
        simulated(Call("wait", {"seconds": 1}), Say("fine")) as (simulator, client, connector),
        open_session(config(client=client, tools=[told]), connector=connector) as session,
    ):
        events = session.run(tools)
        await session.send(BidiTextInputEvent("go"))
        await completed(events)

        assert [each["tools"][0]["description"] for each in updates(simulator.sessions[0])] == ["Other words."]
        assert outputs(simulator.sessions[0]) == ['[{"text": "waited 1"}]']


# --- their end, and what they did -------------------------------------------------------------------------------------


async def test_a_tool_that_ends_the_session_ends_it_at_the_users_wish(autojump_clock):
    tools = Tools()

    @tools.add(ends_session=True)
    async def hang_up():
        return "say goodbye"

    async with talk(tools, Call("hang_up"), Say("goodbye")) as it:
        await it.say()
        await trio.sleep(5)

        assert (it.events[-1].type, it.events[-1].reason) == ("bidi_connection_close", "user_request")


async def test_a_sessions_figures_hold_those_of_its_tools_and_outlast_it(tools, autojump_clock):
    async with live(tools=tools.specs) as (session, peer):
        assert session.statistics().tools is None
        session.run(tools)
        calls = [call_done("c1", "wait", '{"seconds": 1}'), call_done("c2", "fly"), call_done("c2", "fly")]
        await peer.say(response_created(), *calls, response_done())
        await trio.sleep(0.5)
        assert (session.statistics().tools.running, session.statistics().tools.held) == (1, 1)
        await trio.sleep(1)
        await session.stop()

        figures = session.statistics().tools
        assert (figures.running, figures.done, figures.refused) == (0, 1, 1)
        assert figures.by_tool == {"wait": {"done": 1}, "(unknown)": {"refused": 1}}

"""MCP servers of a session, against the simulator: tools, calls, approvals, and the response that follows."""

import pytest
import trio
from rooms import config, simulated, until

from engine.errors import ConfigError, DeadlinePassed, LocalMisuse
from engine.events import (
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    McpApprovalRequestEvent,
    McpCallEvent,
    McpToolsEvent,
)
from engine.session import open_session
from engine.simulator import INSTANT, McpCall, McpError, McpServer, McpTool, Say, SimulatorSettings

SEARCH = McpTool("search", output="Trio is a library.")
DOCS = McpServer((SEARCH, McpTool("fail", output=McpError("no such page"))), list_ms=0, call_ms=0)


def docs(**given):
    return [{"type": "mcp", "server_label": "docs", "server_url": "https://mcp.example", **given}]


def talk(*answers, server=DOCS, before_done=False):
    settings = SimulatorSettings(
        pace=INSTANT, ledger_max_sessions=3, mcp_servers={"docs": server}, mcp_before_done=before_done
    )
    return simulated(*answers, settings=settings)


def opened(connector, **given):
    return open_session(config(tools=docs(**{"require_approval": "never", **given})), connector=connector)


async def final_words(events):
    async for event in events:
        if isinstance(event, BidiTranscriptStreamEvent) and event.is_final and event.role == "assistant":
            return event.text
    raise AssertionError("nothing was said")


async def test_what_a_server_offers_is_there_to_be_seen():
    async with talk() as (_, __, connector), opened(connector) as session:
        listed = await session.mcp.listed("docs")

        assert listed.status == "ready"
        assert [tool["name"] for tool in listed.tools] == ["search", "fail"]
        assert session.mcp.tools == {"docs": listed}
        told = await until(session.receive(), McpToolsEvent)
        assert told.server_label == "docs"


async def test_a_server_that_can_not_be_listed_is_waited_for_only_so_long(autojump_clock):
    async with talk(server=McpServer((), list_ms=60_000)) as (_, __, connector), opened(connector) as session:
        with pytest.raises(DeadlinePassed, match=r"mcp\.listed"):
            await session.mcp.listed("docs", deadline_s=2)


@pytest.mark.parametrize("before_done", [False, True])
async def test_a_call_is_told_and_answered_by_a_response_that_nobody_else_asks_for(before_done):
    answers = McpCall("docs", "search", {"q": "trio"}), Say("It is a library.")
    async with talk(*answers, before_done=before_done) as (simulator, _, connector), opened(connector) as session:
        await session.mcp.listed("docs")
        await session.send(BidiTextInputEvent("What is Trio?"))
        events = session.receive()
        begun, ended = await until(events, McpCallEvent), await until(events, McpCallEvent)
        assert (begun.status, ended.status) == ("in_progress", "completed")
        assert (ended.output, ended.name, ended.arguments) == ("Trio is a library.", "search", '{"q":"trio"}')
        assert await final_words(events) == "It is a library."
        assert simulator.sessions[0].received.counts["response.create"] == 2


async def test_a_call_that_fails_is_told_and_answered_as_well():
    async with talk(McpCall("docs", "fail", {}), Say("Sorry.")) as (_, __, connector), opened(connector) as session:
        await session.mcp.listed("docs")
        await session.send(BidiTextInputEvent("What is Trio?"))
        events = session.receive()
        await until(events, McpCallEvent)
        ended = await until(events, McpCallEvent)

        assert (ended.status, ended.error["message"]) == ("failed", "no such page")
        assert await final_words(events) == "Sorry."


@pytest.mark.parametrize(("approve", "status"), [(True, "completed"), (False, "failed")])
async def test_a_call_that_needs_a_yes_waits_for_the_answer(approve, status):
    answers = McpCall("docs", "search", {}), Say("Done.")
    async with (
        talk(*answers) as (simulator, _, connector),
        opened(connector, require_approval="always") as session,
    ):
        await session.mcp.listed("docs")
        await session.send(BidiTextInputEvent("What is Trio?"))
        events = session.receive()
        asked = await until(events, McpApprovalRequestEvent)
        await until(events, BidiResponseCompleteEvent)
        assert session.mcp.approvals == {asked.request_id}
        assert session.statistics().conversation.gate.requested == 1, "nothing follows before the answer"

        await session.mcp.approve(asked.request_id, approve=approve, reason="because")
        assert (await until(events, McpCallEvent)).status == status
        assert await final_words(events) == "Done."
        assert simulator.sessions[0].received.counts["response.create"] == 2
        with pytest.raises(LocalMisuse, match="one answer"):
            await session.mcp.approve(asked.request_id)


async def test_of_two_answers_at_once_one_goes_out():
    answers = McpCall("docs", "search", {}), Say("Done.")
    async with (
        talk(*answers) as (simulator, _, connector),
        opened(connector, require_approval="always") as session,
    ):
        await session.mcp.listed("docs")
        await session.send(BidiTextInputEvent("What is Trio?"))
        asked = await until(session.receive(), McpApprovalRequestEvent)
        refused = []

        async def answer(approve):
            try:
                await session.mcp.approve(asked.request_id, approve=approve)
            except LocalMisuse as error:
                refused.append(error)

        async with trio.open_nursery() as nursery:
            for approve in (True, False):
                nursery.start_soon(answer, approve)

        assert len(refused) == 1
        assert simulator.sessions[0].received.counts["conversation.item.create"] == 2, "the question, and one answer"


async def test_an_answer_to_no_request_is_a_mistake():
    async with talk() as (_, __, connector), opened(connector) as session:
        with pytest.raises(LocalMisuse, match="mcpr_1"):
            await session.mcp.approve("mcpr_1")
        with pytest.raises(ConfigError, match="reason"):
            await session.mcp.approve("mcpr_1", reason=7)


async def test_servers_come_with_an_update():
    async with talk() as (_, __, connector), open_session(config(), connector=connector) as session:
        assert session.mcp.tools == {}
        await session.update(tools=docs(require_approval="never"))
        with trio.fail_after(5):
            assert (await session.mcp.listed("docs")).status == "ready"

"""MCP: servers are listed, their tools called by the service, approved where needed, and failures told."""

import pytest
import trio
from sim_client import talk, types

from engine.errors import ConfigError
from engine.simulator import (
    Fail,
    McpCall,
    McpError,
    McpServer,
    McpTool,
    Say,
    Script,
    SimulatorSettings,
    Turn,
    load_script,
)

WEATHER = {"type": "mcp", "server_label": "weather", "server_url": "https://mcp.example/sse"}
FREE = {**WEATHER, "require_approval": "never"}
ASK = McpCall("weather", "forecast", {"city": "Oslo"})
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


async def shout(arguments):
    await trio.sleep(0.2)
    return arguments.upper()


async def crash(arguments):
    raise LookupError(arguments)


SERVER = McpServer(
    [
        McpTool("forecast", "sunny", "Tells the weather.", SCHEMA, read_only=True),
        McpTool("shout", shout),
        McpTool("refuse", McpError("no such city")),
        McpTool("gone", McpError("gone", "http_error", 404)),
        McpTool("broken", McpError("bad request", "protocol_error", -32600)),
        McpTool("crash", crash),
    ]
)
SETTINGS = SimulatorSettings(mcp_servers={"weather": SERVER, "down": McpServer([], list_fails=True)})


def session(*answers, settings=SETTINGS, **options):
    return talk(*answers, settings=settings, **options)


async def listed(client, tool=FREE):
    updated = await client.update(tools=[tool], output_modalities=["text"])
    await client.until("mcp_list_tools.completed")
    return updated


async def approve(client, request, **fields):
    answer = {"type": "mcp_approval_response", "id": "m1", "approval_request_id": request["id"], "approve": True}
    await client.send("conversation.item.create", item={**answer, **fields})


async def test_a_new_server_is_listed_and_its_tools_are_an_item(autojump_clock):
    async with session() as client:
        await listed(client)
        await client.rest(1)
    assert types(client.events)[1:] == [
        "session.updated",
        "mcp_list_tools.in_progress",
        "conversation.item.added",
        "conversation.item.done",
        "mcp_list_tools.completed",
    ]
    item = client.of("conversation.item.done")[0]["item"]
    ids = {event["item_id"] for event in client.of("mcp_list_tools.in_progress", "mcp_list_tools.completed")}
    assert ids == {item["id"]}
    assert item["id"].startswith("mcpl_")
    assert item["tools"][0] == {
        "name": "forecast",
        "description": "Tells the weather.",
        "input_schema": SCHEMA,
        "annotations": {"readOnlyHint": True},
    }


@pytest.mark.parametrize("label", ["down", "unknown"])
async def test_a_server_that_does_not_answer_is_told(label, autojump_clock):
    async with session() as client:
        await client.update(tools=[{**WEATHER, "server_label": label}])
        await client.until("mcp_list_tools.failed")
    assert not client.of("conversation.item.added")


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (["shout", "nonsense"], ["shout"]),
        ({"tool_names": ["forecast", "gone"]}, ["forecast", "gone"]),
        ({"read_only": True}, ["forecast"]),
        ({"read_only": False, "tool_names": ["forecast", "crash"]}, ["crash"]),
    ],
)
async def test_only_allowed_tools_are_listed(asked, names, autojump_clock):
    async with session() as client:
        await listed(client, {**WEATHER, "allowed_tools": asked})
    assert [tool["name"] for tool in client.of("conversation.item.done")[0]["item"]["tools"]] == names


async def test_a_call_that_needs_no_approval_runs_within_the_response(autojump_clock):
    async with session((Say("Let me look."), ASK)) as client:
        await listed(client)
        response = await client.ask()
        rest = await client.rest(3)
    assert types(client.events)[-10:] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert client.joined("response.mcp_call_arguments.delta") == '{"city":"Oslo"}'
    call = response["output"][1]
    assert call == {
        "id": call["id"],
        "type": "mcp_call",
        "server_label": "weather",
        "name": "forecast",
        "arguments": '{"city":"Oslo"}',
        "approval_request_id": None,
        "output": "sunny",
        "error": None,
    }
    place = {"response_id": response["id"], "item_id": call["id"], "output_index": 1}
    assert place.items() <= client.of("response.mcp_call_arguments.done")[0].items()
    assert [event["type"] for event in rest] == ["rate_limits.updated"]  # the follow-up is the client's to ask for


async def test_a_response_may_be_done_before_its_calls_are(autojump_clock):
    settings = SimulatorSettings(mcp_servers=SETTINGS.mcp_servers, mcp_before_done=False)
    async with session(McpCall("weather", "shout", '"hey"'), settings=settings) as client:
        await listed(client)
        response = await client.ask()
        assert response["output"][0]["output"] is None
        done = await client.until("response.output_item.done")
    assert types(client.events)[-5:] == [
        "response.done",
        "rate_limits.updated",
        "response.mcp_call.completed",
        "conversation.item.done",
        "response.output_item.done",
    ]
    assert done["item"]["output"] == '"HEY"'


async def test_calls_of_one_response_run_side_by_side(autojump_clock):
    calls = [McpCall("weather", "shout", '"a"'), McpCall("weather", "forecast")]
    async with session(calls) as client:
        await listed(client)
        response = await client.ask()
    assert [event["output_index"] for event in client.of("response.mcp_call.completed")] == [1, 0]
    assert [item["output"] for item in response["output"]] == ['"A"', "sunny"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("refuse", {"type": "tool_execution_error", "message": "no such city"}),
        ("gone", {"type": "http_error", "code": 404, "message": "gone"}),
        ("broken", {"type": "protocol_error", "code": -32600, "message": "bad request"}),
        ("crash", {"type": "tool_execution_error", "message": "The tool failed."}),
    ],
)
async def test_a_failed_call_says_why(name, error, autojump_clock):
    async with session(McpCall("weather", name)) as client:
        await listed(client)
        response = await client.ask()
    assert len(client.of("response.mcp_call.failed")) == 1
    assert not client.of("response.mcp_call.completed")
    assert response["output"][0]["error"] == error
    assert response["status"] == "completed"


async def test_a_call_waits_for_approval_while_the_response_ends(autojump_clock):
    async with session(ASK) as client:
        await listed(client, WEATHER)
        response = await client.ask()
        request = client.of("conversation.item.done")[-1]["item"]
        assert types(client.events)[-4:] == [
            "response.mcp_call_arguments.done",
            "conversation.item.added",
            "conversation.item.done",
            "response.done",
        ]
        assert request == {
            "id": request["id"],
            "type": "mcp_approval_request",
            "server_label": "weather",
            "name": "forecast",
            "arguments": '{"city":"Oslo"}',
        }
        assert response["output"][0]["approval_request_id"] == request["id"]
        assert not client.of("response.mcp_call.in_progress")
        await approve(client, request)
        done = await client.until("response.output_item.done")
        assert types(client.events, without=("rate_limits.updated",))[-6:] == [
            "conversation.item.added",
            "conversation.item.done",
            "response.mcp_call.in_progress",
            "response.mcp_call.completed",
            "conversation.item.done",
            "response.output_item.done",
        ]
        assert done["response_id"] == response["id"]
        assert done["item"]["output"] == "sunny"
        await approve(client, request, id="m2")
        error = await client.error()
    assert (error["code"], error["param"]) == ("invalid_value", "item.approval_request_id")


async def test_a_call_that_is_not_approved_ends_with_the_reason(autojump_clock):
    async with session(ASK) as client:
        await listed(client, WEATHER)
        await client.ask()
        await approve(client, client.of("conversation.item.done")[-1]["item"], approve=False, reason="not now")
        done = await client.until("response.output_item.done")
    assert done["item"]["error"] == {"type": "tool_execution_error", "message": "not now"}
    assert done["item"]["output"] is None
    assert not client.of("response.mcp_call.in_progress")


@pytest.mark.parametrize(
    ("asked", "asks"),
    [
        (None, True),
        ("always", True),
        ("never", False),
        ({"never": {"tool_names": ["forecast"]}}, False),
        ({"never": {"read_only": True}}, False),
        ({"never": {"tool_names": ["shout"]}}, True),
        ({"always": {"tool_names": ["forecast"]}, "never": {"read_only": True}}, True),
    ],
)
async def test_who_has_to_approve_is_the_clients_to_say(asked, asks, autojump_clock):
    async with session(ASK) as client:
        await listed(client, {**WEATHER, "require_approval": asked})
        await client.ask()
    kinds = [event["item"]["type"] for event in client.of("conversation.item.done")]
    assert ("mcp_approval_request" in kinds) == asks


async def test_tools_that_are_not_there_are_left_out_of_the_answer(autojump_clock, caplog):
    answer = [McpCall("weather", "nonsense"), McpCall("other", "forecast"), Say("Sorry.")]
    slow = SimulatorSettings(mcp_servers={"weather": McpServer(SERVER.tools, list_ms=2000)})
    async with session(answer, (ASK, *answer), settings=slow) as client:
        await client.update(tools=[FREE], output_modalities=["text"])
        await client.send("response.create")
        first = (await client.until("response.done"))["response"]  # still listing
        await client.until("mcp_list_tools.completed")
        second = await client.ask()
    assert [item["type"] for item in first["output"] + second["output"]] == ["message", "mcp_call", "message"]
    assert "MCP server other is not there to be called" in caplog.text
    assert "MCP server weather has no tool nonsense that may be called" in caplog.text


async def test_a_label_alone_means_the_server_that_was_defined_before(autojump_clock):
    async with session(ASK) as client:
        shown = await listed(client, {**FREE, "authorization": "secret", "headers": {"X-Team": "red"}})
        assert shown["tools"] == [FREE]  # keys are not shown
        assert (await client.update(tools=[]))["tools"] == []
        again = await client.update(tools=[{"type": "mcp", "server_label": "weather"}])
        assert again["tools"] == [FREE]
        response = await client.ask()
    assert response["output"][0]["output"] == "sunny"
    assert len(client.of("mcp_list_tools.completed")) == 1


async def test_a_server_at_another_address_is_listed_again(autojump_clock):
    async with session() as client:
        await listed(client)
        await listed(client, {**FREE, "server_url": "https://other.example"})
    assert len(client.of("mcp_list_tools.completed")) == 2


async def test_a_response_can_bring_a_server_for_itself(autojump_clock):
    async with session(Say("Not yet."), ASK) as client:
        await client.ask(tools=[FREE], output_modalities=["text"])
        await client.rest(1)
        response = await client.ask(tools=[{"type": "mcp", "server_label": "weather"}])
        plain = await client.update()
    assert response["output"][0]["output"] == "sunny"
    assert plain["tools"] == []


@pytest.mark.parametrize(
    ("tools", "code", "param"),
    [
        ([WEATHER, WEATHER], "invalid_value", "session.tools[1].server_label"),
        ([{**WEATHER, "connector_id": "connector_gmail"}], "invalid_value", "session.tools[0].connector_id"),
        (
            [{**WEATHER, "authorization": "x", "headers": {"authorization": "y"}}],
            "invalid_value",
            "session.tools[0].authorization",
        ),
        ([{"type": "mcp", "server_label": "new"}], "missing_required_parameter", "session.tools[0].server_url"),
        ([{"type": "mcp", "server_url": "https://a"}], "missing_required_parameter", "session.tools[0].server_label"),
        ([{**WEATHER, "require_approval": "maybe"}], "invalid_value", "session.tools[0].require_approval"),
        ([{**WEATHER, "allowed_tools": "all"}], "invalid_type", "session.tools[0].allowed_tools"),
    ],
)
async def test_a_definition_that_can_not_be_is_refused_whole(tools, code, param):
    async with session() as client:
        await client.send("session.update", session={"type": "realtime", "instructions": "new", "tools": tools})
        error = await client.error()
        after = await client.update()
    assert (error["code"], error["param"]) == (code, param)
    assert after["instructions"] != "new"
    assert not client.of("mcp_list_tools.in_progress")


async def test_a_cancelled_response_closes_the_call_that_it_was_writing(autojump_clock):
    long = McpCall("weather", "forecast", {"text": "word " * 200})
    async with session(long) as client:
        await listed(client)
        await client.send("response.create")
        await client.until("response.mcp_call_arguments.delta")
        await client.send("response.cancel")
        await client.until("response.done")
        await client.rest(2)
    assert types(client.events)[-5:] == [
        "response.mcp_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]


async def test_a_call_goes_on_after_its_response_was_cancelled(autojump_clock):
    async with session((McpCall("weather", "shout", '"a"'), Fail())) as client:
        await listed(client)
        await client.ask()
        done = await client.until("response.output_item.done")
    assert done["item"]["output"] == '"A"'


async def test_a_call_aside_leaves_the_conversation_alone(autojump_clock):
    async with session(ASK) as client:
        await listed(client)
        before = len(client.of("conversation.item.done"))
        response = await client.ask(conversation="none", tools=[FREE])
    assert response["output"][0]["output"] == "sunny"
    assert len(client.of("conversation.item.done")) == before


async def test_a_call_needs_a_name_that_is_there_when_it_is_made(autojump_clock):
    async with session(ASK) as client:
        await listed(client)
        await client.update(tools=[])
        assert (await client.ask())["output"] == []  # listed, but not one of the session's tools any more


def test_scripts_in_files_call_mcp_tools(tmp_path):
    path = tmp_path / "script.toml"
    path.write_text('[[turn]]\nparts = [{ mcp_call = "forecast", server = "weather", arguments = { city = "Oslo" } }]')
    assert load_script(path) == Script([Turn([ASK])])
    path.write_text('[[turn]]\nparts = [{ mcp_call = "forecast", server = 7 }]')
    with pytest.raises(ConfigError, match=r"turn\[0\].parts\[0\].server"):
        load_script(path)

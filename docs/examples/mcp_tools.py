"""Let the service call tools of an MCP server: see what it offers, approve a call, hear the answer."""

import trio
import trio.testing

from engine import (
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ClientSettings,
    McpApprovalRequestEvent,
    McpCallEvent,
    SessionConfig,
    open_session,
)
from engine.simulator import McpCall, McpServer, McpTool, Say, Script, SimulatorSettings, serve
from engine.testing import in_memory

SCRIPT = Script.of(McpCall("docs", "search", {"query": "nursery"}), Say("It is a place where tasks live."))
DOCS = McpServer((McpTool("search", output="A nursery is where child tasks live."),))

DOCS_SERVER = {
    "type": "mcp",
    "server_label": "docs",
    "server_url": "https://mcp.example.com",
    "require_approval": "always",
}


async def main() -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text"), output_modalities="text", tools=[DOCS_SERVER])
    async with (
        serve(SimulatorSettings(mcp_servers={"docs": DOCS}), SCRIPT.responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
    ):
        offer = await session.mcp.listed("docs")
        print(offer.status, [tool["name"] for tool in offer.tools])

        await session.send(BidiTextInputEvent("What is a nursery?"))
        async for event in session.receive():
            match event:
                case McpApprovalRequestEvent():
                    print("may it call", event.name, event.arguments)
                    await session.mcp.approve(event.request_id)
                case McpCallEvent(status="completed"):
                    print("it gave:", event.output)
                case BidiTranscriptStreamEvent(is_final=True):
                    print(f"{event.role}: {event.text}")
                    break


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

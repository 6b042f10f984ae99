"""openai-python as it is joins a call, translates, and has the service call an MCP tool."""

import openai
import pytest
import trio
from sim_client import assert_faithful, base64

from engine.audio.pcm import tone
from engine.simulator import (
    INSTANT,
    McpCall,
    McpServer,
    McpTool,
    Say,
    Script,
    SimulatorSettings,
    Translation,
    serve,
)

pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")
"""openai-python's own way to call the newest websockets."""

TOOLS = [{"type": "mcp", "server_label": "weather", "server_url": "https://mcp.example", "require_approval": "always"}]


async def drive(use, script, **settings):
    """Run `use(client)` in a thread, against a server; give the server."""
    async with serve(SimulatorSettings(pace=INSTANT, **settings), script.responder) as server:
        call = server.create_call()

        def work():
            base_url = server.base_url.replace("ws:", "http:")
            with openai.OpenAI(api_key="sk-test", base_url=base_url, max_retries=0) as client:
                use(client, call)

        with trio.fail_after(30):
            await trio.to_thread.run_sync(work)
        assert_faithful(server)


def until(connection, event_type):
    while True:
        event = connection.recv()
        assert event.type != "error", event
        if event.type == event_type:
            return event


async def test_it_controls_a_call():
    def use(client, call):
        with client.realtime.connect(call_id=call.id) as connection:
            connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
            assert until(connection, "session.updated").session.instructions == "Be brief."
            connection.response.create()
            until(connection, "output_audio_buffer.started")
            until(connection, "response.done")
            connection.output_audio_buffer.clear()
            until(connection, "output_audio_buffer.cleared")
            until(connection, "conversation.item.truncated")

    await drive(use, Script.of(Say("A long answer. " * 20)))


async def test_it_translates():
    heard = []

    def use(client, _):
        with client.realtime.translations.connect(model="gpt-realtime-translate") as connection:
            connection.session.update(session={"audio": {"output": {"language": "es"}}})
            assert until(connection, "session.updated").session.audio.output.language == "es"
            connection.session.input_audio_buffer.append(audio=base64(tone(220, 600)))
            connection.session.close()
            for event in connection:
                heard.append(event)
                if event.type == "session.closed":
                    break

    await drive(use, Script(translations=[Translation("Good morning.", "Buenos días.")]))
    words = [event.delta for event in heard if event.type == "session.output_transcript.delta"]
    assert "".join(words) == "Buenos días."


async def test_it_approves_an_mcp_call():
    def use(client, _):
        with client.realtime.connect(model="gpt-realtime") as connection:
            connection.session.update(session={"type": "realtime", "output_modalities": ["text"], "tools": TOOLS})
            until(connection, "mcp_list_tools.completed")
            connection.response.create()
            item = until(connection, "conversation.item.done").item
            assert item.type == "mcp_approval_request"
            answer = {"type": "mcp_approval_response", "id": "a1", "approval_request_id": item.id, "approve": True}
            connection.conversation.item.create(item=answer)
            assert until(connection, "response.output_item.done").item.output == "sunny"

    server = McpServer([McpTool("forecast", "sunny")], list_ms=0, call_ms=0)
    await drive(use, Script.of(McpCall("weather", "forecast")), mcp_servers={"weather": server})

"""Answer tool calls by hand: several at once, each in its own task, with a deadline; failures are told to the model."""

from collections.abc import Mapping
from typing import Any

import trio
import trio.testing

from engine import (
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ClientSettings,
    Session,
    SessionConfig,
    ToolResultEvent,
    ToolUseStreamEvent,
    open_session,
)
from engine.simulator import Call, Say, Script, Turn, serve
from engine.testing import in_memory

SCRIPT = Script(
    turns=[
        Turn([Call("get_weather", '{"city": "Oslo"}'), Call("get_weather", '{"city": "Atlantis"}')]),
        Turn([Say("Oslo has seven degrees. I do not know Atlantis.")]),
    ]
)
TOOL_DEADLINE_S = 5
TOOLS = [
    {
        "name": "get_weather",
        "description": "Give the temperature in a city, in degrees Celsius.",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    },
]


async def get_weather(city: str) -> dict[str, Any]:
    await trio.sleep(1)  # asks somebody
    if city != "Oslo":
        raise LookupError(f"no city is called {city}")
    return {"city": city, "celsius": 7}


async def answer(session: Session, call: Mapping[str, Any]) -> None:
    try:
        with trio.fail_after(TOOL_DEADLINE_S):
            found = await get_weather(**call["input"])
        result = {"toolUseId": call["toolUseId"], "status": "success", "content": [{"json": found}]}
        await session.send(ToolResultEvent(result))
    except (LookupError, TypeError, trio.TooSlowError) as error:
        result = {"toolUseId": call["toolUseId"], "status": "error", "content": [{"text": str(error)}]}
        await session.send(ToolResultEvent(result, error))


async def main() -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text"), tools=TOOLS)
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
        trio.open_nursery() as nursery,
    ):
        await session.send(BidiTextInputEvent("How warm is it in Oslo and in Atlantis?"))
        async for event in session.receive():
            match event:
                case ToolUseStreamEvent(current_tool_use=call):
                    print("call:", call["name"], call["input"])
                    nursery.start_soon(answer, session, call)
                case BidiTranscriptStreamEvent(is_final=True):
                    print(f"{event.role}: {event.text}")
                case BidiResponseCompleteEvent(stop_reason="complete"):
                    break

        print("messages:", [kind for kind in simulator.sessions[0].received.types if kind != "session.update"])


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

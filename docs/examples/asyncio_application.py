"""A plain asyncio program with the four verbs: a tool of its own, a deadline around a read, and an end in order."""

import asyncio

from engine import (
    BidiOpenAIRealtimeModel,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.simulator import INSTANT, Call, Say, Script, SimulatorSettings
from engine.testing import simulator_in_thread

SCRIPT = Script.of(Call("temperature", {"room": "kitchen"}), Say("It is 21 degrees in the kitchen."))
TOOLS = [{"name": "temperature", "inputSchema": {"type": "object", "properties": {"room": {"type": "string"}}}}]


async def answer(model: BidiOpenAIRealtimeModel, call: ToolUseStreamEvent) -> None:
    use = call.current_tool_use
    result = {"toolUseId": use["toolUseId"], "status": "success", "content": [{"json": {"celsius": 21}}]}
    await model.send(ToolResultEvent(result))


async def main(base_url: str) -> None:
    model = BidiOpenAIRealtimeModel(client_config={"api_key": "any-text", "base_url": base_url})
    await model.start(system_prompt="You know the house.", tools=TOOLS)
    try:
        await model.send(BidiTextInputEvent("How warm is the kitchen?"))
        async with asyncio.timeout(30):
            async for event in model.receive():
                match event:
                    case ToolUseStreamEvent():
                        print(f"asked for {event.current_tool_use['name']}")
                        await answer(model, event)
                    case BidiTranscriptStreamEvent(is_final=True, role="assistant"):
                        print(event.text)
                    case BidiResponseCompleteEvent(stop_reason="complete"):
                        break
    finally:
        await model.stop()


with simulator_in_thread(SimulatorSettings(pace=INSTANT), SCRIPT.responder) as simulator:
    asyncio.run(main(simulator.base_url))

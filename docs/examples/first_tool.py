"""Let the model call a function."""

import trio

from engine import (
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ClientSettings,
    SessionConfig,
    ToolResultEvent,
    ToolUseStreamEvent,
    open_session,
)
from engine.simulator import Call, Say, Script, serve

SCRIPT = Script.of(
    Call("get_weather", '{"city": "Oslo"}'),
    Say("In Oslo it is seven degrees."),
)

GET_WEATHER = {
    "name": "get_weather",
    "description": "Give the temperature in a city, in degrees Celsius.",
    "inputSchema": {
        "json": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def get_weather(city: str) -> dict[str, object]:
    return {"city": city, "celsius": 7}


async def main() -> None:
    async with serve(responder_factory=SCRIPT.responder) as simulator:
        client = ClientSettings(base_url=simulator.base_url, api_key="any-text")
        async with open_session(SessionConfig(client=client, tools=[GET_WEATHER])) as session:
            await session.send(BidiTextInputEvent("What is the weather like in Oslo?"))

            async for event in session.receive():
                match event:
                    case ToolUseStreamEvent(current_tool_use=call):
                        print("call:", call["name"], call["input"])
                        answer = get_weather(**call["input"])
                        result = {
                            "toolUseId": call["toolUseId"],
                            "status": "success",
                            "content": [{"json": answer}],
                        }
                        await session.send(ToolResultEvent(result))
                    case BidiTranscriptStreamEvent(is_final=True):
                        print(f"{event.role}: {event.text}")
                    case BidiResponseCompleteEvent(stop_reason=reason):
                        print("response:", reason)
                        if reason == "complete":
                            break


trio.run(main)

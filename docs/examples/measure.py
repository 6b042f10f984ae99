"""What a session took: its turns with their times, its tokens, and what they cost."""

import trio
import trio.testing

from engine import (
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    ClientSettings,
    SessionConfig,
    ToolResultEvent,
    ToolUseStreamEvent,
    open_session,
)
from engine.simulator import Call, Say, Script, serve
from engine.testing import in_memory

WEATHER = {"name": "weather", "description": "The weather in a city.", "inputSchema": {"json": {"type": "object"}}}
SCRIPT = Script.of(Call("weather", {"city": "Paris"}), Say("It is sunny in Paris."), Say("You are welcome."))


async def talk(session) -> None:
    await session.send(BidiTextInputEvent("What is the weather in Paris?"))
    async for event in session.receive():
        match event:
            case ToolUseStreamEvent():
                await trio.sleep(0.2)  # the tool's work
                call_id = event.current_tool_use["toolUseId"]
                await session.send(ToolResultEvent({"toolUseId": call_id, "content": [{"text": "sunny"}]}))
            case BidiResponseCompleteEvent(stop_reason="complete"):
                return


async def main() -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text"), model="gpt-realtime", tools=[WEATHER])
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
    ):
        await talk(session)
        await session.send(BidiTextInputEvent("Thank you."))
        async for event in session.receive():
            if isinstance(event, BidiResponseCompleteEvent):
                break

    figures = session.statistics()
    for turn in figures.turns:
        print(f"turn {turn.number} ({turn.began}): first audio after {turn.time_to_first_audio_ms:.0f} ms")
        for tool in turn.tools:
            print(f"  {tool.name} took {tool.duration_ms:.0f} ms")

    totals = figures.totals
    print(f"{totals.turns} turns, {totals.time_to_first_audio.mean_ms:.0f} ms to the first audio on average")
    print(f"{totals.tokens.input} tokens in, {totals.tokens.cached} of them cached, {totals.tokens.output} out")
    print(f"{figures.cost} in all")


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

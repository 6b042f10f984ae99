"""A Strands agent on asyncio whose model is the engine: its tools run in the agent, its connection in the engine."""

import asyncio

from strands import tool
from strands.bidi import BidiAgent

from engine.integrations.strands import BidiOpenAIRealtimeModel
from engine.simulator import Call, Say, Script, Turn
from engine.testing import simulator_in_thread

SCRIPT = Script(
    (
        Turn([Call("score_hand", {"cards": ["ten", "seven"]}), Call("get_weather", {"city": "Oslo"})], when="Score"),
        Turn([Say("You asked for your hand, and for the weather.")], when="What did I ask"),
        Turn([Say("Seventeen points, and it snows.")]),
    )
)
POINTS = {"ten": 10, "seven": 7}


@tool
async def score_hand(cards: list[str]) -> int:
    """Adds up the points of a hand of cards."""
    return sum(POINTS[card] for card in cards)


@tool
async def get_weather(city: str) -> str:
    """Tells the weather in a city."""
    await asyncio.sleep(0.1)  # Tools of one answer run side by side.
    return f"snow in {city}"


async def listen(agent: BidiAgent) -> None:
    """Print what is called and said, up to the end of an answer in words."""
    async for event in agent.receive():
        match event.get("type"):
            case "bidi_tool_use_blocks":
                print("calls:", *(use["name"] for use in event.tool_uses))
            case "bidi_transcript_block":
                print(f"{event.role}: {event.transcript}")
            case "bidi_response_stop" if agent.messages[-1]["role"] == "assistant":
                return


async def main() -> None:
    async with simulator_in_thread(responder_factory=SCRIPT.responder) as simulator:
        model = BidiOpenAIRealtimeModel(
            model_id="gpt-realtime",
            provider_config={"audio": {"voice": "marin"}},
            client_config={"api_key": "any-text", "base_url": simulator.base_url},
        )
        agent = BidiAgent(model=model, tools=[score_hand, get_weather], system_prompt="You deal cards.")
        async with agent:
            await agent.send("Score my hand, and tell me the weather.")
            await listen(agent)

        async with agent:  # Another session; the agent's messages are its history.
            await agent.send("What did I ask?")
            await listen(agent)

        told = [message.event for message in simulator.sessions[1].received]
        print("told anew:", *(event["item"]["type"] for event in told if "item" in event))


asyncio.run(main())

"""Let openai-agents' realtime session talk with the simulator: python agents_client.py ws://127.0.0.1:8765/v1"""

import asyncio
import sys

from agents.realtime import RealtimeAgent, RealtimeRunner


async def main(base_url: str) -> None:
    agent = RealtimeAgent(name="Greeter", instructions="You greet people.")
    model = {
        "url": f"{base_url}/realtime?model=gpt-realtime",
        "api_key": "any-text",
        "initial_model_settings": {"tracing": None},
    }
    session = await RealtimeRunner(agent).run(model_config=model)
    async with session:
        await session.send_message("Hello")
        audio = 0
        async for event in session:
            if event.type == "audio":
                audio += len(event.audio.data)
            elif event.type == "agent_end":
                break
        print(f"{audio / 48_000:.2f} s of speech")


asyncio.run(main(sys.argv[1]))

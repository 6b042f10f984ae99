"""Let openai-python's realtime client talk with the simulator: python openai_client.py ws://127.0.0.1:8765/v1"""

import asyncio
import sys

from openai import AsyncOpenAI


async def main(base_url: str) -> None:
    client = AsyncOpenAI(api_key="any-text", websocket_base_url=base_url)
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
        )
        await connection.response.create()
        async for event in connection:
            if event.type == "response.output_text.done":
                print(event.text)
            elif event.type == "response.done":
                break


asyncio.run(main(sys.argv[1]))

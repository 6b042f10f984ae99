"""The shortest conversation: one question to the simulator, one answer."""

import trio

from engine import (
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    ClientSettings,
    SessionConfig,
    open_session,
)
from engine.simulator import serve


async def main() -> None:
    async with serve() as simulator:
        client = ClientSettings(base_url=simulator.base_url, api_key="any-text")
        async with open_session(SessionConfig(client=client)) as session:
            await session.send(BidiTextInputEvent("Good morning"))
            async for event in session.receive():
                if event.get("is_final"):
                    print(f"{event['role']}: {event['text']}")
                elif isinstance(event, BidiResponseCompleteEvent):
                    break


trio.run(main)

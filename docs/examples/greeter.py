"""An application to be tested: greets, and gives up after a minute without an answer."""

import trio

from engine import (
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    SessionConfig,
    open_session,
)
from engine.transport.base import Connector

PATIENCE_S = 60


async def greet(config: SessionConfig, connector: Connector | None = None) -> str:
    """Say hello and give the answer; empty when none came."""
    answer = ""
    async with open_session(config, connector=connector) as session:
        await session.send(BidiTextInputEvent("Hello"))
        with trio.move_on_after(PATIENCE_S):
            async for event in session.receive():
                match event:
                    case BidiTranscriptStreamEvent(role="assistant"):
                        answer = event.current_transcript or ""
                    case BidiResponseCompleteEvent():
                        break
    return answer

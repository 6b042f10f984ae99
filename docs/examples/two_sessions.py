"""Two conversations in one program, and a tool that both use: one table is left, and two guests ask for it."""

import trio
import trio.testing

from engine import (
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ClientSettings,
    SessionConfig,
    open_session,
)
from engine.simulator import Call, Say, Script, Simulator, Turn, serve
from engine.testing import in_memory
from engine.tools import Tools

SCRIPT = Script(
    [
        Turn([Call("book_table", {"guests": 2})], when="^A table"),
        Turn([Say("Your table is booked.")], when="booked"),
        Turn([Say("I am sorry, we are full tonight.")], when="full"),
    ]
)


class Restaurant:
    """What both conversations share. Trio runs their tools in one thread, so a lock is all it takes."""

    def __init__(self) -> None:
        self._free = 1
        self._book = trio.Lock()

    async def book_table(self, guests: int) -> str:
        """Book a table for tonight."""
        async with self._book:
            await trio.sleep(2)  # the restaurant's own system is slow
            if not self._free:
                return "full"
            self._free -= 1
            return f"booked for {guests}"


async def talk(guest: str, simulator: Simulator, tools: Tools) -> None:
    """Hold one conversation, to the end of the answer."""
    config = SessionConfig(client=ClientSettings(api_key="any-text"), tools=tools.specs)
    async with open_session(config, connector=in_memory(simulator)) as session:
        print(f"{guest} asks for a table")
        await session.send(BidiTextInputEvent("A table for two, please."))
        async for event in session.run(tools):
            match event:
                case BidiTranscriptStreamEvent(is_final=True):
                    print(f"{guest} is told: {event.text}")
                case BidiResponseCompleteEvent(stop_reason="complete"):
                    break


async def main() -> None:
    tools = Tools([Restaurant().book_table])
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(talk, "Ada", simulator, tools)
        await trio.sleep(0.5)
        nursery.start_soon(talk, "Ben", simulator, tools)
        # The nursery ends when both talks have; if one fails, the other is ended and the error raised here.


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

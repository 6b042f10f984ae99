"""Two deadlines that pass: an answer that has fallen silent, and a talk in which nobody says anything."""

import trio
import trio.testing

from engine import (
    BidiErrorEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    ClientSettings,
    DeadlinePassed,
    EngineSettings,
    SessionConfig,
    open_session,
)
from engine.simulator import Say, Script, Turn, serve
from engine.testing import in_memory

SCRIPT = Script([Turn([Say("Forty-two.")], think_ms=600_000)])


async def main() -> None:
    engine = EngineSettings(response_stall_deadline_s=20, idle_deadline_s=120)
    config = SessionConfig(client=ClientSettings(api_key="any-text"), engine=engine)
    async with serve(responder_factory=SCRIPT.responder, host=None) as simulator:
        try:
            async with open_session(config, connector=in_memory(simulator)) as session:
                await session.send(BidiTextInputEvent("What is the answer?"))
                async for event in session.receive():
                    match event:
                        case BidiErrorEvent():
                            print(f"{trio.current_time():.0f} s: {event.message}")
                        case BidiResponseCompleteEvent():
                            print(f"{trio.current_time():.0f} s: the response is over: {event.stop_reason}")
        except DeadlinePassed as error:
            print(f"{trio.current_time():.0f} s: {error.deadline} after {error.limit_s:.0f} s")
            print(f"the session is {session.statistics().state}")


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

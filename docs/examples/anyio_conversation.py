"""The same conversation on Trio and on asyncio: written once, with anyio."""

import anyio
import sniffio

from engine import (
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ClientSettings,
    Session,
    SessionConfig,
    open_session,
)
from engine.simulator import INSTANT, Call, Say, Script, SimulatorSettings
from engine.testing import simulator_in_thread
from engine.tools import Tools

SCRIPT = Script.of(Call("wait", {"seconds": 0.1}), Say("I have waited."), Say("Goodbye."))
TALK_BOUND_S = 30

tools = Tools()


@tools.add
async def wait(seconds: float) -> str:
    """Wait a while."""
    await anyio.sleep(seconds)
    print(f"the tool runs on {sniffio.current_async_library()}, as its conversation does")
    return "done"


async def ask(session: Session, text: str) -> None:
    await session.send(BidiTextInputEvent(text))
    async for event in session.run(tools):
        match event:
            case BidiTranscriptStreamEvent(is_final=True):
                print(f"{event.role}: {event.text}")
            case BidiResponseCompleteEvent(stop_reason="complete"):
                return


async def main(base_url: str) -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text", base_url=base_url), tools=tools.specs)
    with anyio.fail_after(TALK_BOUND_S):
        async with open_session(config) as session:
            await ask(session, "Wait a moment.")
            await ask(session, "Thank you, bye.")


with simulator_in_thread(SimulatorSettings(pace=INSTANT), SCRIPT.responder) as simulator:
    for backend in ("trio", "asyncio"):
        anyio.run(main, simulator.base_url, backend=backend)

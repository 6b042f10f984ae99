"""A session that outlives its connections: one is renewed at the end of its time, one goes away in mid-answer."""

import trio
import trio.testing

from engine import (
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionWarningEvent,
    BidiInterruptionEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ClientSettings,
    Session,
    SessionConfig,
    open_session,
)
from engine.simulator import Say, Script, Turn, serve
from engine.testing import in_memory

STORY = Say("Once upon a time there was a lighthouse keeper who had never seen the sea.")
SCRIPT = Script([Turn([STORY], when="story", repeat=None)])


async def watch(session: Session) -> None:
    async for event in session.receive():
        match event:
            case BidiConnectionWarningEvent():
                print(f"warning: {event.reason}, {event.due_s:.0f} s left ({event.error})")
            case BidiConnectionRestartEvent():
                print(f"restart: {event.reason}, gap {event.gap_ms:.0f} ms, asked again: {event.asked_again}")
                print(f"         {event.replayed_items} items told, {event.left_out_items} left out")
            case BidiInterruptionEvent():
                print(f"interruption: {event.reason}")
            case BidiTranscriptStreamEvent(is_final=True):
                print(f"{event.role}: {event.text}")
            case BidiConnectionCloseEvent():
                print(f"closed: {event.reason}")


async def main() -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text", timeout_s=60))
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(watch, session)
        await session.send(BidiTextInputEvent("My name is Alice."))
        await trio.sleep(70)  # past timeout_s

        await session.send(BidiTextInputEvent("Tell me a story."))
        await trio.sleep(0.5)  # the answer is under way
        await simulator.disconnect_all()
        await trio.sleep(10)

        links = session.statistics().links
        print(f"{links.carried} connections: {links.renewals} renewal, {links.reconnections} reconnection")
        await session.stop()


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

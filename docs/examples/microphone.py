"""Send a microphone's audio as it comes, in frames of 20 ms."""

from collections.abc import AsyncIterator

import trio
import trio.testing

from engine import BidiResponseCompleteEvent, ClientSettings, EngineSettings, SessionConfig, open_session
from engine.audio.pcm import silence, tone
from engine.simulator import Say, Script, serve
from engine.testing import in_memory

SCRIPT = Script.of(Say("I heard you."))
FRAME_MS = 20


async def microphone() -> AsyncIterator[bytes]:
    """Stand in for a sound card: a second of a voice, then silence, at the pace of real time."""
    for _ in range(50):
        await trio.sleep(FRAME_MS / 1000)
        yield tone(200, FRAME_MS)
    while True:
        await trio.sleep(FRAME_MS / 1000)
        yield silence(FRAME_MS)


async def main() -> None:
    config = SessionConfig(
        client=ClientSettings(api_key="any-text"),
        engine=EngineSettings(input_frame_ms=100, input_overflow="drop_oldest"),
    )
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
        trio.open_nursery() as nursery,
    ):

        async def pump() -> None:
            async for frame in microphone():
                await session.send_audio(frame)

        nursery.start_soon(pump)
        async for event in session.receive():
            if isinstance(event, BidiResponseCompleteEvent):
                break
        await trio.sleep(0.01)  # The last message may still be on its way.
        nursery.cancel_scope.cancel()

        now = session.statistics()
        sent = simulator.sessions[0].received.counts["input_audio_buffer.append"]
        print(f"{now.audio_fed_ms / FRAME_MS:.0f} frames fed, {sent} messages sent")
        print(f"{now.audio_lane.dropped:.0f} ms dropped, at most {now.audio_lane.most:.0f} ms waited")


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

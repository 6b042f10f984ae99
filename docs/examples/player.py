"""Play the answer with a player of your own, and tell the session how far it is."""

from collections import deque

import trio
import trio.testing

from engine import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    ClientSettings,
    SessionConfig,
    open_session,
)
from engine.audio.pcm import bytes_to_ms
from engine.simulator import Say, Script, serve
from engine.testing import in_memory

SCRIPT = Script.of(Say("One, two, three, four, five."), Say("Six."))
DEVICE_DELAY_MS = 120


class Player:
    """Stand in for a sound library: plays what is queued, and knows its position in it."""

    def __init__(self) -> None:
        self.queue: deque[BidiAudioStreamEvent] = deque()
        self.played_ms: dict[str, float] = {}

    def play(self, event: BidiAudioStreamEvent) -> None:
        self.queue.append(event)

    def stop(self) -> None:
        self.queue.clear()

    async def run(self) -> None:
        while True:
            await trio.sleep(DEVICE_DELAY_MS / 1000)
            while self.queue:
                event = self.queue.popleft()
                length_ms = bytes_to_ms(len(event.pcm))
                await trio.sleep(length_ms / 1000)
                self.played_ms[event.item_id] = self.played_ms.get(event.item_id, 0) + length_ms


async def main() -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text"))
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
        trio.open_nursery() as nursery,
    ):
        player = Player()

        async def report() -> None:
            while True:
                await trio.sleep(0.1)
                for item_id, played_ms in player.played_ms.items():
                    session.playback.report(item_id, played_ms)

        nursery.start_soon(player.run)
        nursery.start_soon(report)
        await session.send(BidiTextInputEvent("Count to five."))

        async for event in session.receive():
            match event:
                case BidiAudioStreamEvent():
                    player.play(event)
                case BidiInterruptionEvent():
                    player.stop()
                case BidiResponseCompleteEvent():
                    print("the answer has come; it is still being played:", session.playback.playing)
                    break

        with trio.fail_after(30):
            await session.playback.heard_out()
        for item_id in player.played_ms:
            print(f"heard: {session.playback.heard_ms(item_id)} ms of {session.playback.received_ms(item_id)} ms")
        nursery.cancel_scope.cancel()


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

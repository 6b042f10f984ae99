"""Answer a telephone call: packets of 20 ms of G.711, and a caller who cuts in."""

import trio
import trio.testing

from engine import (
    AudioSettings,
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiTextInputEvent,
    ClientSettings,
    SessionConfig,
    open_session,
)
from engine.audio.g711 import encode, mu_law
from engine.audio.pcm import silence, tone
from engine.simulator import Say, Script, serve
from engine.testing import in_memory

SCRIPT = Script.of(Say("Our office is open from nine to five, and on Saturdays until noon."), Say("Yes?"))
SETTINGS = SessionConfig(
    client=ClientSettings(api_key="any-text"),
    audio=AudioSettings(format="pcmu", input_rate=8000, output_rate=8000),
)
CALLER = encode(mu_law(), tone(200, 300, rate_hz=8000) + silence(700, rate_hz=8000))


PACKET_BYTES = 160
line: list[bytes] = []


def put_on_the_line(packet: bytes) -> None:
    """Stand in for the telephone network."""
    assert len(packet) == PACKET_BYTES
    line.append(packet)


async def main() -> None:
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_session(SETTINGS, connector=in_memory(simulator)) as session,
        trio.open_nursery() as nursery,
    ):
        packets = session.audio_out(frame_ms=20, format="pcmu")

        async def speak_to_the_caller() -> None:
            async for packet in packets:
                put_on_the_line(packet)

        nursery.start_soon(speak_to_the_caller)
        await session.send(BidiTextInputEvent("When are you open?"))

        answer = None
        async for event in session.receive():
            match event:
                case BidiAudioStreamEvent() if answer is None:
                    answer = event.item_id
                    await trio.sleep(2)
                    await session.send_audio(CALLER)
                case BidiInterruptionEvent():
                    break

        heard_ms, received_ms = session.playback.heard_ms(answer), session.playback.received_ms(answer)
        now = packets.statistics()
        print(f"{len(line)} packets: {now.played_ms:.0f} ms of speech, {now.silence_ms:.0f} ms of silence")
        print(f"{heard_ms:.0f} ms were heard of {received_ms:.0f} ms that came; {now.flushed_ms:.0f} ms were dropped")

        await trio.sleep(0.1)
        (truncation,) = (
            message.event for message in simulator.sessions[0].received if message.type == "conversation.item.truncate"
        )
        print(f"the service was told: {truncation['audio_end_ms']} ms")
        nursery.cancel_scope.cancel()


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

"""Talk through the sound devices of this machine: the key comes from OPENAI_API_KEY, Ctrl-C ends it."""

import sys

import trio

from engine import (
    AudioSettings,
    BidiTranscriptStreamEvent,
    ClientSettings,
    EngineSettings,
    SessionConfig,
    open_session,
)
from engine.devices import open_loudspeaker, open_microphone

BASE_URL, MICROPHONE, LOUDSPEAKER = [*sys.argv[1:], None, None, None][:3]


async def main() -> None:
    async with open_microphone(MICROPHONE) as microphone, open_loudspeaker(LOUDSPEAKER) as loudspeaker:
        config = SessionConfig(
            client=ClientSettings(base_url=BASE_URL),
            audio=AudioSettings(input_rate=microphone.shape.rate_hz),
            engine=EngineSettings(input_overflow="drop_oldest"),
        )
        async with open_session(config) as session, trio.open_nursery() as nursery:

            async def hear() -> None:
                async for block in microphone:
                    await session.send_audio(block)

            rate, channels = loudspeaker.shape.rate_hz, loudspeaker.shape.channels
            nursery.start_soon(hear)
            nursery.start_soon(loudspeaker.play, session.audio_out(20, rate=rate, channels=channels))
            async for event in session.receive():
                if isinstance(event, BidiTranscriptStreamEvent) and event.is_final:
                    print(f"{event.role}: {event.text}", flush=True)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)

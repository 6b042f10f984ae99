"""Ask in writing, and read what the model says."""

import trio

from engine import (
    BidiAudioStreamEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ClientSettings,
    SessionConfig,
    open_session,
)
from engine.simulator import Say, Script, serve

SCRIPT = Script.of(Say("Hello! What shall we talk about?"))


async def main() -> None:
    async with serve(responder_factory=SCRIPT.responder) as simulator:
        client = ClientSettings(base_url=simulator.base_url, api_key="any-text")
        async with open_session(SessionConfig(client=client)) as session:
            await session.send(BidiTextInputEvent("Good morning"))

            speech = b""
            async for event in session.receive():
                match event:
                    case BidiTranscriptStreamEvent():
                        if event.is_final:
                            print(f"{event.role}: {event.text}")
                    case BidiAudioStreamEvent():
                        speech += event.pcm
                    case BidiResponseCompleteEvent():
                        print(f"{event.type}: {event.stop_reason}")
                        break
                    case _:
                        print(event.type)

            seconds = len(speech) / 2 / 24_000  # 2 bytes a sample, 24,000 samples a second
            print(f"{seconds:.2f} s of speech")


trio.run(main)
